"""Forgets what has vanished unseen: of all kinds at each resync, of one when its watch was lost.

A watch that was lost for too long begins with a listing again. It names what is there, and nothing
of what was deleted meanwhile: a pod that is gone would go on holding its GPU until the next resync.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from tierwise_operator import census
from tierwise_operator.cluster import Cluster, ClusterError
from tierwise_operator.kinds import Kind
from tierwise_operator.store import Store

__all__ = ["Pruner"]

LISTING_SECONDS: Final = 5.0
"""How long after its first word a listing is looked at: thousands of objects come page by page."""

log = structlog.get_logger("tierwise.operator")


class Pruner:
    """Looks for what vanished; ``listed`` is told by the watches."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        namespaces: Sequence[str] = (),
        *,
        listing_s: float = LISTING_SECONDS,
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._namespaces = namespaces
        self._listing_s = listing_s
        self._began = False
        self._kinds: set[Kind] = set()
        self._listed = asyncio.Event()

    async def prune_all(self) -> None:
        """Forget all that is gone.

        Raises:
            ClusterError: the API server could not be asked.
        """
        await census.prune(self._cluster, self._store, self._namespaces)
        self._began = True

    def listed(self, kind: Kind) -> None:
        """Learn that a kind is listed again.

        The listings with which the watches begin are none of these: the first resync follows soon.
        """
        if self._began:
            self._kinds.add(kind)
            self._listed.set()

    async def prune_listed(self) -> None:
        """Forget what is gone of the kinds that were listed again; after a failure, next time.

        Raises:
            ClusterError: the API server could not be asked.
        """
        self._listed.clear()
        kinds, self._kinds = self._kinds, set()
        try:
            await census.prune(self._cluster, self._store, self._namespaces, kinds)
        except ClusterError:
            for kind in kinds:
                self.listed(kind)
            raise

    async def run(self) -> None:
        """Look after each listing, for ever."""
        while True:
            await self._listed.wait()
            await asyncio.sleep(self._listing_s)
            try:
                await self.prune_listed()
            except ClusterError as error:
                log.warning("pruning failed", error=str(error), retry_seconds=self._listing_s)
