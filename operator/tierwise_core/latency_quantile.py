"""How long most answers take, of late: the delay after which a hedge is worth its price."""

from __future__ import annotations

from math import log
from typing import Final

__all__ = ["RecentQuantiles"]

SHORTEST_S: Final = 0.001
GROWTH: Final = 1.1
BUCKETS: Final = 150  # 1 ms x 1.1^150 is 27 minutes
REMEMBERED: Final = 1000


class RecentQuantiles:
    """Quantiles of durations, within 10 %; what is long ago counts half and half again.

    >>> recent = RecentQuantiles()
    >>> for _ in range(95): recent.add(0.010)
    >>> for _ in range(5): recent.add(1.0)
    >>> round(recent.quantile(0.9), 2), round(recent.quantile(0.99))
    (0.01, 1)
    """

    __slots__ = ("_counts", "seen")

    def __init__(self) -> None:
        self._counts = [0.0] * (BUCKETS + 1)
        self.seen = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        place = 0 if seconds <= SHORTEST_S else int(log(seconds / SHORTEST_S) / log(GROWTH)) + 1
        self._counts[min(place, BUCKETS)] += 1
        self.seen += 1
        if self.seen >= REMEMBERED:
            self._counts = [count / 2 for count in self._counts]
            self.seen /= 2

    def quantile(self, share: float) -> float:
        """Give the duration that this share of the answers stays below; 0 when nothing is known."""
        left = share * self.seen
        if not self.seen:
            return 0.0
        for place, count in enumerate(self._counts):
            left -= count
            if left <= 0:
                return SHORTEST_S * GROWTH**place
        return SHORTEST_S * GROWTH**BUCKETS
