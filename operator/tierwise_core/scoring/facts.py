"""What a scorer may look at: the facts of one choice, a Specialist or one of its pods."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tierwise_core.plan_context import IDLE, LatencyClass, LoadSignal

__all__ = ["Facts", "Scorer"]


class Facts(NamedTuple):
    """One choice; a fact that nobody knows is None, and its scorer then gives a neutral value.

    ``name`` is a Specialist's full name, or a pod's address. ``usd`` is the expected price of a
    call. ``prefix_share`` is the share of the prompt that its KV cache has seen, 0 to 1;
    ``session_home`` says whether the session's last answer came from here, None without a session;
    ``adapter_resident`` whether the adapter that is asked for is loaded, None when none is.
    ``serves`` are the latency classes that it is meant for, None for all.
    """

    name: str
    predicted: float = 1.0
    usd: float = 0.0
    utility: float | None = None
    load: LoadSignal = IDLE
    prefix_share: float | None = None
    session_home: bool | None = None
    adapter_resident: bool | None = None
    latency_class: LatencyClass = "realtime"
    serves: frozenset[str] | None = None


Scorer = Callable[[Facts], float]
"""Gives a value in [0, 1]; more is better. Pure: equal facts, equal value."""
