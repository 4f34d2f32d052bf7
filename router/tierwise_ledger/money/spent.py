"""What some hours cost and whose it was: the bill of the fleet, shared over their calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, and_, case, func, literal, select

from tierwise_core.attribution import IdlePolicy, RateHistory, Rates
from tierwise_core.bill import HOUR_MS, Bill, PriceChange, Span, bill
from tierwise_core.cost_figures import Figures
from tierwise_core.cost_report import SHADOWS_GROUP, Calls, Dimension, Labels, spent
from tierwise_core.decision_record import JUDGE
from tierwise_ledger.money.changes import latest
from tierwise_ledger.tables.base import DAY_S
from tierwise_ledger.tables.calls import CALL_HOURS
from tierwise_ledger.tables.capacity import CAPACITY_SPANS
from tierwise_ledger.tables.prices import PRICES, REPLICA_RATES

__all__ = ["MS", "FleetCost", "Period", "Spent", "spent_in", "within"]

MS: Final = 1000
HOUR_S: Final = HOUR_MS // MS
CALL_SUMS: Final = (
    "calls", "counted", "input_tokens", "cached_tokens", "output_tokens", "milliseconds",
    "cost_nano_usd",
)  # fmt: skip
KEY: Final = ("specialist", "tier")
NEVER_ASKED: Final = "passed-over"
PASSED_ON: Final = ("escalate", "abstain", "failed")


@dataclass(frozen=True, slots=True)
class Period:
    """Whole hours of the clock, from one until, without it, another; seconds since the epoch."""

    since: int
    until: int

    @classmethod
    def around(cls, since: float, until: float) -> Period:
        """Take the whole hours that a time is in, as records are summed up by the hour.

        >>> Period.around(3700.0, 7300.0)
        Period(since=3600, until=10800)
        """
        return cls(int(since // HOUR_S) * HOUR_S, -int(-until // HOUR_S) * HOUR_S)

    def days(self) -> Iterator[Period]:
        """Cut it at midnight, in UTC.

        >>> [(piece.since, piece.until) for piece in Period(82_800, 176_400).days()]
        [(82800, 86400), (86400, 172800), (172800, 176400)]
        """
        at = self.since
        while at < self.until:
            end = min(at - at % DAY_S + DAY_S, self.until)
            yield Period(at, end)
            at = end


@dataclass(frozen=True, slots=True)
class FleetCost:
    """What the fleet cost: its whole bill, and GPU time before any price was known."""

    nano_usd: int = 0
    unpriced_ms: int = 0

    def __add__(self, other: FleetCost) -> FleetCost:
        return FleetCost(self.nano_usd + other.nano_usd, self.unpriced_ms + other.unpriced_ms)


@dataclass(frozen=True, slots=True)
class Spent:
    """What some time cost, and whose it was: the part of a report that no later word changes."""

    fleet: FleetCost
    groups: tuple[Figures, ...]


def spent_in(connection: Connection, period: Period, by: Dimension, policy: IdlePolicy) -> Spent:
    """Share the bill of some hours over their calls."""
    whole = _fleet_bill(connection, period)
    calls = _calls(connection, period, by)
    unpriced_ms = sum(line.unpriced_ms for line in whole.lines)
    groups = spent(whole, calls, _rates(connection, period), by, policy)
    return Spent(FleetCost(whole.nano_usd, unpriced_ms), tuple(groups))


def _fleet_bill(connection: Connection, period: Period) -> Bill:
    """Make the bill of a time: of the GPUs that the fleet was seen to have."""
    start_ms, end_ms = period.since * MS, period.until * MS
    table = CAPACITY_SPANS
    query = select(table).where(and_(table.c.end_ms > start_ms, table.c.start_ms < end_ms))
    spans = [
        Span(
            row.tier, row.holder, row.gpus, row.start_ms, row.end_ms, row.market, row.measured,
            row.joules,
        )
        for row in connection.execute(query)
    ]  # fmt: skip
    return bill(spans, _prices(connection), start_ms, end_ms)


def _rates(connection: Connection, period: Period) -> RateHistory:
    """Give what replicas did under load in a time: what held before it, and the changes in it.

    Who was told of only later has the first that is known.
    """
    table = REPLICA_RATES
    start_ms, end_ms = period.since * MS, period.until * MS
    before = latest(connection, table, KEY, start_ms)
    query = select(table).where(table.c.at_ms >= start_ms, table.c.at_ms < end_ms)
    within = [dict(row) for row in connection.execute(query.order_by(table.c.at_ms)).mappings()]
    known = {(row["specialist"], row["tier"]) for row in (*before, *within)}
    query = select(table).where(table.c.at_ms >= end_ms).order_by(table.c.at_ms.desc())
    later = {(row["specialist"], row["tier"]): row for row in connection.execute(query).mappings()}
    changes: dict[tuple[str, str], list[tuple[int, Rates]]] = {}
    for row in (*before, *within, *(row for key, row in later.items() if key not in known)):
        one = Rates(row["prefill_mtps"], row["decode_mtps"], row["gpus"], row["measured"])
        changes.setdefault((row["specialist"], row["tier"]), []).append((row["at_ms"], one))
    return RateHistory(changes)


def _prices(connection: Connection) -> list[PriceChange]:
    query = select(PRICES).order_by(PRICES.c.at_ms)
    return [PriceChange(**dict(row)) for row in connection.execute(query).mappings()]


def _calls(connection: Connection, period: Period, by: Dimension) -> Iterator[Calls]:
    table, sums = CALL_HOURS, CALL_SUMS
    names = dict.fromkeys(name for name in ("specialist", "tier", by) if name != "workload")
    workload = _workload(table, by)
    judges = case((table.c.verdict == JUDGE, 1), else_=0).label("judges")
    passed_on = func.sum(table.c.calls).filter(table.c.verdict.in_(PASSED_ON))
    query = (
        select(
            table.c.hour,
            *(table.c[name] for name in names),
            workload,
            judges,
            *(func.sum(table.c[name]).label(name) for name in sums),
            func.coalesce(passed_on, literal(0)).label("passed_on"),
        )
        .where(and_(within(table, period), table.c.verdict != NEVER_ASKED))
        .group_by(table.c.hour, *(table.c[name] for name in names), workload, judges)
    )
    for row in connection.execute(query).mappings():
        numbers: dict[str, int] = {name: int(row[name]) for name in (*sums, "passed_on")}
        nano_usd = numbers.pop("cost_nano_usd")
        told = {name: row[name] for name in names}
        labels = Labels(**told, workload=row["of_workload"], judges=bool(row["judges"]))
        yield Calls(row["hour"] * MS, labels, nano_usd=nano_usd, **numbers)


def _workload(table: Table, by: Dimension) -> ColumnElement[str]:
    """Tell workloads apart where they are asked for, and shadows everywhere."""
    name = table.c.workload
    if by == "workload":
        return name.label("of_workload")
    return case((name == SHADOWS_GROUP, SHADOWS_GROUP), else_="").label("of_workload")


def within(table: Table, period: Period) -> ColumnElement[Any]:
    """Choose the hours of a time."""
    return and_(table.c.hour >= period.since, table.c.hour < period.until)
