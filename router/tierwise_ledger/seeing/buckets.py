"""Time in equal pieces, as many as a chart can show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from tierwise_ledger.tables.base import DAY_S, HOUR_S

__all__ = ["HOUR_S", "MOST_POINTS", "bucket_s", "starts"]

MOST_POINTS: Final = 96
ROUND_S: Final = (
    10, 20, 30, 60, 120, 300, 600, 900, 1800,
    *(hours * HOUR_S for hours in (1, 2, 3, 4, 6, 8, 12)),
)  # fmt: skip
"""Lengths that a day is whole of; longer ones are whole days, which have sums of their own."""


def bucket_s(seconds: float, unit_s: int, most: int = MOST_POINTS) -> int:
    """Give the length of a piece, as people cut days, so that there are at most so many.

    A day in hours, a month in pieces of eight hours, a quarter in days:

    >>> bucket_s(86_400, 3600), bucket_s(30 * 86_400, 3600), bucket_s(90 * 86_400, 3600)
    (3600, 28800, 86400)
    """
    least = seconds / most
    fit = (length for length in ROUND_S if length >= max(least, unit_s) and length % unit_s == 0)
    return next(fit, max(1, math.ceil(least / DAY_S)) * DAY_S)


def starts(since: float, until: float, length_s: int) -> Sequence[int]:
    """Give where the pieces of a span begin.

    >>> list(starts(3700.0, 11_000.0, 3600))
    [3600, 7200, 10800]
    """
    first = int(since // length_s) * length_s
    return range(first, math.ceil(until), length_s)
