"""Drift, read from the histograms: a time against the one before it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Connection, func, select

from tierwise_core.drift_signals import Histogram, compare_histograms
from tierwise_ledger.service.asked import Span
from tierwise_ledger.tables.learned import SIGNAL_COUNTS

__all__ = ["drift"]

SEVERITIES: Final = {"major": 0, "moderate": 1, "none": 2}
Signal = tuple[str, str, str]


def drift(
    connection: Connection,
    now: Span,
    before: Span,
    side: str | None = None,
    name: str | None = None,
) -> list[dict[str, Any]]:
    """Compare every signal's histogram, the worst first.

    ``side`` is ``field`` for questions or ``specialist`` for answers, ``name`` whose. All signals
    are looked at together, so each has to be surer than one alone would.
    """
    ours = _histograms(connection, before, side, name)
    theirs = _histograms(connection, now, side, name)
    signals = sorted(ours.keys() & theirs.keys())
    shifts = [(of, compare_histograms(of[2], ours[of], theirs[of], len(signals))) for of in signals]
    shifts.sort(key=lambda one: (SEVERITIES[one[1].severity], -one[1].psi, one[0]))
    return [{"side": of[0], "name": of[1], **asdict(shift)} for of, shift in shifts]


def _histograms(
    connection: Connection, when: Span, side: str | None, name: str | None
) -> dict[Signal, Histogram]:
    of = [SIGNAL_COUNTS.c[column] for column in ("side", "name", "signal")]
    query = select(*of, SIGNAL_COUNTS.c.bin, func.sum(SIGNAL_COUNTS.c["count"])).where(
        SIGNAL_COUNTS.c.begin >= when.since, SIGNAL_COUNTS.c.begin < when.until
    )
    if side is not None:
        query = query.where(SIGNAL_COUNTS.c.side == side)
    if name is not None:
        query = query.where(SIGNAL_COUNTS.c.name == name)
    found: dict[Signal, dict[int, int]] = {}
    for *whose, number, count in connection.execute(query.group_by(*of, SIGNAL_COUNTS.c.bin)):
        found.setdefault((whose[0], whose[1], whose[2]), {})[number] = int(count)
    return dict(found)
