"""Forgetting: what is older than is kept, what expired, and what a tenant wants erased."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import ceil, inf, nextafter
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Integer, Table, and_, delete, select

from tierwise_ledger.auditing import chain
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.calls import CALLS
from tierwise_ledger.tables.contents import CONTENTS, ERASURES, LEDGER
from tierwise_ledger.tables.feedback import FEEDBACK
from tierwise_ledger.tables.judged import INTERACTIONS, WINDOW_LATENCY, WINDOWS
from tierwise_ledger.tables.learned import CLAIMS
from tierwise_ledger.tables.outcomes import OUTCOMES, RECORDS
from tierwise_ledger.tables.rollouts import ROLLOUT_FAILURES
from tierwise_ledger.tables.seen import SEEN
from tierwise_ledger.upsert import replace_rows

__all__ = ["EVERY_S", "Gone", "erase_tenant", "forget_old", "gone_rule"]

EVERY_S: Final = 600.0
DAY_S: Final = 86400.0
SEEN_DAYS: Final = 30
SINCE: Final = "outcomes_since"
AT_ONCE: Final = 1000
"""So many contents or old rows go in one transaction."""
OUTCOMES_AT_ONCE: Final = 250
"""So many outcomes of a tenant, each with some ten rows of other tables."""

OF_DECISION: Final = (
    INTERACTIONS.c.decision, CLAIMS.c.decision, ROLLOUT_FAILURES.c.decision, CALLS.c.outcome,
    RECORDS.c.id, FEEDBACK.c.decision,
)  # fmt: skip
BY_TIME: Final[Sequence[Column[Any]]] = (
    CALLS.c.at, RECORDS.c.at, FEEDBACK.c.at, INTERACTIONS.c.at, CLAIMS.c.at, ROLLOUT_FAILURES.c.at,
    WINDOWS.c.begin, WINDOW_LATENCY.c.begin, OUTCOMES.c.at,
)  # fmt: skip
"""What goes with its outcomes, by when it was; sums by the hour stay, and outcomes go last."""

Gone = Callable[[str, float], bool]


def gone_rule(connection: Connection) -> Gone:
    """Tell what must not come back: ``gone(tenant, at)``.

    A router may send again what was deleted here long ago. It has been counted, and is not wanted.
    """
    since = _since(connection)
    rows = connection.execute(select(ERASURES.c.tenant, ERASURES.c.before))
    erased: dict[str, float] = {tenant: before for tenant, before in rows}  # noqa: C416 - rows

    def gone(tenant: str, at: float) -> bool:
        return at < since or at < erased.get(tenant, 0.0)

    return gone


def _since(connection: Connection) -> float:
    facts = connection.execute(select(LEDGER.c.value).where(LEDGER.c.name == SINCE))
    return float(facts.scalar() or 0.0)


def erase_tenant(
    store: Store, tenant: str, now: float, *, contents_only: bool = False
) -> dict[str, int]:
    """Erase what a tenant left until ``now``; tells how many contents and outcomes that were.

    Sums by the hour stay: they are the bill, and name nobody else than the tenant. What of it
    arrives later is not taken. Of much some goes at a time, so that nobody waits for long; what
    a ledger that is killed has left, the next one erases (:func:`forget_old`).
    """
    told = {"tenant": tenant, "before": now, "at": now}
    if not contents_only:
        with store.begin() as connection:
            replace_rows(connection, ERASURES, [{**told, "contents": 0, "outcomes": 0}])
    contents = _in_parts(store, lambda connection: _erase_contents(connection, tenant))
    outcomes = 0 if contents_only else _erase_outcomes_of(store, tenant, now)
    with store.begin() as connection:
        erased = {"contents": contents, "outcomes": outcomes}
        if not contents_only:
            replace_rows(connection, ERASURES, [{**told, **erased}])
        chain.note(connection, "erasures", "erased", tenant, now, **erased)
    return erased


def _in_parts(store: Store, erase: Callable[[Connection], int]) -> int:
    """Erase until there is nothing more, each time in a transaction of its own."""
    total = 0
    while True:
        with store.begin() as connection:
            some = erase(connection)
        if not some:
            return total
        total += some


def _erase_contents(connection: Connection, tenant: str, before: float = inf) -> int:
    mine = and_(CONTENTS.c.tenant == tenant, CONTENTS.c.at < before)
    return _erase_some_contents(connection, mine)


def _erase_some_contents(connection: Connection, which: ColumnElement[bool]) -> int:
    names = _some(connection, CONTENTS.c.id, which, AT_ONCE)
    return _delete(connection, CONTENTS, CONTENTS.c.id.in_(names))


def _erase_outcomes_of(store: Store, tenant: str, before: float) -> int:
    theirs = and_(OUTCOMES.c.tenant == tenant, OUTCOMES.c.at < before)
    return _in_parts(store, lambda connection: _erase_outcomes(connection, theirs))


def _erase_outcomes(connection: Connection, theirs: ColumnElement[bool]) -> int:
    """Delete some outcomes and all that belongs to them.

    Windows are sums over all tenants and name none of them: they stay.
    """
    names = _some(connection, OUTCOMES.c.id, theirs, OUTCOMES_AT_ONCE)
    for of_decision in OF_DECISION:
        _delete(connection, of_decision.table, of_decision.in_(names))
    return _delete(connection, OUTCOMES, OUTCOMES.c.id.in_(names))


def _some(
    connection: Connection, name: Column[str], which: ColumnElement[bool], most: int
) -> Sequence[str]:
    return connection.execute(select(name).where(which).limit(most)).scalars().all()


def forget_old(store: Store, settings: Settings, now: float) -> None:
    """Delete contents that expired, and outcomes that are older than they are kept; a job."""
    _finish_erasures(store)
    _in_parts(
        store, lambda connection: _erase_some_contents(connection, CONTENTS.c.expires_at < now)
    )
    with store.begin() as connection:
        # An object of the cluster is told of as long as it is there, and chained once.
        old = SEEN.c.at < now - SEEN_DAYS * DAY_S
        _delete(connection, SEEN, and_(old, SEEN.c.name.not_like(f"{chain.AUDIT_KIND}:%")))
    if not settings.keep_days:
        return
    until = now - settings.keep_days * DAY_S
    for when in BY_TIME:
        _in_parts(store, partial(_forget_some, when=when, until=until))


def _finish_erasures(store: Store) -> None:
    """Erase what is left of tenants whose erasure was cut off."""
    with store.read() as connection:
        rows = connection.execute(select(ERASURES.c.tenant, ERASURES.c.before)).all()
    for tenant, before in rows:
        _in_parts(store, partial(_erase_contents, tenant=tenant, before=before))
        _erase_outcomes_of(store, tenant, before)


def _forget_some(connection: Connection, when: Column[Any], until: float) -> int:
    """Delete the oldest rows of a table, a number that keeps nobody waiting; tells how many.

    Rows of one moment go together.
    """
    # Beside a broken number PostgreSQL does not look into the index of whole ones.
    whole = isinstance(when.type, Integer)
    oldest = (
        select(when).where(when < (ceil(until) if whole else until)).order_by(when).limit(AT_ONCE)
    )
    moments = connection.execute(oldest).scalars().all()
    if not moments:
        return 0
    before: float = nextafter(moments[-1], inf)
    if whole:
        before = ceil(before)
    # Of one table after the other: what was said of one before is never taken back.
    since = max(float(before), _since(connection))
    replace_rows(connection, LEDGER, [{"name": SINCE, "value": repr(since)}])
    if when is OUTCOMES.c.at:
        old = select(OUTCOMES.c.id).where(OUTCOMES.c.at < before)
        _delete(connection, CONTENTS, CONTENTS.c.id.in_(old))
    return _delete(connection, when.table, when < before)


def _delete(connection: Connection, table: Table, which: Any) -> int:
    return connection.execute(delete(table).where(which)).rowcount
