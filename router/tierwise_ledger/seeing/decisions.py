"""Decisions: the newest ones, and the whole story of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, select

from tierwise_core.decision_record import DecisionRecord
from tierwise_core.decision_story import story
from tierwise_ledger.choosing import Choice
from tierwise_ledger.errors import NotKnownError
from tierwise_ledger.listing import list_outcomes
from tierwise_ledger.outcome_rows import unpacked
from tierwise_ledger.service.asked import Span
from tierwise_ledger.tables.audit import AUDIT_RECORDS
from tierwise_ledger.tables.feedback import FEEDBACK
from tierwise_ledger.tables.outcomes import RECORDS

__all__ = ["CHOICES", "newest", "whole_story"]

CHOICES: Final = ("tenant", "field", "state", "specialist", "session")
SHOWN: Final = (
    "id", "at", "tenant", "field", "model", "state", "status", "specialist", "tier", "confidence",
    "calls", "seconds", "feedback",
)  # fmt: skip
SAID: Final = ("id", "at", "source", "accepted", "corrected", "comment")


def newest(
    connection: Connection, span: Span, only: Mapping[str, str], most: int
) -> list[dict[str, Any]]:
    """List the newest decisions of a time; ``only`` chooses by the names of CHOICES."""
    choice = Choice(*span, {name: [value] for name, value in only.items()})
    found, _ = list_outcomes(connection, choice, limit=most)
    return [{**{name: row[name] for name in SHOWN}, "usd": row["cost_usd"]} for row in found]


def whole_story(connection: Connection, name: str) -> dict[str, Any]:
    """Tell one decision: its record, its story, the words on its answer, its audit."""
    query = select(RECORDS.c.body).where(RECORDS.c.id == name)
    body = connection.execute(query).scalar_one_or_none()
    if body is None:
        raise NotKnownError(
            f"no decision {name[:80]!r} is known here; it may be older than is kept, or on its way",
            field="id",
        )
    record = DecisionRecord.of(unpacked(body))
    said = select(FEEDBACK).where(FEEDBACK.c.decision == name).order_by(FEEDBACK.c.at)
    return {
        "record": record.to_row(),
        "story": [{"title": one.title, "lines": one.lines} for one in story(record)],
        "audit": _links(connection, name),
        "feedback": [
            {one: row[one] for one in SAID} for row in connection.execute(said).mappings()
        ],
    }


def _links(connection: Connection, name: str) -> list[dict[str, Any]]:
    kept = (AUDIT_RECORDS.c.stream, AUDIT_RECORDS.c.seq, AUDIT_RECORDS.c.hash)
    query = select(*kept).where(AUDIT_RECORDS.c.subject == name).order_by(*kept[:2])
    return [
        {"stream": row.stream, "seq": row.seq, "hash": row.hash}
        for row in connection.execute(query)
    ]
