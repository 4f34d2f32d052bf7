"""What the ledger does about money by itself: look at the fleet, tell of budgets, forget."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import structlog
from sqlalchemy import Connection, select, update

from tierwise_core.money import cents
from tierwise_ledger.money.cluster import Cluster, ClusterError, pages_of
from tierwise_ledger.money.cluster_view import cluster_view
from tierwise_ledger.money.leases import day_of, forget_before
from tierwise_ledger.money.looks import take_view
from tierwise_ledger.money.power import read_watts
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.spend import BUDGET_ALERTS

__all__ = ["ALERT_EVERY_S", "FORGET_EVERY_S", "LOOK_EVERY_S", "alert", "forget", "look", "look_at",
           "tell_alerts"]  # fmt: skip

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 60.0
ALERT_EVERY_S: Final = 10.0
FORGET_EVERY_S: Final = 3600.0
KEPT: Final = timedelta(days=35)
AT_ONCE: Final = 100
WHOLE: Final = 100


@cache
def _around() -> Cluster | None:
    return Cluster.around()


def look(store: Store, settings: Settings, now: float) -> None:
    """Look at the cluster around us, if there is one."""
    cluster = _around()
    if cluster is not None:
        look_at(cluster, store, now, settings.power_url)


def look_at(cluster: Cluster, store: Store, now: float, power_url: str = "") -> None:
    """Look at a cluster, and write down what is seen; raises ClusterError."""
    objects = cluster.objects()
    watts: dict[tuple[str, str], float] = {}
    for page in pages_of(power_url) if power_url else ():
        watts |= read_watts(page)
    view = cluster_view(objects, now, watts)
    with store.begin() as connection:
        stretch = take_view(connection, view)
    if stretch.gap is not None:
        log.warning("the fleet was not seen for a while", seconds=_seconds(stretch.gap))


def _seconds(gap: tuple[int, int]) -> float:
    start_ms, end_ms = gap
    return (end_ms - start_ms) / 1000


def alert(store: Store, _settings: Settings, now: float) -> None:
    """Tell of budgets that crossed a threshold, as Events on their Tenants."""
    cluster = _around()
    if cluster is not None:
        tell_alerts(cluster, store, now)


def tell_alerts(cluster: Cluster, store: Store, now: float) -> None:
    """Make an Event of each alert that nobody was told of yet, and mark it.

    One that the API server does not take is tried again the next time: so it may come twice, and
    never not at all.
    """
    with store.read() as connection:
        waiting = _untold(connection)
    for row in waiting:
        namespace = row["tenant"].partition("/")[0]
        try:
            cluster.create(f"/api/v1/namespaces/{namespace}/events", _event(row, now))
        except ClusterError as error:
            log.warning("an Event could not be made", tenant=row["tenant"], error=str(error))
            return
        with store.begin() as connection:
            connection.execute(_told(row))


def _untold(connection: Connection) -> list[Mapping[str, Any]]:
    query = select(BUDGET_ALERTS).where(BUDGET_ALERTS.c.told.is_(False)).limit(AT_ONCE)
    return [dict(row) for row in connection.execute(query).mappings()]


def _told(row: Mapping[str, Any]) -> Any:
    names = ("day", "account", "percent")
    statement = update(BUDGET_ALERTS).values(told=True)
    for name in names:
        statement = statement.where(BUDGET_ALERTS.c[name] == row[name])
    return statement


def _event(row: Mapping[str, Any], now: float) -> dict[str, Any]:
    namespace, _, name = row["tenant"].partition("/")
    at = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    over = row["percent"] >= WHOLE
    spent, limit = cents(row["spent_nano_usd"]), cents(row["limit_nano_usd"])
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{name[:200]}-budget-", "namespace": namespace},
        "involvedObject": {
            "apiVersion": "tierwise.dev/v1alpha1", "kind": "Tenant", "namespace": namespace,
            "name": name,
        },
        "reason": "BudgetSpent" if over else "BudgetThreshold",
        "message": f"{row['percent']} % of the budget of {row['day']} are spent: ${spent} of "
        f"${limit} (spec.budgets.perDay)",
        "type": "Warning",
        "source": {"component": "tierwise-ledger"},
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }  # fmt: skip


def forget(store: Store, _settings: Settings, now: float) -> None:
    """Let go of budgets of days long past."""
    with store.begin() as connection:
        forget_before(connection, day_of(now - KEPT.total_seconds()))
