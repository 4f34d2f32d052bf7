"""A budget for extra work: retries and hedges never become a storm of their own."""

from __future__ import annotations

__all__ = ["ExtraBudget"]


class ExtraBudget:
    """Allows extra attempts as a share of the requests, plus some per second.

    Each request pays ``share`` in, each second ``per_second``, each extra attempt takes 1. At most
    ``burst`` is saved. So over any time the extra attempts are at most
    ``share x requests + per_second x seconds + burst``.

    A fifth of ten requests, and nothing by itself:

    >>> budget = ExtraBudget(saved=0.0, now=0.0)
    >>> for _ in range(10):
    ...     budget.deposit(0.2, burst=5.0)
    >>> [budget.withdraw(1.0, per_second=0.0, burst=5.0) for _ in range(3)]
    [True, True, False]
    """

    __slots__ = ("_at", "saved")

    def __init__(self, saved: float, now: float) -> None:
        self.saved = saved
        self._at = now

    def deposit(self, share: float, burst: float) -> None:
        """Count one request."""
        if self.saved < burst:
            self.saved = min(burst, self.saved + share)

    def withdraw(self, now: float, per_second: float, burst: float) -> bool:
        """Take one extra attempt out, if there is one."""
        # Sums of shares such as 0.2 fall a hair short of the whole.
        self.saved = min(burst, self.saved + (now - self._at) * per_second)
        self._at = now
        if self.saved < 1.0 - 1e-9:
            return False
        self.saved -= 1.0
        return True
