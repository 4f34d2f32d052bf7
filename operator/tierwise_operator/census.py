"""Listing: the first picture of the cluster, and later what vanished while no watch was open.

kopf lists again when a watch is lost, but says nothing about objects that are no longer there.
"""

from collections.abc import Iterable, Sequence

import structlog

from tierwise_operator.cluster import Cluster
from tierwise_operator.kinds import WATCHED, Kind, scopes
from tierwise_operator.store import Store, key_of

log = structlog.get_logger("tierwise.census")


async def load(cluster: Cluster, store: Store, namespaces: Sequence[str] = ()) -> None:
    """Fill the store before the first pass, so that no decision is made on half a picture."""
    for kind in WATCHED:
        for namespace in scopes(kind, namespaces):
            async for body in cluster.objects(kind, namespace):
                store.observe(kind, body)
        log.info("listed", kind=kind.name, kept=len(store.shelf(kind)))


async def prune(
    cluster: Cluster,
    store: Store,
    namespaces: Sequence[str] = (),
    kinds: Iterable[Kind] = WATCHED,
) -> None:
    """Forget what is no longer in the cluster."""
    for kind in kinds:
        await _prune(cluster, store, kind, scopes(kind, namespaces))


async def _prune(cluster: Cluster, store: Store, kind: Kind, where: Sequence[str]) -> None:
    shelf = store.shelf(kind)
    suspects = set(shelf)  # what is created during the listing is not among them
    for namespace in where:
        async for body in cluster.objects(kind, namespace, metadata_only=True):
            suspects.discard(key_of(body["metadata"]))
    for key in suspects:
        log.info("gone without a word", kind=kind.name, key=key)
        store.forget(kind, key)
