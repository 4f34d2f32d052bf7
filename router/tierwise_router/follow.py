"""A dispatcher's end of the long-poll: takes new tables and what was learned, obeys the phase."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from tierwise_router.brain import Brain
from tierwise_router.dispatcher import Dispatcher, Phase
from tierwise_router.learning.learner import unpacked_model
from tierwise_router.taken_shares import leave_shares
from tierwise_router.watch import Notice
from tierwise_router.wire import unpack

__all__ = ["Follower"]

log = structlog.get_logger(__name__)

WatcherAsk = Callable[[str], Awaitable[Notice | None]]
RETRY_S = 0.5


class Follower:
    """Keeps one dispatcher up to date.

    Args:
        dispatcher: whose brain and phase are kept.
        ask: asks the watcher for what is newer than the given mark.
        on_drain: called once, when the pod is to be drained.
    """

    def __init__(
        self, dispatcher: Dispatcher, ask: WatcherAsk, on_drain: Callable[[], None]
    ) -> None:
        self._dispatcher = dispatcher
        self._ask = ask
        self._on_drain = on_drain
        self._learned_version = ""

    async def run(self) -> None:
        """Follow until the pod is drained; while the watcher is away, what is known stays."""
        seen = ""
        while self._dispatcher.phase is not Phase.DRAIN:
            try:
                notice = await self._ask(seen)
            except Exception as error:  # noqa: BLE001 - whatever ails it, it will be restarted
                log.warning("route watcher away; the last table stays", error=str(error))
                await asyncio.sleep(RETRY_S)
                continue
            if notice is not None:
                seen = notice.seen
                self._obey(Phase(notice.phase))
                await self._take_table(notice)
                await self._take_learned(notice)

    def _obey(self, phase: Phase) -> None:
        if phase is self._dispatcher.phase:
            return
        self._dispatcher.phase = phase
        log.info("phase", phase=str(phase))
        if phase is Phase.DRAIN:
            self._on_drain()

    async def _take_table(self, notice: Notice) -> None:
        before = self._dispatcher.brain
        if before is not None and before.table.version == notice.version:
            return
        began_at = time.perf_counter()
        # Training takes long enough to be felt by the requests in this loop.
        brain = await asyncio.to_thread(Brain.build, unpack(notice.table), before)
        self._dispatcher.take(brain)
        leave_shares(self._dispatcher)
        took_ms = (time.perf_counter() - began_at) * 1e3
        log.info("table taken", version=notice.version, built_in_ms=round(took_ms, 1))

    async def _take_learned(self, notice: Notice) -> None:
        if not notice.learned or notice.learned_version == self._learned_version:
            return
        model = await asyncio.to_thread(unpacked_model, notice.learned)
        self._learned_version = notice.learned_version
        brain = self._dispatcher.brain
        if brain is not None:
            self._dispatcher.brain = replace(brain, acceptance=model)
