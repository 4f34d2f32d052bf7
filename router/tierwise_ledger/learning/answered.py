"""Reading what a Specialist answered in a field, the latest first, among millions of answers."""

from __future__ import annotations

from itertools import accumulate
from typing import Final

from sqlalchemy import Connection, func, select

from tierwise_ledger.tables.base import hour_of
from tierwise_ledger.tables.judged import INTERACTIONS, WINDOW_HOURS

__all__ = ["MOST", "MOST_AT_ONCE", "Answered", "asked_in", "latest_answers", "most_of_each"]

MOST: Final = 20_000
"""So many answers of a Specialist in a field tell how well it is calibrated."""

MOST_AT_ONCE: Final = 100_000
"""So many answers are read for one answer of the API, so that it comes within a second."""

LEAST: Final = 1_000

JUDGES: Final = frozenset({"feedback", "verifier"})

Answered = tuple[float, float, bool | None, float]
"""When, how sure, whether it was right (None: only the gate said), and its floor."""


def most_of_each(everybody: int, at_once: int = MOST_AT_ONCE) -> int:
    """Tell how many answers of each are read, where one answer of the API is about so many.

    >>> most_of_each(1), most_of_each(24), most_of_each(1_000)
    (20000, 4166, 1000)
    """
    return max(LEAST, min(MOST, at_once // max(everybody, 1)))


def asked_in(
    connection: Connection,
    since: float,
    until: float,
    specialist: str | None = None,
    field: str | None = None,
) -> list[tuple[str, str]]:
    """List who was asked in which field, as the sums by the hour tell: answers are millions."""
    hours = WINDOW_HOURS.c
    within = [hours.begin >= hour_of(since), hours.begin < until]
    if specialist is not None:
        within.append(hours.specialist == specialist)
    if field is not None:
        within.append(hours.field == field)
    of = (hours.specialist, hours.field)
    query = select(*of).where(*within).distinct().order_by(*of)
    return [(name, of_field) for name, of_field in connection.execute(query)]


def latest_answers(
    connection: Connection, specialist: str, field: str, when: tuple[float, float], most: int = MOST
) -> list[Answered]:
    """Give the latest answers of a time, the last one first, and ``most`` at most.

    They are looked for in the hours that tell of so many, and only if too few of these came, in
    those before: else a database may read and sort a month's to give the latest of them.
    """
    since, until = when
    begin = max(since, _hour_of_so_many(connection, specialist, field, when, most))
    found = _read(connection, specialist, field, (begin, until), most)
    if begin > since and len(found) < most:
        found += _read(connection, specialist, field, (since, begin), most - len(found))
    return found


def _hour_of_so_many(
    connection: Connection, specialist: str, field: str, when: tuple[float, float], most: int
) -> float:
    """Tell since which hour so many were asked; the beginning where they never were."""
    hours = WINDOW_HOURS.c
    query = (
        select(hours.begin, func.sum(hours.asked))
        .where(hours.specialist == specialist, hours.field == field)
        .where(hours.begin >= hour_of(when[0]), hours.begin < when[1])
        .group_by(hours.begin)
        .order_by(hours.begin.desc())
    )
    rows = connection.execute(query).all()
    for (begin, _), asked in zip(rows, accumulate(int(row[1]) for row in rows), strict=True):
        if asked >= most:
            return float(begin)
    return when[0]


def _read(
    connection: Connection, specialist: str, field: str, when: tuple[float, float], most: int
) -> list[Answered]:
    one = INTERACTIONS.c
    query = (
        select(one.at, one.confidence_e4, one.accepted, one.source, one.floor)
        .where(one.specialist == specialist, one.field == field)
        .where(one.at >= when[0], one.at < when[1], one.came)
        .order_by(one.at.desc())
        .limit(most)
    )
    return [
        (at, told / 10_000, accepted if source in JUDGES else None, floor)
        for at, told, accepted, source, floor in connection.execute(query)
    ]
