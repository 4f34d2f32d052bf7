"""How many of the last seconds' requests failed."""

from __future__ import annotations

from typing import Final

__all__ = ["SlidingWindow"]

SLICES: Final = 10


class SlidingWindow:
    """Counts over the last ``window_s`` seconds, in ten slices; older ones fall out.

    What is counted is at most ``window_s`` and at least nine tenths of it old. Time never runs
    backwards.

    >>> seen = SlidingWindow(10.0)
    >>> seen.add(0.5, failed=True); seen.add(9.0, failed=False)
    >>> seen.at(9.5)
    (2, 1)
    >>> seen.at(10.0)
    (1, 0)
    """

    __slots__ = ("_failed", "_failed_sum", "_per_s", "_slice", "_total", "_total_sum", "window_s")

    def __init__(self, window_s: float) -> None:
        self.window_s = window_s
        self._per_s = SLICES / window_s
        self._slice = 0
        self._total = [0] * SLICES
        self._failed = [0] * SLICES
        self._total_sum = 0
        self._failed_sum = 0

    def add(self, now: float, *, failed: bool) -> None:
        """Count one request."""
        place = int(now * self._per_s)
        if place != self._slice:
            self._turn(place)
        self._total[place % SLICES] += 1
        self._total_sum += 1
        if failed:
            self._failed[place % SLICES] += 1
            self._failed_sum += 1

    def at(self, now: float) -> tuple[int, int]:
        """Tell how many requests there were, and how many of them failed."""
        place = int(now * self._per_s)
        if place != self._slice:
            self._turn(place)
        return self._total_sum, self._failed_sum

    def _turn(self, place: int) -> None:
        """Empty the slices between the last one used and this one."""
        for stale in range(max(self._slice + 1, place - SLICES + 1), place + 1):
            index = stale % SLICES
            self._total_sum -= self._total[index]
            self._failed_sum -= self._failed[index]
            self._total[index] = self._failed[index] = 0
        self._slice = place
