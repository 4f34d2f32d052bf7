"""Windows of utility: what rollouts are decided by."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tierwise_core.claims import Contradictions
from tierwise_core.field_profiles import FieldJudgement, judgement_of
from tierwise_core.utility import UtilityWeights
from tierwise_core.windows import parts_of
from tierwise_ledger.errors import RequestError
from tierwise_ledger.learning.interactions import GRID_S
from tierwise_ledger.learning.latency import quantile_ms
from tierwise_ledger.learning.windows import (
    Asked,
    Of,
    Summed,
    judged_by_field,
    latencies,
    newest,
    on_grid,
    windows,
)
from tierwise_ledger.service.answers import Answer
from tierwise_ledger.service.asked import only, span, whole
from tierwise_ledger.tables.base import HOUR_S, NANO

__all__ = ["ROUTES", "rows"]

KNOWN: Final = (
    "specialist", "revision", "field", "since", "until", "every", "latency",
    "efficacy", "confidence", "curiosity", "penalty",
)  # fmt: skip
WEIGHTS: Final = ("efficacy", "confidence", "curiosity")
MOST_STEPS: Final = 2000
DAY_S: Final = 86_400


def _windows(request: Request) -> Response:
    only(request, *KNOWN)
    given = request.query_params
    since, until = on_grid(*span(request))
    specialist, revision, field = (given.get(name) for name in Of._fields)
    every = _every(request, since, until)
    asked = Asked(since, until, specialist, revision, field, every)
    own = _own_judgement(request)
    with request.app.state.store.read() as connection:
        return Answer(
            {
                "since": since,
                "until": until,
                "newest": newest(connection),
                "gridSeconds": GRID_S,
                "windows": list(
                    rows(connection, asked, own, with_latency=given.get("latency") == "true")
                ),
            }
        )


def _every(request: Request, since: int, until: int) -> int:
    """Read how long each window of a series is; 0 for one window over the whole time."""
    if not request.query_params.get("every"):
        return 0
    every = whole(request, "every", 0, most=DAY_S * 31)
    if every % (GRID_S if every < HOUR_S else HOUR_S):
        raise RequestError(
            f"every is {every}; give a multiple of {GRID_S} seconds, the grid of windows, and from "
            f"an hour on whole hours ({HOUR_S})",
            field="every",
        )
    steps = len(Asked(since, until, every=every).begins)
    if steps > MOST_STEPS:
        raise RequestError(
            f"every is {every}, which makes {steps} windows; give a longer one, or a shorter time: "
            f"at most {MOST_STEPS} windows",
            field="every",
        )
    return every


def _own_judgement(request: Request) -> FieldJudgement | None:
    """Read weights and penalty of the question; without any, each field's built-in ones hold."""
    given = request.query_params
    if not any(name in given for name in (*WEIGHTS, "penalty")):
        return None
    default = FieldJudgement()
    penalty = _number(given, "penalty", default.penalty)
    if penalty < 1.0:
        raise RequestError(f"penalty is {penalty:g}; give 1 or more", field="penalty")
    if not any(name in given for name in WEIGHTS):
        return replace(default, penalty=penalty)
    try:
        weights = UtilityWeights(*(_number(given, name, 0.0) for name in WEIGHTS))
    except ValueError as error:
        raise RequestError(str(error), field="efficacy") from None
    return FieldJudgement(weights, penalty)


def _number(given: Mapping[str, str], name: str, default: float) -> float:
    text = given.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RequestError(f"{name} is {text[:60]!r}; give a number", field=name)
    return value


def rows(
    connection: Connection, asked: Asked, own: FieldJudgement | None, *, with_latency: bool
) -> Iterator[dict[str, Any]]:
    """Give the windows of a time, by ``own`` weights or else by each field's."""
    totals = judged_by_field(connection, asked)
    slow = latencies(connection, asked) if with_latency else {}
    for begin, whose in windows(connection, asked).items():
        for of, summed in whose.items():
            judgement = own or judgement_of(of.field)
            row = _row(of, summed, judgement, totals[begin, of.field])
            row |= {"since": begin, "until": begin + asked.every if asked.every else asked.until}
            if with_latency:
                measured = slow.get(begin, {}).get(of, {})
                row["latency"] = {name: _latency(counts) for name, counts in measured.items()}
            yield row


def _row(of: Of, summed: Summed, judgement: FieldJudgement, field_total: int) -> dict[str, Any]:
    window = summed.window
    parts = parts_of(window, judgement, field_total)
    contradictions = Contradictions(window.compared, window.contradicted)
    low, high = contradictions.interval
    return {
        **of._asdict(),
        "U": parts.utility,
        "E": parts.efficacy,
        "C": parts.confidence,
        "K": parts.curiosity,
        "variance": parts.variance,
        "weights": asdict(judgement.weights),
        "penalty": judgement.penalty,
        "fieldJudged": field_total,
        "contradictionRate": contradictions.rate,
        "contradictionLow": low,
        "contradictionHigh": high,
        "escalationRate": window.escalation_rate,
        "costUsd": summed.cost_nano_usd / NANO,
        "sums": window.to_row(),
    }


def _latency(counts: dict[int, int]) -> dict[str, Any]:
    return {
        "p50Ms": quantile_ms(counts, 0.50),
        "p95Ms": quantile_ms(counts, 0.95),
        "p99Ms": quantile_ms(counts, 0.99),
        "bins": {str(number): count for number, count in sorted(counts.items())},
    }


ROUTES = (Route("/v1/windows", _windows, methods=["GET"]),)
