"""Tells the operator what went to the alternatives: ``status.overflow``.

One per pod. It adds up what the dispatchers have sent since the pod began and writes it by
server-side apply, every ten seconds at most, as long as it grows. All pods write to the same place:
each says who it is and all it has sent, so that one that overwrites another loses nothing for good.
"""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import httpx
import structlog

from tierwise_router.bursting import Sent
from tierwise_router.sources.kubeconfig import ApiAccess
from tierwise_router.status_writes import StatusWrites

__all__ = ["FIELD_MANAGER", "OverflowReport"]

log = structlog.get_logger(__name__)

FIELD_MANAGER = "tierwise-router-overflow"
WRITE_EVERY_S = 10.0


class OverflowReport:
    """Writes what was sent elsewhere; lives in one event loop.

    Args:
        access: the API server.
        every_s: the least time between two rounds of writes.
        router: the pod's name.
        clock: the time.
    """

    def __init__(
        self,
        access: ApiAccess,
        every_s: float = WRITE_EVERY_S,
        router: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._every_s = every_s
        self._router = router or os.environ.get("HOSTNAME") or platform.node()
        self._since = clock().isoformat(timespec="seconds").replace("+00:00", "Z")
        self._writes = StatusWrites(access, FIELD_MANAGER)
        self._heard: dict[int, Mapping[str, Sent]] = {}
        self._written: dict[str, Sent] = {}
        self._writer: asyncio.Task[None] | None = None

    def hear(self, process: int, sent: Mapping[str, Sent]) -> None:
        """Take note of what a dispatcher has sent since it began; of a dead one that stays."""
        self._heard[process] = sent
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_on(), name="overflow report")

    @property
    def busy(self) -> bool:
        """Whether there is anything left to write."""
        return self._writer is not None and not self._writer.done()

    async def close(self) -> None:
        """Stop writing."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        await self._writes.close()

    def _news(self) -> dict[str, Sent]:
        sums: dict[str, Sent] = {}
        for sent in self._heard.values():
            for key, one in sent.items():
                known = sums.get(key, Sent())
                sums[key] = Sent(*(a + b for a, b in zip(known, one, strict=True)))
        return {key: sent for key, sent in sums.items() if sent != self._written.get(key)}

    async def _write_on(self) -> None:
        """Write as long as there is news; what could not be written is news again."""
        while news := self._news():
            for key, sent in news.items():
                if await self._write(key, sent):
                    self._written[key] = sent
            await asyncio.sleep(self._every_s)

    async def _write(self, key: str, sent: Sent) -> bool:
        """Write once; says whether the API server has taken it, or has no use for it."""
        told = {
            "router": self._router,
            "since": self._since,
            "requests": sent.requests,
            "promptTokens": sent.prompt_tokens,
            "generatedTokens": sent.generated_tokens,
        }
        try:
            await self._writes.apply(key, {"overflow": told})
        except (httpx.HTTPError, OSError) as error:
            log.warning("overflow not told yet", specialist=key, error=str(error))
            return False
        return True
