"""How outcomes turn into predictions, and how carefully new Specialists start."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LearningPolicy"]


@dataclass(frozen=True, slots=True)
class LearningPolicy:
    """How outcomes turn into predictions, and how carefully new Specialists start."""
