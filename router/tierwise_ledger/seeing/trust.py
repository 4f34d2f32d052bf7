"""How far confidence can be trusted: what was said beside what came of it, by tenths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, case, func, select

from tierwise_core.windows import E4
from tierwise_ledger.service.asked import Span
from tierwise_ledger.tables.judged import INTERACTIONS
from tierwise_ledger.tables.learned import CALIBRATIONS

__all__ = ["BINS", "reliability"]

BINS: Final = 10
MOST_ANSWERS: Final = 50_000
# A gate's own verdict is made of the very confidence that is to be judged, and a failure had none.
OUTSIDE: Final = ("feedback", "verifier")


def reliability(connection: Connection, span: Span, only: Mapping[str, str]) -> dict[str, Any]:
    """Give, for each Specialist and field, its bins, Brier score and calibration error.

    Only answers that somebody other than the gate judged count: the newest, if there are too many.
    """
    curves: dict[tuple[str, str], dict[int, Any]] = defaultdict(dict)
    for row in connection.execute(_binned(span, only)):
        curves[row.specialist, row.field][row.bin] = row
    refits = {
        (row.specialist, row.field): {"at": row.at, **row.report}
        for row in connection.execute(select(CALIBRATIONS))
        if isinstance(row.report, dict)
    }
    told = [_curve(key, bins, refits.get(key)) for key, bins in curves.items()]
    told.sort(key=lambda one: (-one["answers"], one["specialist"], one["field"]))
    return {"curves": told}


def _binned(span: Span, only: Mapping[str, str]) -> Any:
    table = INTERACTIONS.c
    query = select(table.specialist, table.field, table.confidence_e4, table.accepted).where(
        table.at >= span.since,
        table.at < span.until,
        table.accepted.is_not(None),
        table.source.in_(OUTSIDE),
    )
    for name, value in only.items():
        query = query.where(table[name] == value)
    newest = query.order_by(table.at.desc()).limit(MOST_ANSWERS).subquery().c
    was = case((newest.accepted, 1), else_=0)
    at_top = newest.confidence_e4 >= E4
    place = case((at_top, BINS - 1), else_=newest.confidence_e4 // (E4 // BINS))
    off = newest.confidence_e4 - was * E4
    return select(
        newest.specialist,
        newest.field,
        place.label("bin"),
        func.count().label("answers"),
        func.sum(newest.confidence_e4).label("said_e4"),
        func.sum(was).label("accepted"),
        func.sum(off * off * 1.0).label("squared"),
    ).group_by(newest.specialist, newest.field, place)


def _curve(key: tuple[str, str], bins: Mapping[int, Any], refit: Any) -> dict[str, Any]:
    """Tell one curve; ECE weighs each bin's distance from the diagonal by its answers."""
    answers = sum(row.answers for row in bins.values())
    points = [
        {
            "predicted": float(row.said_e4) / E4 / row.answers,
            "accepted": float(row.accepted) / row.answers,
            "count": row.answers,
        }
        for _, row in sorted(bins.items())
    ]
    off = sum(one["count"] * abs(one["predicted"] - one["accepted"]) for one in points)
    squared = sum(float(row.squared) for row in bins.values())
    return {
        "specialist": key[0],
        "field": key[1],
        "answers": answers,
        "brier": squared / E4**2 / answers,
        "ece": off / answers,
        "bins": points,
        "refit": refit,
    }
