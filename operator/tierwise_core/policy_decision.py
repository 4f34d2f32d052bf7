"""How candidates are scored and picked, and what one request may spend."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DecisionPolicy"]


@dataclass(frozen=True, slots=True)
class DecisionPolicy:
    """How candidates are scored and picked, and what one request may spend."""
