"""When a cascade's stream may begin to flow."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["StreamingPolicy"]


@dataclass(frozen=True, slots=True)
class StreamingPolicy:
    """When a cascade's stream may begin to flow."""
