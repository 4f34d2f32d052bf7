"""How urgent a request is: who waits for its answer, and how patiently."""

from __future__ import annotations

from typing import Final, Literal

__all__ = ["LATENCY_CLASSES", "REALTIME", "LatencyClass", "rank"]

LatencyClass = Literal["realtime", "async", "batch", "background"]
REALTIME: Final = "realtime"
LATENCY_CLASSES: Final[tuple[LatencyClass, ...]] = ("realtime", "async", "batch", "background")
"""From the most urgent to the least: who is served first, and who is shed last."""

_RANKS: Final[dict[str, int]] = {name: place for place, name in enumerate(LATENCY_CLASSES)}


def rank(latency_class: str) -> int:
    """Give the place of a class; a smaller one goes first.

    >>> rank("realtime") < rank("async") < rank("batch") < rank("background")
    True
    """
    return _RANKS[latency_class]
