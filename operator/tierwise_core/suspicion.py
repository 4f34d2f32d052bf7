"""Whose failures they are: what breaks everybody's requests, and who breaks only his own.

A pod that answers 5xx may be broken, or the request may be one that breaks a healthy engine. One
caller cannot prove the first: so of those failures the share of the one who has most is left out,
and the rest must be bad enough by itself.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

__all__ = ["Suspicion"]

REMEMBERED: Final = 512


class Suspicion:
    """The failures of a window that were answered, by their source: a tenant, or a request.

    Of ten requests six failed, and five of those were one tenant's. Of the other five one failed,
    which is not half of them:

    >>> suspicion = Suspicion()
    >>> for at, source in enumerate(["mallory"] * 5 + ["alice"]):
    ...     suspicion.note(source, float(at))
    >>> suspicion.without_worst(10, 6, now=6.0, window_s=30.0)
    (5, 1)
    """

    __slots__ = ("_failed",)

    def __init__(self) -> None:
        self._failed: deque[tuple[float, str]] = deque(maxlen=REMEMBERED)

    def note(self, source: str, now: float) -> None:
        """Note a failure that its source may have brought about."""
        self._failed.append((now, source))

    def without_worst(
        self, total: int, failed: int, *, now: float, window_s: float
    ) -> tuple[int, int]:
        """Take the source with the most failures out of the window's requests and failures."""
        while self._failed and now - self._failed[0][0] > window_s:
            self._failed.popleft()
        counts = Counter(source for _, source in self._failed)
        worst = min(max(counts.values(), default=0), failed)
        return total - worst, failed - worst
