"""Days that are over are shared out once, so that a month's report reads thirty rows.

A row goes as soon as a call of its day comes late, or a price of it is corrected: the report shares
that day anew, and the job keeps it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, get_args

import structlog
from sqlalchemy import Connection, delete, func, select

from tierwise_core.attribution import IdlePolicy
from tierwise_core.cost_figures import Figures
from tierwise_core.cost_report import DIMENSIONS, Dimension
from tierwise_ledger.auditing.chain import serialised
from tierwise_ledger.batch import Batch
from tierwise_ledger.money.spent import MS, FleetCost, Period, Spent, spent_in
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.base import DAY_S, day_of
from tierwise_ledger.tables.calls import CALL_HOURS
from tierwise_ledger.tables.capacity import CAPACITY_SPANS
from tierwise_ledger.tables.prices import COST_DAYS
from tierwise_ledger.upsert import replace_rows

__all__ = ["EVERY_S", "forget_from", "keep", "keep_day", "kept", "take"]

log = structlog.get_logger(__name__)

EVERY_S: Final = 20.0
AT_ONCE: Final = 5
"""How many rows are made in one go: others have work to do as well."""

GRACE_S: Final = 2 * 3600.0
"""A silence of up to an hour is bridged by the next look: only then a day is as it stays."""

MOST_DAYS: Final = 400
POLICIES: Final = get_args(IdlePolicy)
Kind = tuple[int, Dimension, IdlePolicy]


def kept(
    connection: Connection, since: int, until: int, by: Dimension, policy: IdlePolicy
) -> Mapping[int, Spent]:
    """Give the whole days of a time that were shared out, by when they began."""
    table = COST_DAYS.c
    query = select(table.day, table.figures).where(
        table.by == by, table.policy == policy, table.day >= since, table.day <= until - DAY_S
    )
    return {day: _read(told) for day, told in connection.execute(query)}


def take(connection: Connection, batch: Batch) -> None:
    """Let go of the days that something new belongs to; runs when nobody else writes."""
    gone = sorted({day_of(record.at) for record in batch.decisions})
    if gone:
        connection.execute(delete(COST_DAYS).where(COST_DAYS.c.day.in_(gone)))


def forget_from(connection: Connection, at_ms: int) -> None:
    """Let go of all days from a moment on: what GPUs cost then has changed."""
    serialised(connection)
    connection.execute(delete(COST_DAYS).where(COST_DAYS.c.day >= day_of(at_ms / MS)))


def keep(store: Store, _settings: Settings, now: float) -> None:
    """Share out some days that are over and are not kept yet, the latest first; a job."""
    with store.read() as connection:
        missing = list(_missing(connection, now))
    for day, by, policy in missing[:AT_ONCE]:
        with store.begin() as connection:
            keep_day(connection, day, by, policy)
    if missing:
        log.info("shared out days that are over", rows=min(len(missing), AT_ONCE))


def keep_day(connection: Connection, day: int, by: Dimension, policy: IdlePolicy) -> None:
    """Share out one day; nobody may add a call to it between the sharing and the keeping."""
    serialised(connection)
    told = spent_in(connection, Period(day, day + DAY_S), by, policy)
    row = {"day": day, "by": by, "policy": policy, "figures": _told(told)}
    replace_rows(connection, COST_DAYS, [row])


def _missing(connection: Connection, now: float) -> Iterator[Kind]:
    first = _first(connection)
    last = day_of(now - GRACE_S) - DAY_S
    if first is None:
        return
    table = COST_DAYS.c
    there = {tuple(row) for row in connection.execute(select(table.day, table.by, table.policy))}
    for day in range(last, max(first, last - MOST_DAYS * DAY_S) - 1, -DAY_S):
        for policy in POLICIES:
            for by in DIMENSIONS:
                if (day, by, policy) not in there:
                    yield day, by, policy


def _first(connection: Connection) -> int | None:
    """Tell the first day that anything is known of."""
    call = connection.execute(select(func.min(CALL_HOURS.c.hour))).scalar()
    span_ms = connection.execute(select(func.min(CAPACITY_SPANS.c.start_ms))).scalar()
    known = [call] if call is not None else []
    known += [span_ms / MS] if span_ms is not None else []
    return day_of(min(known)) if known else None


def _told(one: Spent) -> dict[str, Any]:
    fleet = [one.fleet.nano_usd, one.fleet.unpriced_ms]
    return {"fleet": fleet, "groups": [figures.to_row() for figures in one.groups]}


def _read(told: Mapping[str, Any]) -> Spent:
    groups: Iterable[Any] = told["groups"]
    return Spent(FleetCost(*told["fleet"]), tuple(Figures.of(row) for row in groups))
