"""A decision's record as rows of the tables."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from tierwise_core.cost_report import SHADOWS_GROUP
from tierwise_core.decision_record import SHADOW, DecisionRecord, StepRecord
from tierwise_ledger.tables.base import nano_usd

__all__ = [
    "answered_by",
    "call_rows",
    "judge_rows",
    "outcome_row",
    "packed",
    "unpacked",
    "workload_of",
]

FASTEST = 1


def answered_by(record: DecisionRecord) -> StepRecord | None:
    """Give the step whose answer went out; None when nobody answered."""
    if not record.specialist or not record.steps:
        return None
    return record.steps[-1]


def workload_of(record: DecisionRecord) -> str:
    """Name what a request belongs to: the caller's word for it, else its latency class.

    What was made to be compared belongs to nobody's workload.
    """
    if record.is_shadow:
        return SHADOWS_GROUP
    return record.workload or record.latency_class


def outcome_row(record: DecisionRecord, received_at: float, skew_s: float) -> dict[str, Any]:
    """Give the row of ``outcomes``; sums are over all calls, the rest is of who answered."""
    answer = answered_by(record)
    steps = record.steps
    return {
        "id": record.id,
        "at": record.at,
        "received_at": received_at,
        "skew_s": skew_s,
        "tenant": record.tenant,
        "user_digest": record.user,
        "session": record.session,
        "field": record.field or "",
        "query_id": record.query_id,
        "endpoint": record.endpoint,
        "model": record.model,
        "latency_class": record.latency_class,
        "workload": workload_of(record),
        "pattern": record.pattern,
        "stream": record.stream,
        "state": SHADOW if record.is_shadow else record.state,
        "status": record.status,
        "reason": record.reason,
        "specialist": record.specialist,
        "revision": answer.revision if answer else "",
        "adapter": answer.adapter if answer else "",
        "tier": answer.tier if answer else "",
        "predicted": answer.predicted if answer else None,
        "confidence": answer.confidence if answer else None,
        "verified": answer.verified if answer else None,
        "calls": record.calls or len(steps) + len(record.judges),
        "input_tokens": sum(step.input_tokens or 0 for step in steps),
        "cached_tokens": sum(step.cached_tokens or 0 for step in steps),
        "output_tokens": sum(step.output_tokens or 0 for step in steps),
        # What a pattern's answer cost is in the outcomes of its parts.
        "cost_nano_usd": nano_usd(record.cost_usd) if steps or not record.parts else 0,
        "seconds": record.seconds,
        "queue_s": _sum([step.queue_s for step in steps]),
        "ttft_s": answer.ttft_s if answer else None,
        "feedback": None,
        "feedback_at": None,
        "corrected": False,
    }


def _sum(parts: Iterable[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def call_rows(record: DecisionRecord) -> list[dict[str, Any]]:
    """Give the rows of ``calls``; what only the request measured counts for its one call."""
    steps = record.steps
    if len(steps) == 1 and steps[0].seconds is None and not steps[0].failure:
        others_usd = sum(judge.cost_usd for judge in record.judges)
        own_usd = max(0.0, record.cost_usd - others_usd)
        steps = (replace(steps[0], seconds=record.seconds, cost_usd=own_usd),)
    return _rows(record, steps)


def judge_rows(record: DecisionRecord) -> list[dict[str, Any]]:
    """Give the same of the calls about answers, which are none of the way to one."""
    return _rows(record, record.judges)


def _rows(record: DecisionRecord, steps: Iterable[StepRecord]) -> list[dict[str, Any]]:
    return [
        {
            "outcome": record.id,
            "position": position,
            "at": record.at,
            "specialist": step.specialist,
            "revision": step.revision,
            "adapter": step.adapter,
            "tier": step.tier,
            "pod": step.pod,
            "own_field": step.own_field,
            "predicted": step.predicted,
            "confidence": step.confidence,
            "floor": step.floor,
            "verdict": step.verdict,
            "failure": step.failure,
            "verified": step.verified,
            "checks": list(step.checks) or None,
            "input_tokens": step.input_tokens,
            "cached_tokens": step.cached_tokens,
            "output_tokens": step.output_tokens,
            "cost_nano_usd": nano_usd(step.cost_usd),
            "seconds": step.seconds,
            "queue_s": step.queue_s,
            "ttft_s": step.ttft_s,
        }
        for position, step in enumerate(steps)
    ]


def packed(row: Mapping[str, Any]) -> bytes:
    """Make a record small: JSON, compressed."""
    return zlib.compress(orjson.dumps(row), FASTEST)


def unpacked(body: bytes) -> dict[str, Any]:
    """Give back what :func:`packed` made small."""
    row: dict[str, Any] = orjson.loads(zlib.decompress(body))
    return row
