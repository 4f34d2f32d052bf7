"""Days and hours that are over are shared out once, so that a month's report reads thirty rows.

A row goes as soon as a call of its time comes late, or a price of it is corrected: the report
shares that time anew, and the job keeps it again. Hours are kept for some days, by the usual
policy: for the ends of a report, and for the page's pieces of a week.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

import structlog
from sqlalchemy import Column, Connection, Table, delete, func, select

from tierwise_core.attribution import IdlePolicy
from tierwise_core.cost_figures import Figures
from tierwise_core.cost_report import DIMENSIONS, Dimension
from tierwise_ledger.auditing.chain import serialised
from tierwise_ledger.batch import Batch
from tierwise_ledger.money.spent import MS, FleetCost, Period, Spent, spent_in
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.base import DAY_S, HOUR_S
from tierwise_ledger.tables.calls import CALL_HOURS
from tierwise_ledger.tables.capacity import CAPACITY_SPANS
from tierwise_ledger.tables.prices import COST_DAYS, COST_HOURS
from tierwise_ledger.upsert import replace_rows

__all__ = ["DAYS", "EVERY_S", "HOURS", "Kept", "forget_from", "keep", "keep_one", "parts", "take"]

log = structlog.get_logger(__name__)

EVERY_S: Final = 20.0
AT_ONCE: Final = 5
"""How many rows of a kind are made in one go: others have work to do as well."""

GRACE_S: Final = 2 * 3600.0
"""A silence of up to an hour is bridged by the next look: only then a time is as it stays."""

POLICIES: Final[tuple[IdlePolicy, ...]] = get_args(IdlePolicy)
Kind = tuple[int, Dimension, IdlePolicy]


@dataclass(frozen=True, slots=True)
class Kept:
    """A table of times that were shared out: how long each is, by which policies, how many."""

    table: Table
    length_s: int
    policies: tuple[IdlePolicy, ...]
    most: int

    @property
    def begin(self) -> Column[Any]:
        """The column that says when a time began, in seconds since the epoch."""
        return self.table.c[0]

    def of(self, at: float) -> int:
        """Say when the time began that an instant is in."""
        return int(at // self.length_s) * self.length_s


DAYS: Final = Kept(COST_DAYS, DAY_S, POLICIES, 400)
HOURS: Final = Kept(COST_HOURS, HOUR_S, ("holder",), 9 * 24)


def parts(
    connection: Connection, period: Period, by: Dimension, policy: IdlePolicy
) -> Iterator[Spent]:
    """Give what a time cost in parts: those that were shared out, and the rest shared now."""
    days = _found(connection, DAYS, period, by, policy)
    for piece in period.days():
        if piece.since in days:
            yield days[piece.since]
        else:
            yield from _by_hours(connection, piece, by, policy)


def _by_hours(
    connection: Connection, piece: Period, by: Dimension, policy: IdlePolicy
) -> Iterator[Spent]:
    hours = _found(connection, HOURS, piece, by, policy)
    yield from hours.values()
    open_since = piece.since
    for hour in (*sorted(hours), piece.until):
        if open_since < hour:
            yield spent_in(connection, Period(open_since, hour), by, policy)
        open_since = hour + HOUR_S


def _found(
    connection: Connection, kept: Kept, period: Period, by: Dimension, policy: IdlePolicy
) -> Mapping[int, Spent]:
    """Give the whole times of a period that were shared out, by when they began."""
    table = kept.table.c
    query = select(kept.begin, table.figures).where(
        table.by == by,
        table.policy == policy,
        kept.begin >= period.since,
        kept.begin <= period.until - kept.length_s,
    )
    return {begin: _read(told) for begin, told in connection.execute(query)}


def take(connection: Connection, batch: Batch) -> None:
    """Let go of the times that something new belongs to; runs when nobody else writes."""
    for kept in (DAYS, HOURS):
        gone = sorted({kept.of(record.at) for record in batch.decisions})
        if gone:
            connection.execute(delete(kept.table).where(kept.begin.in_(gone)))


def forget_from(connection: Connection, at_ms: int) -> None:
    """Let go of all times from a moment on: what GPUs cost then has changed."""
    serialised(connection)
    for kept in (DAYS, HOURS):
        connection.execute(delete(kept.table).where(kept.begin >= kept.of(at_ms / MS)))


def keep(store: Store, _settings: Settings, now: float) -> None:
    """Share out some times that are over and are not kept yet, the latest first; a job."""
    for kept in (DAYS, HOURS):
        with store.read() as connection:
            missing = list(_missing(connection, kept, now))
        for kind in missing[:AT_ONCE]:
            with store.begin() as connection:
                keep_one(connection, kept, *kind)
        if missing:
            log.info("shared out", rows=min(len(missing), AT_ONCE), into=kept.table.name)
    with store.begin() as connection:
        old = HOURS.begin < HOURS.of(now) - HOURS.most * HOUR_S
        connection.execute(delete(COST_HOURS).where(old))


def keep_one(
    connection: Connection, kept: Kept, begin: int, by: Dimension, policy: IdlePolicy
) -> None:
    """Share out one time; nobody may add a call to it between the sharing and the keeping."""
    serialised(connection)
    told = spent_in(connection, Period(begin, begin + kept.length_s), by, policy)
    row = {kept.begin.name: begin, "by": by, "policy": policy, "figures": _told(told)}
    replace_rows(connection, kept.table, [row])


def _missing(connection: Connection, kept: Kept, now: float) -> Iterator[Kind]:
    first = _first(connection)
    last = kept.of(now - GRACE_S) - kept.length_s
    if first is None:
        return
    oldest = max(kept.of(first), last - kept.most * kept.length_s)
    there = _there(connection, kept, oldest)
    for begin in range(last, oldest - 1, -kept.length_s):
        for policy in kept.policies:
            for by in DIMENSIONS:
                if (begin, by, policy) not in there:
                    yield begin, by, policy


def _there(connection: Connection, kept: Kept, since: int) -> set[Sequence[Any]]:
    table = kept.table.c
    query = select(kept.begin, table.by, table.policy).where(kept.begin >= since)
    return {tuple(row) for row in connection.execute(query)}


def _first(connection: Connection) -> float | None:
    """Tell the first moment that anything is known of."""
    call = connection.execute(select(func.min(CALL_HOURS.c.hour))).scalar()
    span_ms = connection.execute(select(func.min(CAPACITY_SPANS.c.start_ms))).scalar()
    known: list[float] = [call] if call is not None else []
    known += [span_ms / MS] if span_ms is not None else []
    return min(known, default=None)


def _told(one: Spent) -> dict[str, Any]:
    fleet = [one.fleet.nano_usd, one.fleet.unpriced_ms]
    return {"fleet": fleet, "groups": [figures.to_row() for figures in one.groups]}


def _read(told: Mapping[str, Any]) -> Spent:
    groups: Iterable[Any] = told["groups"]
    return Spent(FleetCost(*told["fleet"]), tuple(Figures.of(row) for row in groups))
