"""How much room it has: queues and KV cache."""

from __future__ import annotations

from typing import Final

from tierwise_core.scoring.facts import Facts

__all__ = ["score"]

HALF_FULL: Final = 8.0
"""Requests per endpoint, in progress and twice those waiting, at which the score is a half."""

CACHE_IS_FREE_TO: Final = 0.8
"""Up to this share a KV cache takes another request without throwing one out."""


def score(facts: Facts) -> float:
    """Give 1 for an idle choice, less the more requests are there, 0 with a full KV cache.

    ``8 / (8 + (in_flight + 2 waiting) / endpoints)``, times what is left of the cache above 80 %.

    >>> from tierwise_core.plan_context import LoadSignal
    >>> idle, busy = LoadSignal(endpoints=1), LoadSignal(in_flight=4, endpoints=1, waiting=2)
    >>> score(Facts("demo/sorter", load=idle)), score(Facts("demo/sorter", load=busy))
    (1.0, 0.5)
    >>> round(score(Facts("demo/sorter", load=LoadSignal(endpoints=1, kv_usage=0.9))), 2)
    0.5
    """
    load = facts.load
    queue = (load.in_flight + 2.0 * load.waiting) / (load.endpoints or 1)
    room = HALF_FULL / (HALF_FULL + max(queue, 0.0))
    usage = load.kv_usage
    if usage is None or usage <= CACHE_IS_FREE_TO:
        return room
    return room * max(0.0, (1.0 - usage) / (1.0 - CACHE_IS_FREE_TO))
