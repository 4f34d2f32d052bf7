"""Whether the adapter that is asked for is in its memory."""

from __future__ import annotations

from tierwise_core.scoring.facts import Facts

__all__ = ["score"]


def score(facts: Facts) -> float:
    """Give 1 where it is, or none is asked for, and 0 where it would have to be loaded first.

    >>> [score(Facts("pod", adapter_resident=there)) for there in (True, False, None)]
    [1.0, 0.0, 1.0]
    """
    return 0.0 if facts.adapter_resident is False else 1.0
