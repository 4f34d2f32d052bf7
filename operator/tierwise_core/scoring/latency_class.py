"""Whether it is meant for how urgent the request is."""

from __future__ import annotations

from typing import Final

from tierwise_core.scoring.facts import Facts

__all__ = ["score"]

PATIENT: Final = frozenset({"batch", "background"})


def score(facts: Facts) -> float:
    """Give 1 where it is meant for the class, a half where it is merely too good for it, else 0.

    Nobody who waits is sent to a Specialist for batches as long as there is another; patient work
    leaves the interactive ones to those who wait:

    >>> interactive, batch = frozenset({"realtime", "async"}), frozenset({"async", "batch"})
    >>> score(Facts("a", serves=interactive)), score(Facts("b", serves=batch))
    (1.0, 0.0)
    >>> score(Facts("a", latency_class="batch", serves=interactive))
    0.5
    """
    if facts.serves is None or facts.latency_class in facts.serves:
        return 1.0
    return 0.5 if facts.latency_class in PATIENT else 0.0
