"""Tells the operator that requests wait for a Specialist that sleeps: ``status.wake``.

One per pod. It adds up what the dispatchers hold and writes it by server-side apply under a field
manager of its own: at once when somebody begins to wait, every few seconds as long as somebody
does, and once more when nobody does any longer. A write that fails is repeated the same way.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import httpx
import structlog

from tierwise_router.sources.kubeconfig import ApiAccess
from tierwise_router.status_writes import StatusWrites

__all__ = ["FIELD_MANAGER", "Waker"]

log = structlog.get_logger(__name__)

FIELD_MANAGER = "tierwise-router"
WRITE_EVERY_S = 3.0
SILENT_S = 10.0


class Waker:
    """Writes who is waited for; lives in one event loop.

    Args:
        access: the API server.
        every_s: the least time between two writes about the same Specialist.
    """

    def __init__(self, access: ApiAccess, every_s: float = WRITE_EVERY_S) -> None:
        self._every_s = every_s
        self._writes = StatusWrites(access, FIELD_MANAGER)
        self._heard: dict[int, tuple[float, dict[str, int]]] = {}
        self._writers: dict[str, asyncio.Task[None]] = {}

    def hear(self, process: int, waiting: dict[str, int]) -> None:
        """Take note of what a dispatcher holds; it says so every second as long as it does."""
        self._heard[process] = (time.monotonic(), waiting)
        for key in waiting:
            if key not in self._writers:
                self._writers[key] = asyncio.create_task(self._write_on(key), name=f"wake {key}")

    @property
    def busy(self) -> bool:
        """Whether there is anything left to write."""
        return bool(self._writers)

    async def close(self) -> None:
        """Stop writing."""
        for task in self._writers.values():
            task.cancel()
        await asyncio.gather(*self._writers.values(), return_exceptions=True)
        await self._writes.close()

    def _waiting(self, key: str) -> int:
        """Add up who waits; a dispatcher that fell silent has died, and its requests with it."""
        now = time.monotonic()
        return sum(
            waiting.get(key, 0) for at, waiting in self._heard.values() if now - at < SILENT_S
        )

    async def _write_on(self, key: str) -> None:
        """Write until nobody waits any more, that last word included."""
        waiting = self._waiting(key)
        log.info("waking", specialist=key, waiting=waiting)
        while True:
            written = await self._write(key, waiting)
            if written and not waiting:
                break
            await asyncio.sleep(self._every_s)
            waiting = self._waiting(key)
        del self._writers[key]
        if self._waiting(key):
            self._writers[key] = asyncio.create_task(self._write_on(key), name=f"wake {key}")

    async def _write(self, key: str, waiting: int) -> bool:
        """Write once; says whether the API server has taken it, or has no use for it."""
        moment = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        try:
            await self._writes.apply(key, {"wake": {"requestedAt": moment, "waiting": waiting}})
        except (httpx.HTTPError, OSError) as error:
            log.warning("not woken yet", specialist=key, waiting=waiting, error=str(error))
            return False
        log.debug("wake", specialist=key, waiting=waiting)
        return True
