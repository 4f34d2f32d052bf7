"""Histograms of how long answers took: four bins to a doubling, from one millisecond on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import log2
from typing import Any, Final

from tierwise_core.decision_record import StepRecord

__all__ = ["bin_of", "latency_rows", "quantile_ms", "upper_ms"]

BINS_TO_A_DOUBLING: Final = 4
MOST: Final = 120


def bin_of(seconds: float) -> int:
    """Give the bin of a duration; 0 is up to one millisecond.

    >>> bin_of(0.0005), bin_of(0.001), bin_of(0.002), bin_of(0.2)
    (0, 1, 5, 31)
    """
    milliseconds = seconds * 1000.0
    if not milliseconds >= 1.0:
        return 0
    return min(int(log2(milliseconds) * BINS_TO_A_DOUBLING) + 1, MOST)


def upper_ms(number: int) -> float:
    """Give where a bin ends, in milliseconds.

    >>> upper_ms(0), round(upper_ms(31))
    (1.0, 215)
    """
    return float(2 ** (number / BINS_TO_A_DOUBLING))


def quantile_ms(counts: Mapping[int, int], share: float) -> float | None:
    """Bound a quantile from above, in milliseconds; at most a fifth too high.

    >>> round(quantile_ms({31: 98, 40: 2}, 0.5)), quantile_ms({}, 0.5)
    (215, None)
    """
    total = sum(counts.values())
    if not total:
        return None
    below = 0
    for number in sorted(counts):
        below += counts[number]
        if below >= share * total:
            break
    return upper_ms(number)


def latency_rows(row: Mapping[str, Any], step: StepRecord, grid_s: int) -> Iterator[dict[str, Any]]:
    """Give the rows of one answer's histogram."""
    measured = (("duration", step.seconds), ("ttft", step.ttft_s))
    for measure, seconds in measured:
        if seconds is not None:
            yield {
                "specialist": row["specialist"],
                "revision": row["revision"],
                "field": row["field"],
                "begin": int(row["at"] // grid_s) * grid_s,
                "measure": measure,
                "bin": bin_of(seconds),
                "count": 1,
            }
