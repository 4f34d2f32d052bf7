"""Cost reports out of the database: the bill of a time, shared over what was recorded of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, and_, case, func, literal, select

from tierwise_core.attribution import IdlePolicy, Rates
from tierwise_core.bill import HOUR_MS, Bill, PriceChange, Span, bill
from tierwise_core.cost_report import (
    SHADOWS_GROUP,
    Calls,
    Charge,
    CostReport,
    Dimension,
    Labels,
    Requests,
    cost_report,
)
from tierwise_core.decision_record import SHADOW
from tierwise_ledger.money.looks import last_look
from tierwise_ledger.tables.calls import CALL_HOURS
from tierwise_ledger.tables.capacity import CAPACITY_GAPS, CAPACITY_SPANS
from tierwise_ledger.tables.outcomes import OUTCOME_HOURS
from tierwise_ledger.tables.prices import PRICES, REPLICA_RATES, TENANT_CHARGES

__all__ = ["Period", "fleet_bill", "gaps", "rates", "report", "seen_until"]

MS: Final = 1000
HOUR_S: Final = HOUR_MS // MS
CALL_SUMS: Final = (
    "calls", "counted", "input_tokens", "cached_tokens", "output_tokens", "milliseconds",
    "cost_nano_usd",
)  # fmt: skip
OUTCOME_SUMS: Final = (
    "requests", "input_tokens", "output_tokens", "feedback_yes", "feedback_no",
)  # fmt: skip
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


def report(
    connection: Connection, period: Period, by: Dimension = "specialist",
    policy: IdlePolicy = "holder",
) -> tuple[CostReport, Bill]:  # fmt: skip
    """Put together what a time cost; and the bill that it is shares of."""
    whole = fleet_bill(connection, period)
    found = cost_report(
        whole,
        _calls(connection, period, by),
        _requests(connection, period, by),
        rates(connection),
        by=by,
        policy=policy,
        charges=_charges(connection),
    )
    return found, whole


def fleet_bill(connection: Connection, period: Period) -> Bill:
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


def gaps(connection: Connection, period: Period) -> list[tuple[int, int]]:
    """Give the times, in milliseconds since the epoch, that nobody knows about."""
    table = CAPACITY_GAPS
    query = select(table.c.start_ms, table.c.end_ms).where(
        and_(table.c.end_ms > period.since * MS, table.c.start_ms < period.until * MS)
    )
    return [(start, end) for start, end in connection.execute(query.order_by(table.c.start_ms))]


def seen_until(connection: Connection) -> int | None:
    """Tell when the fleet was last looked at, in milliseconds since the epoch; None if never."""
    found = last_look(connection)
    return None if found is None else found[0].at_ms


def rates(connection: Connection) -> dict[tuple[str, str], Rates]:
    """Give what replicas do under load, by Specialist and tier."""
    return {
        (row.specialist, row.tier): Rates(row.prefill_mtps, row.decode_mtps, row.gpus, row.measured)
        for row in connection.execute(select(REPLICA_RATES))
    }


def _prices(connection: Connection) -> list[PriceChange]:
    query = select(PRICES).order_by(PRICES.c.at_ms)
    return [PriceChange(**dict(row)) for row in connection.execute(query).mappings()]


def _charges(connection: Connection) -> dict[str, Charge]:
    return {
        row.tenant: Charge(
            row.answer_nano_usd, row.input_million_nano_usd, row.output_million_nano_usd
        )
        for row in connection.execute(select(TENANT_CHARGES))
    }


def _calls(connection: Connection, period: Period, by: Dimension) -> Iterator[Calls]:
    table, sums = CALL_HOURS, CALL_SUMS
    names = dict.fromkeys(name for name in ("specialist", "tier", by) if name != "workload")
    workload = _workload(table, by)
    passed_on = func.sum(table.c.calls).filter(table.c.verdict.in_(PASSED_ON))
    query = (
        select(
            table.c.hour,
            *(table.c[name] for name in names),
            workload,
            *(func.sum(table.c[name]).label(name) for name in sums),
            func.coalesce(passed_on, literal(0)).label("passed_on"),
        )
        .where(and_(_within(table, period), table.c.verdict != NEVER_ASKED))
        .group_by(table.c.hour, *(table.c[name] for name in names), workload)
    )
    for row in connection.execute(query).mappings():
        numbers: dict[str, int] = {name: int(row[name]) for name in (*sums, "passed_on")}
        nano_usd = numbers.pop("cost_nano_usd")
        labels = Labels(**{name: row[name] for name in names}, workload=row["of_workload"])
        yield Calls(row["hour"] * MS, labels, nano_usd=nano_usd, **numbers)


def _workload(table: Table, by: Dimension) -> ColumnElement[str]:
    """Tell workloads apart where they are asked for, and shadows everywhere."""
    name = table.c.workload
    if by == "workload":
        return name.label("of_workload")
    return case((name == SHADOWS_GROUP, SHADOWS_GROUP), else_="").label("of_workload")


def _requests(connection: Connection, period: Period, by: Dimension) -> Iterator[Requests]:
    table, sums = OUTCOME_HOURS, OUTCOME_SUMS
    # The tenant is needed for what it pays.
    names = dict.fromkeys((by, "tenant"))
    query = (
        select(
            table.c.state,
            *(table.c[name] for name in names),
            *(func.sum(table.c[name]).label(name) for name in sums),
        )
        .where(and_(_within(table, period), table.c.state != SHADOW))
        .group_by(table.c.state, *(table.c[name] for name in names))
    )
    for row in connection.execute(query).mappings():
        labels = Labels(**{name: row[name] for name in names})
        yield Requests(labels, row["state"], *(int(row[name]) for name in sums))


def _within(table: Table, period: Period) -> ColumnElement[Any]:
    return and_(table.c.hour >= period.since, table.c.hour < period.until)
