"""Forgetting: what is older than is kept, what expired, and what a tenant wants erased."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Connection, Table, and_, delete, func, select

from tierwise_ledger.auditing import chain
from tierwise_ledger.learning import forgetting
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.calls import CALLS
from tierwise_ledger.tables.contents import CONTENTS, ERASURES, LEDGER
from tierwise_ledger.tables.feedback import FEEDBACK
from tierwise_ledger.tables.outcomes import OUTCOMES, RECORDS
from tierwise_ledger.tables.seen import SEEN
from tierwise_ledger.upsert import replace_rows

__all__ = ["EVERY_S", "Gone", "erase_tenant", "forget_old", "gone_rule"]

EVERY_S: Final = 600.0
DAY_S: Final = 86400.0
SEEN_DAYS: Final = 30
SLICE_S: Final = 6 * 3600.0
SINCE: Final = "outcomes_since"
BY_TIME: Final = (CALLS, RECORDS, FEEDBACK, OUTCOMES)

Gone = Callable[[str, float], bool]


def gone_rule(connection: Connection) -> Gone:
    """Tell what must not come back: ``gone(tenant, at)``.

    A router may send again what was deleted here long ago. It has been counted, and is not wanted.
    """
    facts = connection.execute(select(LEDGER.c.value).where(LEDGER.c.name == SINCE))
    since = float(facts.scalar() or 0.0)
    rows = connection.execute(select(ERASURES.c.tenant, ERASURES.c.before))
    erased: dict[str, float] = {tenant: before for tenant, before in rows}  # noqa: C416 - rows

    def gone(tenant: str, at: float) -> bool:
        return at < since or at < erased.get(tenant, 0.0)

    return gone


def erase_tenant(
    connection: Connection, tenant: str, now: float, *, contents_only: bool = False
) -> dict[str, int]:
    """Erase what a tenant left until ``now``; tells how many contents and outcomes that were.

    Sums by the hour stay: they are the bill, and name nobody else than the tenant. What of it
    arrives later is not taken.
    """
    theirs = select(OUTCOMES.c.id).where(OUTCOMES.c.tenant == tenant, OUTCOMES.c.at < now)
    contents = _delete(connection, CONTENTS, CONTENTS.c.tenant == tenant)
    outcomes = 0
    if not contents_only:
        forgetting.forget_tenant(connection, tenant, now)
        _delete(connection, CALLS, CALLS.c.outcome.in_(theirs))
        _delete(connection, RECORDS, RECORDS.c.id.in_(theirs))
        _delete(connection, FEEDBACK, FEEDBACK.c.decision.in_(theirs))
        outcomes = _delete(connection, OUTCOMES, OUTCOMES.c.id.in_(theirs))
        told = {"tenant": tenant, "before": now, "at": now}
        replace_rows(connection, ERASURES, [{**told, "contents": contents, "outcomes": outcomes}])
    chain.note(connection, "erasures", "erased", tenant, now, contents=contents, outcomes=outcomes)
    return {"contents": contents, "outcomes": outcomes}


def forget_old(store: Store, settings: Settings, now: float) -> None:
    """Delete contents that expired, and outcomes that are older than they are kept."""
    with store.begin() as connection:
        _delete(connection, CONTENTS, CONTENTS.c.expires_at < now)
        # An object of the cluster is told of as long as it is there, and chained once.
        old = SEEN.c.at < now - SEEN_DAYS * DAY_S
        _delete(connection, SEEN, and_(old, SEEN.c.name.not_like(f"{chain.AUDIT_KIND}:%")))
    if not settings.keep_days:
        return
    until = now - settings.keep_days * DAY_S
    for table in BY_TIME:
        while _forget_some(store, table, until):
            pass


def _forget_some(store: Store, table: Table, until: float) -> bool:
    """Delete some hours of a table in one transaction, so that nobody waits for long."""
    with store.begin() as connection:
        oldest = connection.execute(select(func.min(table.c.at))).scalar()
        if oldest is None or oldest >= until:
            return False
        before = min(until, oldest + SLICE_S)
        replace_rows(connection, LEDGER, [{"name": SINCE, "value": repr(before)}])
        if table is OUTCOMES:
            old = select(OUTCOMES.c.id).where(OUTCOMES.c.at < before)
            _delete(connection, CONTENTS, CONTENTS.c.id.in_(old))
        _delete(connection, table, table.c.at < before)
        return True


def _delete(connection: Connection, table: Table, which: Any) -> int:
    return connection.execute(delete(table).where(which)).rowcount
