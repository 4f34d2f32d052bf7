"""Orchestration of several calls for one request, by name."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PatternsPolicy"]


@dataclass(frozen=True, slots=True)
class PatternsPolicy:
    """Orchestration of several calls for one request, by name."""
