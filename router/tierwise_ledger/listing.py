"""Outcomes one by one, the newest first, however rare those are that are asked for.

One index answers one filter. For several, and for those that have no index, the sums tell in which
hours there is anything, and only those hours are looked through: ten outcomes of ten million are
found without reading the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    and_,
    column,
    func,
    or_,
    select,
    values,
)

from tierwise_ledger.choosing import Choice, filtered
from tierwise_ledger.errors import RequestError
from tierwise_ledger.tables.base import DAY_S, HOUR_S, NANO, day_of, hour_of
from tierwise_ledger.tables.outcomes import (
    BY_NAME,
    OF_SOMEBODY,
    OUTCOME_DAYS,
    OUTCOME_HOURS,
    OUTCOMES,
)

__all__ = ["list_outcomes", "told"]

INDEXED: Final = frozenset({"tenant", "field", "specialist", "state", "model"})
"""Filters whose newest outcomes an index gives, if there is no other filter."""

RARE: Final = frozenset({"session", "user", "query_id"})
"""Filters that leave so few outcomes that the others need no index."""

SUMMED: Final = frozenset(one.name for one in OUTCOME_HOURS.primary_key) - {"hour"}
MOST_HOURS: Final = 500
SHOWN_NAMES: Final = {"user_digest": "user"}
SHOWN: Final = 60


def list_outcomes(
    connection: Connection, choice: Choice, *, limit: int, after: str = ""
) -> tuple[list[dict[str, Any]], str]:
    """List outcomes, the newest first; gives what to continue ``after`` too, empty at the end."""
    query = _narrowed(select(OUTCOMES), choice)
    if after:
        instant, number = _cursor(after)
        query = query.where(_before(instant, number))
        choice = choice._replace(until=min(choice.until, instant + 1))
    rows: list[dict[str, Any]] = []
    for some in _queries(connection, query, choice, limit + 1):
        newest = some.order_by(OUTCOMES.c.at.desc(), OUTCOMES.c.seq.desc())
        found = connection.execute(newest.limit(limit + 1 - len(rows)))
        rows += [dict(row) for row in found.mappings()]
        if len(rows) > limit:
            break
    more = f"{rows[limit - 1]['at']!r}:{rows[limit - 1]['seq']}" if len(rows) > limit else ""
    return [told(row) for row in rows[:limit]], more


def told(row: Mapping[str, Any]) -> dict[str, Any]:
    """Tell a row in the words of the API: dollars, and no numbers of rows."""
    shown = {SHOWN_NAMES.get(name, name): value for name, value in row.items()}
    shown["cost_usd"] = shown.pop("cost_nano_usd") / NANO
    shown.pop("seq", None)
    return shown


def _narrowed(query: Select[Any], choice: Choice) -> Select[Any]:
    """Choose, in the words of the indices that have only some of the outcomes."""
    query = filtered(query, OUTCOMES.c, choice.filters)
    if all(choice.filters.get("user", ())) and "user" in choice.filters:
        query = query.where(OF_SOMEBODY)
    if "model" in choice.filters and "auto" not in choice.filters["model"]:
        query = query.where(BY_NAME)
    return query.where(OUTCOMES.c.at >= choice.since, OUTCOMES.c.at < choice.until)


def _queries(
    connection: Connection, query: Select[Any], choice: Choice, need: int
) -> Iterator[Select[Any]]:
    """Give the query for one part of the time after the other, the newest first."""
    filters = choice.filters
    summed = {name: some for name, some in filters.items() if name in SUMMED}
    alone = len(filters) == 1 and all(
        name in INDEXED and len(some) == 1 for name, some in filters.items()
    )
    if not summed or alone or RARE & filters.keys():
        yield query
        return
    for hours in _hours(connection, choice._replace(filters=summed), need):
        told_hours = values(column("begin", BigInteger)).data([(hour,) for hour in hours])
        one = told_hours.cte("hours")
        joined = and_(OUTCOMES.c.at >= one.c.begin, OUTCOMES.c.at < one.c.begin + HOUR_S)
        yield query.select_from(one).join(OUTCOMES, joined)


def _hours(connection: Connection, choice: Choice, need: int) -> Iterator[list[int]]:
    """Give the hours that have outcomes of a choice, so many at once as should be enough."""
    some: list[int] = []
    expected = 0
    for day in _days(connection, choice):
        for hour, requests in _summed_hours(connection, choice, day):
            some.append(hour)
            expected += max(1, int(requests))
            if expected >= need or len(some) >= MOST_HOURS:
                yield some
                some, expected = [], 0
    if some:
        yield some


def _days(connection: Connection, choice: Choice) -> Sequence[int]:
    """Find the days that have any, the last first; what was forgotten has sums still."""
    table = OUTCOME_DAYS.c
    oldest = connection.execute(select(func.min(OUTCOMES.c.at))).scalar()
    if oldest is None:
        return ()
    last = min(choice.until, _newest(connection) + 1)
    days = range(day_of(max(choice.since, oldest)), int(last) + 1, DAY_S)
    query = select(table.day).where(table.day.in_(days)).distinct().order_by(table.day.desc())
    return connection.execute(filtered(query, table, choice.filters)).scalars().all()


def _newest(connection: Connection) -> float:
    return float(connection.execute(select(func.max(OUTCOMES.c.at))).scalar() or 0.0)


def _summed_hours(connection: Connection, choice: Choice, day: int) -> Iterable[Any]:
    table = OUTCOME_HOURS.c
    hours = [
        hour
        for hour in range(day, day + DAY_S, HOUR_S)
        if hour_of(choice.since) <= hour < choice.until
    ]
    query = select(table.hour, func.sum(table.requests)).where(table.hour.in_(hours))
    query = filtered(query, table, choice.filters)
    return connection.execute(query.group_by(table.hour).order_by(table.hour.desc())).all()


def _cursor(after: str) -> tuple[float, int]:
    at, _, seq = after.partition(":")
    try:
        return float(at), int(seq)
    except ValueError:
        raise RequestError(
            f"after is {after[:SHOWN]!r}; give what the page before said in 'next'", field="after"
        ) from None


def _before(instant: float, number: int) -> ColumnElement[bool]:
    same = and_(OUTCOMES.c.at == instant, OUTCOMES.c.seq < number)
    return and_(OUTCOMES.c.at <= instant, or_(OUTCOMES.c.at < instant, same))
