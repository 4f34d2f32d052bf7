"""kopf, used for one thing: telling the store what changed.

No handler of kopf's decides anything. It posts no events, writes no annotation and no finalizer,
and compares no objects; see ``docs/decisions/kopf-only-watches.md``.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import kopf

from tierwise_operator.cluster import PAGE
from tierwise_operator.kinds import FLEET_WIDE, SERVED, WATCHED, Kind
from tierwise_operator.login import connection_info
from tierwise_operator.store import Store, key_of

ERROR_BACKOFFS = (0.5, 1, 2, 3, 5, 8)
Listed = Callable[[Kind], None]
"""Told when a kind is listed: once for each of its objects."""

IDLE_SECONDS = 0.5  # a task of kopf's holds the last event of its object this long


class NoDiffBase(kopf.DiffBaseStorage):
    """Keeps no last-handled state: nothing compares with it, and building it doubles the CPU."""

    def build(
        self,
        *,
        body: kopf.Body,
        extra_fields: Iterable[Any] | None = None,
    ) -> kopf.BodyEssence:
        """Return nothing to compare."""
        del body, extra_fields
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Return that nothing was stored."""
        del body
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing."""


class NoProgress(kopf.ProgressStorage):
    """Keeps no progress: event handlers have none."""

    def fetch(self, *, key: Any, body: kopf.Body) -> None:
        """Return that nothing was stored."""

    def store(self, *, key: Any, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Store nothing."""

    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Remove nothing."""

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        """Touch nothing."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """Return the essence as it is."""
        return essence


def settings() -> kopf.OperatorSettings:
    """Return settings under which kopf writes nothing at all."""
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False
    chosen.scanning.disabled = True
    chosen.persistence.diffbase_storage = NoDiffBase()
    chosen.persistence.progress_storage = NoProgress()
    chosen.networking.error_backoffs = ERROR_BACKOFFS
    chosen.watching.chunk_size = PAGE
    chosen.queueing.idle_timeout = IDLE_SECONDS
    chosen.process.ultimate_exiting_timeout = 20
    for kind in WATCHED:
        if kind.label_selector:
            chosen.watching.label_selectors[kind.group, kind.plural] = kind.label_selector
        if kind.field_selector:
            chosen.watching.field_selectors[kind.group, kind.plural] = kind.field_selector
    return chosen


def registry(
    store: Store, listed: Listed, kinds: Iterable[Kind] = WATCHED
) -> kopf.OperatorRegistry:
    """Return handlers that feed the store."""
    handlers = kopf.OperatorRegistry()
    kopf.on.login(registry=handlers)(connection_info)
    for kind in kinds:
        _feed(handlers, store, listed, kind)
    return handlers


def _feed(handlers: kopf.OperatorRegistry, store: Store, listed: Listed, kind: Kind) -> None:
    async def seen(event: Any, **_: Any) -> None:
        body = event["object"]
        if event["type"] == "DELETED":
            store.forget(kind, key_of(body["metadata"]))
        else:
            store.observe(kind, body)
        if event["type"] is None:
            listed(kind)

    kopf.on.event(
        kind.group, kind.version, kind.plural, id=f"see-{kind.plural}", registry=handlers
    )(seen)


async def start(
    store: Store, listed: Listed, namespaces: Sequence[str] = ()
) -> list[Collection[asyncio.Task[Any]]]:
    """Start watching and return the tasks of each kopf, for `run`.

    A kind whose watch was lost for too long is listed again. That says what is there, and nothing
    of what has vanished meanwhile: whoever is told by ``listed`` has to look.

    One kopf watches either the whole cluster or some namespaces. To serve some namespaces there
    are two: the fleet is still seen whole, and Roles in those namespaces suffice for the rest.
    """
    if not namespaces:
        return [await _spawn(store, listed, WATCHED, clusterwide=True)]
    return [
        await _spawn(store, listed, FLEET_WIDE, clusterwide=True),
        await _spawn(store, listed, SERVED, namespaces=list(namespaces)),
    ]


async def _spawn(
    store: Store, listed: Listed, kinds: Iterable[Kind], **where: Any
) -> Collection[asyncio.Task[Any]]:
    return await kopf.spawn_tasks(
        registry=registry(store, listed, kinds), settings=settings(), standalone=True, **where
    )


async def run(tasks: Collection[asyncio.Task[Any]], others: Collection[asyncio.Task[Any]]) -> None:
    """Watch until cancelled or failed; kopf cancels every task that it does not know in the end.

    ``others`` are the tasks that are ours.
    """
    await kopf.run_tasks(tasks, ignored=frozenset(others))
