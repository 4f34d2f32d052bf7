"""The bench's own arithmetic: percentiles, what a router adds, what a request costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Cell", "Use", "added_ms", "cpu_us_per_request", "median_cell", "percentile", "times"]


@dataclass(frozen=True, slots=True)
class Use:
    """What a group of processes has used: processor seconds so far, resident bytes now."""

    cpu_s: float
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement: a contestant under one kind of load. Rates per second, times in ms."""

    rps: float
    p50_ms: float
    p99_ms: float
    requests: int
    errors: int
    cpu_us: float = 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """Give the smallest value that at least ``share`` of all are not above (nearest rank).

    >>> percentile([5, 1, 4, 2, 3], 0.5), percentile(range(1, 101), 0.99), percentile([7], 0.99)
    (3, 99, 7)
    >>> percentile([], 0.5)
    0.0
    """
    if not values:
        return 0.0
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * round(share * 10_000) // 10_000))
    return ordered[rank - 1]


def added_ms(routed_ms: float, direct_ms: float) -> float:
    """Give what a router adds to a percentile of the direct way; noise never makes it negative.

    >>> added_ms(0.31, 0.06)
    0.25
    >>> added_ms(0.05, 0.06)
    0.0
    """
    return round(max(0.0, routed_ms - direct_ms), 6)


def cpu_us_per_request(before: Use, after: Use, requests: int) -> float:
    """Give processor microseconds per request between two looks at a contestant.

    >>> cpu_us_per_request(Use(1.0, 0), Use(1.5, 0), 10_000)
    50.0
    >>> cpu_us_per_request(Use(1.0, 0), Use(1.5, 0), 0)
    0.0
    """
    return round((after.cpu_s - before.cpu_s) * 1e6 / requests, 3) if requests else 0.0


def median_cell(cells: Sequence[Cell]) -> Cell:
    """Give the one of several repeated measurements whose rate is in the middle.

    >>> [median_cell([Cell(r, 1, 2, 10, 0) for r in rates]).rps for rates in ([3, 1, 2], [4, 1])]
    [2, 1]
    """
    ordered = sorted(cells, key=lambda cell: cell.rps)
    return ordered[(len(ordered) - 1) // 2]


def times(one: float, other: float) -> float | None:
    """Give how many times ``other`` is in ``one``; None where there is nothing to compare with.

    >>> times(300, 100), times(300, 0)
    (3.0, None)
    """
    return one / other if other else None
