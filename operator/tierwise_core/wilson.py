"""How sure a share counted on a sample is (Wilson's score interval)."""

from __future__ import annotations

from math import ceil, sqrt
from typing import Final

__all__ = ["interval", "judgements_needed"]

Z_95: Final = 1.959963984540054
CLOSE: Final = 1e-4


def interval(rate: float, sample: int, z: float = Z_95) -> tuple[float, float]:
    """Return the 95 % interval of a share that was ``rate`` in ``sample`` cases.

    3 of 100, then 30 of 1000 (E. B. Wilson, "Probable Inference", 1927):

    >>> [round(bound, 4) for bound in interval(0.03, 100)]
    [0.0103, 0.0845]
    >>> [round(bound, 4) for bound in interval(0.03, 1000)]
    [0.0211, 0.0425]

    Raises ValueError for an empty sample.
    """
    if sample < 1:
        raise ValueError(f"a share of {sample} cases says nothing; give 1 or more")
    spread = z * z / sample
    middle = (rate + spread / 2) / (1 + spread)
    half = z / (1 + spread) * sqrt(rate * (1 - rate) / sample + spread / sample / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def judgements_needed(bound: float, rate: float, z: float = Z_95) -> int:
    """Return how many cases tell a share of ``rate`` from ``bound``, if it stays what it is.

    The variance at the bound over the square of the distance; a distance of nothing counts as a
    tenth of the bound.

    >>> judgements_needed(0.02, 0.03), judgements_needed(0.02, 0.01)
    (753, 753)
    """
    distance = max(abs(rate - bound), bound / 10, CLOSE)
    return ceil(z * z * max(bound * (1 - bound), CLOSE) / distance**2)
