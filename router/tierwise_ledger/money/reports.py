"""Cost reports out of the database: the bill of a time, shared over what was recorded of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import CompoundSelect, Connection, and_, func, or_, select

from tierwise_core.attribution import IdlePolicy
from tierwise_core.cost_report import Charge, CostReport, Dimension, Labels, Requests, report_of
from tierwise_core.decision_record import SHADOW
from tierwise_ledger.money import days
from tierwise_ledger.money.looks import last_look
from tierwise_ledger.money.spent import MS, FleetCost, Period, within
from tierwise_ledger.tables.base import DAY_S
from tierwise_ledger.tables.capacity import CAPACITY_GAPS
from tierwise_ledger.tables.outcomes import OUTCOME_DAYS, OUTCOME_HOURS
from tierwise_ledger.tables.prices import TENANT_CHARGES

__all__ = ["Period", "gaps", "report", "seen_until"]

OUTCOME_SUMS: Final = (
    "requests", "input_tokens", "output_tokens", "feedback_yes", "feedback_no",
)  # fmt: skip


def report(
    connection: Connection, period: Period, by: Dimension = "specialist",
    policy: IdlePolicy = "holder",
) -> tuple[CostReport, FleetCost]:  # fmt: skip
    """Put together what a time cost; and the fleet's bill that it is shares of.

    Days and hours that are over are shared out once (:mod:`tierwise_ledger.money.days`).
    """
    parts = list(days.parts(connection, period, by, policy))
    groups = (one for part in parts for one in part.groups)
    found = report_of(by, groups, _requests(connection, period, by), _charges(connection))
    return found, sum((part.fleet for part in parts), FleetCost())


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


def _charges(connection: Connection) -> dict[str, Charge]:
    return {
        row.tenant: Charge(
            row.answer_nano_usd, row.input_million_nano_usd, row.output_million_nano_usd
        )
        for row in connection.execute(select(TENANT_CHARGES))
    }


def _requests(connection: Connection, period: Period, by: Dimension) -> Iterator[Requests]:
    # The tenant is needed for what it pays.
    names = tuple(dict.fromkeys((by, "tenant")))
    parts = _sums_of(period, names).subquery().c
    those = (parts.state, *(parts[name] for name in names))
    sums = OUTCOME_SUMS
    query = select(*those, *(func.sum(parts[name]).label(name) for name in sums)).group_by(*those)
    for row in connection.execute(query).mappings():
        labels = Labels(**{name: row[name] for name in names})
        yield Requests(labels, row["state"], *(int(row[name]) for name in sums))


def _sums_of(period: Period, names: Sequence[str]) -> CompoundSelect[Any]:
    """Choose the sums of a time: of whole days by the day, of its ends by the hour."""
    hours, by_day = OUTCOME_HOURS.c, OUTCOME_DAYS.c
    first = -(-period.since // DAY_S) * DAY_S
    last = max(first, period.until // DAY_S * DAY_S)
    kept = ("state", *names, *OUTCOME_SUMS)
    ends = or_(hours.hour < first, hours.hour >= last)
    of_hours = select(*(hours[name] for name in kept)).where(
        within(OUTCOME_HOURS, period), ends, hours.state != SHADOW
    )
    of_days = select(*(by_day[name] for name in kept)).where(
        by_day.day >= first, by_day.day < last, by_day.state != SHADOW
    )
    return of_hours.union_all(of_days)
