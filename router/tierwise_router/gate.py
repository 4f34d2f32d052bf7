"""A fair queue whose waiting requests are tasks of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import ceil

from tierwise_core.fair_queue import FairQueue, Waiting

__all__ = ["Gate", "ShedError"]

SMOOTHING = 0.05
LEAST_COST, MOST_COST = 0.1, 10.0
LONGEST_RETRY_AFTER_S = 60


class ShedError(Exception):
    """A request is not let in; ``reason`` is full, evicted or timeout."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Gate:
    """Lets as many requests in as there are slots; the others wait for their turn.

    Args:
        queue: who is in, and who waits.
        blocked: tells whom a limit of its own tenant keeps out, though a slot is free.
        granted: is told the tenant of each request that waited and is let in.
    """

    __slots__ = ("_blocked", "_futures", "_granted", "queue", "usual_s")

    def __init__(
        self,
        queue: FairQueue,
        blocked: Callable[[Waiting], bool] | None = None,
        granted: Callable[[str], None] | None = None,
    ) -> None:
        self.queue = queue
        self.usual_s = 0.0
        self._blocked = blocked
        self._granted = granted
        self._futures: dict[Waiting, asyncio.Future[None]] = {}

    def resize(self, slots: int, length: int) -> None:
        """Change how many may be in and how many may wait; who is in or waits already stays."""
        self.queue.slots, self.queue.length = slots, length
        self.serve()

    async def wait(self, newcomer: Waiting, longest_s: float) -> None:
        """Wait for a slot and take it; raises ShedError when there is none for this request."""
        victim = self.queue.wait(newcomer)
        if victim is newcomer:
            raise ShedError("full")
        if victim is not None:
            evicted = self._futures.pop(victim)
            if not evicted.done():
                evicted.set_exception(ShedError("evicted"))
        turn = self._futures[newcomer] = asyncio.get_running_loop().create_future()
        self.serve()
        try:
            async with asyncio.timeout(longest_s):
                await turn
        except TimeoutError:
            self._withdraw(newcomer, turn)
            raise ShedError("timeout") from None
        except BaseException:
            self._withdraw(newcomer, turn)
            raise

    def leave(self, tenant: str, held_s: float) -> None:
        """Give a slot back that was held for so long, and let the next in."""
        queue, usual_s = self.queue, self.usual_s
        self.usual_s = usual_s = usual_s + SMOOTHING * (held_s - usual_s) if usual_s else held_s
        if queue.waiting:
            cost = held_s / usual_s if usual_s else 1.0
            queue.give_back(tenant, min(max(cost, LEAST_COST), MOST_COST))
            self.serve()
        else:
            queue.give_back(tenant)

    def serve(self) -> None:
        """Let in whoever may go now."""
        while (head := self._next()) is not None:
            turn = self._futures.pop(head)
            if turn.done():  # it was cancelled, and its task has not run since
                self.queue.give_back(head.tenant)
                continue
            if self._granted is not None:
                self._granted(head.tenant)
            turn.set_result(None)

    def retry_after_s(self, ahead: int, slots: int) -> int:
        """Tell when it is worth to come again: when those ahead have gone through the slots.

        Between one second and a minute: the sooner is a storm, the later a guess.
        """
        wait_s = self.usual_s * (ahead + 1) / max(1, slots)
        return max(1, min(LONGEST_RETRY_AFTER_S, ceil(wait_s)))

    def _next(self) -> Waiting | None:
        queue = self.queue
        if not queue.waiting:
            return None
        return queue.next() if self._blocked is None else queue.next(self._blocked)

    def _withdraw(self, gone: Waiting, turn: asyncio.Future[None]) -> None:
        if gone in self._futures:
            del self._futures[gone]
            self.queue.forget(gone)
        elif turn.done() and not turn.cancelled() and turn.exception() is None:
            # Its turn came in the very moment in which it left.
            self.queue.give_back(gone.tenant)
            self.serve()
