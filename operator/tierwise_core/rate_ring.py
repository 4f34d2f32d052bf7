"""Requests in the last minute, counted in cells that several processes can add up.

A ring has a cell for each five seconds: the number of the slice, and how many requests fell into
it. Whoever reads it needs no lock, and a cell that was not written for a minute counts as empty.
A minute of cells and the one that runs: so that never more than the limit fall into any minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

__all__ = [
    "RING_CELLS", "Ring", "count_request", "current_slice", "requests_counted",
    "seconds_until_free",
]  # fmt: skip

SLICE_S: Final = 5.0
SLICES: Final = 13
RING_CELLS: Final = 2 * SLICES
"""How many numbers a ring has."""


class Ring(Protocol):
    """What a ring is kept in: a list, or memory that processes share."""

    def __getitem__(self, cell: int, /) -> int:
        """Read a number."""

    def __setitem__(self, cell: int, number: int, /) -> None:
        """Write a number."""


def current_slice(now: float) -> int:
    """Number the slice of a moment; ``now`` are seconds of a clock that all processes share."""
    return int(now / SLICE_S)


def count_request(ring: Ring, place: int) -> None:
    """Count one request in the slice of that number.

    >>> ring = [0] * RING_CELLS
    >>> count_request(ring, 100); count_request(ring, 101)
    >>> requests_counted([ring], 101), requests_counted([ring], 113), requests_counted([ring], 114)
    (2, 1, 0)
    """
    cell = 2 * (place % SLICES)
    if ring[cell] != place:
        ring[cell + 1] = 0
        ring[cell] = place
    ring[cell + 1] += 1


def requests_counted(rings: Iterable[Ring], place: int) -> int:
    """Add up what all rings have counted in the last minute."""
    oldest = place - SLICES + 1
    return sum(
        ring[cell + 1]
        for ring in rings
        for cell in range(0, RING_CELLS, 2)
        if oldest <= ring[cell] <= place
    )


def seconds_until_free(rings: Sequence[Ring], now: float, limit: int) -> float:
    """Tell when fewer than ``limit`` requests will be left in the last minute.

    >>> ring = [0] * RING_CELLS
    >>> count_request(ring, 20)
    >>> seconds_until_free([ring], now=102.0, limit=1)
    63.0
    """
    place = current_slice(now)
    left = requests_counted(rings, place)
    for oldest in range(place - SLICES + 1, place + 1):
        if left < limit:
            break
        cell = 2 * (oldest % SLICES)
        left -= sum(ring[cell + 1] for ring in rings if ring[cell] == oldest)
        freed_at = (oldest + SLICES) * SLICE_S
        if left < limit:
            return freed_at - now
    return 0.0
