"""How busy a Specialist is, as far as one dispatcher knows."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["IDLE", "LoadSignal"]


class LoadSignal(NamedTuple):
    """The load of one Specialist.

    ``in_flight`` are this dispatcher's own requests at its endpoints, ``waiting`` those that wait
    here and in the engines' queues, ``kv_usage`` the fullest engine's share of KV cache in use
    (None where no engine told it). ``available`` is False while its breaker is open.
    """

    in_flight: int = 0
    endpoints: int = 0
    waiting: int = 0
    kv_usage: float | None = None
    available: bool = True


IDLE = LoadSignal()
