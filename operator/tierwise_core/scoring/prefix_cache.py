"""How much of the prompt its KV cache has seen already."""

from __future__ import annotations

from tierwise_core.scoring.facts import Facts

__all__ = ["score"]


def score(facts: Facts) -> float:
    """Give the share of the prompt that need not be read again; 0 where nothing is known.

    >>> score(Facts("http://10.0.0.1:8000", prefix_share=0.75)), score(Facts("http://10.0.0.2:8000"))
    (0.75, 0.0)
    """
    return min(max(facts.prefix_share or 0.0, 0.0), 1.0)
