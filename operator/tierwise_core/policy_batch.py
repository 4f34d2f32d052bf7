"""How batch and background work shares the fleet with people who wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["BatchPolicy"]

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB
HOUR_S: Final = 3600.0
DAY_S: Final = 24 * HOUR_S


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """How batch and background work shares the fleet with people who wait.

    ``concurrency`` is how many lines one dispatcher has under way at a time, over all its batches.
    A line that is refused for want of room (429, 502, 503, 504) is tried again after
    ``first_retry_s``, doubling to ``longest_retry_s``, ``max_attempts`` times in all.
    ``longest_window_s`` bounds a batch's completion window. ``results_kept_s`` is how long the
    answer of a background request can be fetched, ``files_kept_s`` how long files and finished
    batches stay. ``max_storage_bytes`` bounds what all files may take on the disk.
    """

    concurrency: int = 8
    max_attempts: int = 20
    first_retry_s: float = 1.0
    longest_retry_s: float = 60.0
    max_requests: int = 50_000
    max_file_bytes: int = 200 * MIB
    max_storage_bytes: int = 4 * GIB
    longest_window_s: float = 7 * DAY_S
    results_kept_s: float = DAY_S
    files_kept_s: float = 30 * DAY_S

    def retry_delay_s(self, attempt: int, asked_s: float | None, jitter: float) -> float:
        """Say how long to wait after the ``attempt``-th refusal (1 is the first), in seconds.

        The wait doubles; up to half of it is left to chance (``jitter`` in [0, 1]), so that lines
        that were refused together do not come back together. What the refusal itself asks for
        (``retry-after``) is never undercut. Both are cut at ``longest_retry_s``.

        >>> policy = BatchPolicy()
        >>> policy.retry_delay_s(1, None, 0.0), policy.retry_delay_s(4, None, 1.0)
        (0.5, 8.0)
        >>> policy.retry_delay_s(1, 7.0, 0.0), policy.retry_delay_s(30, None, 1.0)
        (7.0, 60.0)
        """
        doubled = min(self.first_retry_s * 2.0 ** min(attempt - 1, 30), self.longest_retry_s)
        own = doubled * (0.5 + 0.5 * jitter)
        return min(max(own, asked_s or 0.0), self.longest_retry_s)
