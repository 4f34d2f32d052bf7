"""Leases of budgets: what dispatchers ask, and what they are given, in one transaction each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, and_, delete, insert, or_, select, tuple_

from tierwise_core.budget_lease import NO_LEASE, Ask, Lease, grant
from tierwise_ledger.errors import RequestError
from tierwise_ledger.tables.spend import BUDGET_ALERTS, BUDGET_LEASES, BUDGETS
from tierwise_ledger.upsert import replace_rows

__all__ = ["AccountAsk", "Given", "budgets_of", "day_of", "exchange", "forget_before"]

WHOLE: Final = 100


@dataclass(frozen=True, slots=True)
class AccountAsk:
    """What a holder asks of one budget of one day.

    ``account`` names the budget: the tenant, and within it a digest of the user or session.
    ``alert_at`` are percentages at which somebody wants to know.
    """

    day: str
    account: str
    tenant: str
    scope: str
    ask: Ask
    alert_at: tuple[int, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """What is unique among budgets."""
        return self.day, self.account


@dataclass(frozen=True, slots=True)
class Given:
    """The answer: what the holder has in all, and what all holders together have."""

    day: str
    account: str
    number: int
    granted: int
    taken: int


def day_of(now: float) -> str:
    """Name the day of a moment, in UTC.

    >>> day_of(0.0)
    '1970-01-01'
    """
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def exchange(
    connection: Connection, holder: str, asks: Iterable[AccountAsk], now: float
) -> tuple[list[Given], list[dict[str, Any]]]:
    """Answer a holder's asks, in the caller's transaction; give also the alerts that are new.

    Raises RequestError for a day that is neither today nor next to it, by the ledger's clock: then
    the asker's clock is wrong, and it would have the budgets of many days.
    """
    wanted = sorted(asks, key=lambda one: one.key)
    for one in wanted:
        _check_day(one.day, now)
    if not wanted:
        return [], []
    budgets = _locked(connection, wanted)
    leases = _leases(connection, holder, [one.key for one in wanted])
    given, rows, changed = [], [], []
    for one in wanted:
        budget, before = budgets[one.key], leases.get(one.key, NO_LEASE)
        after = grant(one.ask, before, budget["granted_nano_usd"] - before.granted)
        budget["granted_nano_usd"] += after.granted - before.granted
        budget["spent_nano_usd"] += after.spent - before.spent
        given.append(Given(*one.key, one.ask.number, after.granted, budget["granted_nano_usd"]))
        if after != before:
            leases[one.key] = after
            rows.append(_lease_row(one.key, holder, after, now))
            changed.append(budget)
    replace_rows(connection, BUDGET_LEASES, rows)
    replace_rows(connection, BUDGETS, changed)
    return given, _alert(connection, wanted, budgets, now)


def budgets_of(
    connection: Connection, day: str, tenant: str = "", scopes: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Give the budgets of a day, those of whole tenants first.

    There may be one for each user and session; of the scope "day" are those of whole tenants.
    """
    query = select(BUDGETS).where(BUDGETS.c.day == day)
    if tenant:
        query = query.where(BUDGETS.c.tenant == tenant)
    if scopes:
        query = query.where(BUDGETS.c.scope.in_(scopes))
    query = query.order_by(BUDGETS.c.tenant, BUDGETS.c.scope, BUDGETS.c.account)
    return [dict(row) for row in connection.execute(query).mappings()]


def forget_before(connection: Connection, day: str) -> None:
    """Let go of the budgets and alerts of days before."""
    for table in (BUDGET_LEASES, BUDGETS, BUDGET_ALERTS):
        connection.execute(delete(table).where(table.c.day < day))


def _check_day(text: str, now: float) -> None:
    today = datetime.fromtimestamp(now, UTC).date()
    try:
        away = abs(date.fromisoformat(text) - today)
    except ValueError:
        raise RequestError(f"day is {text[:20]!r}; give one such as {today}", field="day") from None
    if away > timedelta(days=1):
        raise RequestError(
            f"day is {text}, and by the ledger's clock it is {today}; put the clock right",
            field="day",
        )


def _locked(
    connection: Connection, asks: Sequence[AccountAsk]
) -> dict[tuple[str, str], dict[str, Any]]:
    """Make the budgets that are new, bring the limits up to date, and keep others waiting."""
    rows = [
        {
            "day": one.day, "account": one.account, "tenant": one.tenant, "scope": one.scope,
            "limit_nano_usd": one.ask.limit,
        }
        for one in asks
    ]  # fmt: skip
    replace_rows(connection, BUDGETS, rows)
    keys = [one.key for one in asks]
    query = select(BUDGETS).where(tuple_(BUDGETS.c.day, BUDGETS.c.account).in_(keys))
    found = connection.execute(query.order_by(BUDGETS.c.day, BUDGETS.c.account).with_for_update())
    return {(row["day"], row["account"]): dict(row) for row in found.mappings()}


def _leases(
    connection: Connection, holder: str, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Lease]:
    table = BUDGET_LEASES
    query = select(table).where(
        and_(table.c.holder == holder, tuple_(table.c.day, table.c.account).in_(keys))
    )
    return {
        (row.day, row.account): Lease(row.granted_nano_usd, row.spent_nano_usd, row.number)
        for row in connection.execute(query)
    }


def _lease_row(key: tuple[str, str], holder: str, lease: Lease, now: float) -> dict[str, Any]:
    day, account = key
    return {
        "day": day, "account": account, "holder": holder, "number": lease.number,
        "granted_nano_usd": lease.granted, "spent_nano_usd": lease.spent, "at": now,
    }  # fmt: skip


def _alert(
    connection: Connection,
    asks: Iterable[AccountAsk],
    budgets: Mapping[tuple[str, str], Mapping[str, Any]],
    now: float,
) -> list[dict[str, Any]]:
    crossed = [
        _alert_row(budgets[one.key], percent, now)
        for one in asks
        for percent in one.alert_at
        if budgets[one.key]["spent_nano_usd"] * WHOLE >= percent * one.ask.limit
    ]
    if not crossed:
        return []
    table = BUDGET_ALERTS
    same = (and_(table.c.day == row["day"], table.c.account == row["account"]) for row in crossed)
    known = {
        (row.day, row.account, row.percent)
        for row in connection.execute(
            select(table.c.day, table.c.account, table.c.percent).where(or_(*same))
        )
    }
    new = [row for row in crossed if (row["day"], row["account"], row["percent"]) not in known]
    if new:
        connection.execute(insert(table), new)
    return new


def _alert_row(budget: Mapping[str, Any], percent: int, now: float) -> dict[str, Any]:
    names = ("day", "account", "tenant", "spent_nano_usd", "limit_nano_usd")
    return {**{name: budget[name] for name in names}, "percent": percent, "at": now, "told": False}
