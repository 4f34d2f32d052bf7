"""Forgetting: single interactions and claims go with their outcomes, sums by the hour stay."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, select

from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.judged import INTERACTIONS, WINDOW_LATENCY, WINDOWS
from tierwise_ledger.tables.learned import CLAIMS
from tierwise_ledger.tables.outcomes import OUTCOMES
from tierwise_ledger.tables.rollouts import ROLLOUT_FAILURES

__all__ = ["EVERY_S", "forget_old", "forget_tenant"]

EVERY_S: Final = 3600.0
DAY_S: Final = 86_400.0


def forget_old(store: Store, settings: Settings, now: float) -> None:
    """Delete what is older than outcomes are kept; a job of the ledger."""
    if not settings.keep_days:
        return
    until = now - settings.keep_days * DAY_S
    with store.begin() as connection:
        for single in (INTERACTIONS, CLAIMS, ROLLOUT_FAILURES):
            connection.execute(delete(single).where(single.c.at < until))
        for table in (WINDOWS, WINDOW_LATENCY):
            connection.execute(delete(table).where(table.c.begin < until))


def forget_tenant(connection: Connection, tenant: str, before: float) -> None:
    """Delete what was claimed to a tenant, and its interactions; call it before its outcomes go.

    Windows are sums over all tenants and name none of them: they stay.
    """
    theirs = select(OUTCOMES.c.id).where(OUTCOMES.c.tenant == tenant, OUTCOMES.c.at < before)
    for single in (INTERACTIONS, CLAIMS, ROLLOUT_FAILURES):
        connection.execute(delete(single).where(single.c.decision.in_(theirs)))
