"""What helps the built-in field classifier."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ClassifierPolicy"]


@dataclass(frozen=True, slots=True)
class ClassifierPolicy:
    """What helps the built-in field classifier."""
