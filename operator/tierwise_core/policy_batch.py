"""How batch and background work shares the fleet with people who wait."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BatchPolicy"]


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """How batch and background work shares the fleet with people who wait."""
