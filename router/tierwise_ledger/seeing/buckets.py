"""Time in equal pieces, as many as a chart can show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

__all__ = ["HOUR_S", "MOST_POINTS", "bucket_s", "starts"]

HOUR_S: Final = 3600
MOST_POINTS: Final = 96


def bucket_s(seconds: float, unit_s: int, most: int = MOST_POINTS) -> int:
    """Give the length of a piece: a multiple of the unit, so that there are at most so many.

    A day in hours, and a month in pieces of eight hours:

    >>> bucket_s(86_400, 3600), bucket_s(30 * 86_400, 3600)
    (3600, 28800)
    """
    return unit_s * max(1, math.ceil(seconds / unit_s / most))


def starts(since: float, until: float, length_s: int) -> Sequence[int]:
    """Give where the pieces of a span begin.

    >>> list(starts(3700.0, 11_000.0, 3600))
    [3600, 7200, 10800]
    """
    first = int(since // length_s) * length_s
    return range(first, math.ceil(until), length_s)
