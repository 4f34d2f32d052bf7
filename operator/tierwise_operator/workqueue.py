"""One queue that holds each key once, however often it is asked for, and hands it to one worker.

Rollouts do not wait behind everybody else: a rollback is due within a second, also while thousands
of Specialists wait for a pass. So that nobody waits for ever, one of the others has its turn after
every few of them.

A key that is asked for while a worker has it comes again when that worker is done, so that no
change is missed and no two workers ever pass over the same object at the same time.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Literal

ItemKind = Literal["Specialist", "GPUTier", "Rollout", "Fleet"]

FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 300.0
FIRST_IN_A_ROW = 8
"""How many Rollouts may have their turn before one of the others has."""


@dataclass(frozen=True, slots=True)
class Item:
    """What a pass is about: an object by key, or the whole fleet."""

    kind: ItemKind
    key: str = ""


def backoff_seconds(failures: int) -> float:
    """Return how long to wait after that many failures in a row.

    >>> [backoff_seconds(n) for n in (1, 2, 3, 20)]
    [0.5, 1.0, 2.0, 300.0]
    """
    return float(min(FIRST_BACKOFF_SECONDS * 2 ** min(failures - 1, 20), LONGEST_BACKOFF_SECONDS))


class WorkQueue:
    """Items waiting for a pass, each once; delayed ones wait on the event loop's clock."""

    def __init__(self) -> None:
        self._first: deque[Item] = deque()
        self._others: deque[Item] = deque()
        self._in_a_row = 0
        self._queued: set[Item] = set()
        self._busy: set[Item] = set()
        self._again: set[Item] = set()
        self._timers: dict[Item, asyncio.TimerHandle] = {}
        self._failures: dict[Item, int] = {}
        self._arrival = asyncio.Event()

    def __len__(self) -> int:
        return len(self._first) + len(self._others)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is being worked on; delayed items aside."""
        return not len(self) and not self._busy

    def is_delayed(self, item: Item) -> bool:
        """Say whether a pass is planned for later."""
        return item in self._timers

    def add(self, item: Item) -> None:
        """Ask for a pass as soon as possible."""
        self._cancel_timer(item)
        if item in self._busy:
            self._again.add(item)
        elif item not in self._queued:
            self._queued.add(item)
            (self._first if item.kind == "Rollout" else self._others).append(item)
            self._arrival.set()

    def add_after(self, item: Item, delay_seconds: float) -> None:
        """Ask for a pass later; an earlier wish for the same item stands."""
        loop = asyncio.get_running_loop()
        known = self._timers.get(item)
        if known is not None and known.when() <= loop.time() + delay_seconds:
            return
        self._cancel_timer(item)
        self._timers[item] = loop.call_later(delay_seconds, self.add, item)

    def take(self) -> Item | None:
        """Return the next item, to be given back by `done`; None when nothing waits."""
        if not len(self):
            return None
        item = self._next_lane().popleft()
        self._queued.discard(item)
        self._busy.add(item)
        return item

    def _next_lane(self) -> deque[Item]:
        """Return the lane whose turn it is; one of the two has somebody waiting."""
        if self._first and (self._in_a_row < FIRST_IN_A_ROW or not self._others):
            self._in_a_row += 1
            return self._first
        self._in_a_row = 0
        return self._others

    async def get(self) -> Item:
        """Wait for the next item, to be given back by `done`."""
        while (item := self.take()) is None:
            self._arrival.clear()
            await self._arrival.wait()
        return item

    def done(self, item: Item) -> None:
        """Give an item back; if it was asked for meanwhile, it comes again."""
        self._busy.discard(item)
        if item in self._again:
            self._again.discard(item)
            self.add(item)

    def succeeded(self, item: Item) -> None:
        """Forget the failures of an item."""
        self._failures.pop(item, None)

    def retry(self, item: Item) -> float:
        """Ask for a pass after a back-off that grows with each failure; return the seconds."""
        failures = self._failures[item] = self._failures.get(item, 0) + 1
        delay = backoff_seconds(failures)
        self.add_after(item, delay)
        return delay

    def close(self) -> None:
        """Drop all timers."""
        for item in list(self._timers):
            self._cancel_timer(item)

    def _cancel_timer(self, item: Item) -> None:
        timer = self._timers.pop(item, None)
        if timer is not None:
            timer.cancel()
