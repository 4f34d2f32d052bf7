"""Time-outs, retries, hedging, breakers, queues and load shedding."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ResiliencePolicy"]


@dataclass(frozen=True, slots=True)
class ResiliencePolicy:
    """Time-outs, retries, hedging, breakers, queues and load shedding."""
