"""How many lines may be under way at a time, and who comes first."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import Final

__all__ = ["RANKS", "Slots"]

RANKS: Final = {"batch": 0, "background": 1}
"""Who comes first when a slot is free: the lower number."""


class Slots:
    """A bound that may change while it is in use; lives in one event loop.

    Args:
        limit: how many may be taken at a time, asked whenever one is wanted or given back.
    """

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._count = count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self.taken = 0

    async def take(self, rank: int) -> None:
        """Wait for a slot; give it back in every case."""
        if self.taken < self._limit() and not self._waiting:
            self.taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._count), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give()
            raise

    def give(self) -> None:
        """Give a slot back."""
        self.taken -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self.taken < self._limit():
            _rank, _order, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self.taken += 1
                turn.set_result(None)
