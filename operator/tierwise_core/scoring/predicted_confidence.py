"""How likely its answer is to be accepted, as predicted before asking."""

from __future__ import annotations

from tierwise_core.scoring.facts import Facts

__all__ = ["score"]


def score(facts: Facts) -> float:
    """Give the predicted confidence itself.

    >>> score(Facts("demo/sorter", predicted=0.91))
    0.91
    """
    return facts.predicted
