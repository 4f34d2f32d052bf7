"""How useful its answers have been so far."""

from __future__ import annotations

from typing import Final

from tierwise_core.scoring.facts import Facts

__all__ = ["UNKNOWN", "score"]

UNKNOWN: Final = 0.5
"""Who has no record yet is neither preferred nor passed over."""


def score(facts: Facts) -> float:
    """Give the utility, and a half where none is known.

    >>> score(Facts("demo/sorter", utility=0.8)), score(Facts("demo/sorter"))
    (0.8, 0.5)
    """
    return UNKNOWN if facts.utility is None else min(max(facts.utility, 0.0), 1.0)
