"""RouterPolicy, section decision: scoring, picking, spending."""

from __future__ import annotations

from tierwise_api.base import Spec
from tierwise_core.policy_decision import DecisionPolicy

__all__ = ["DecisionSpec"]


class DecisionSpec(Spec):
    """How candidates are scored and picked, and what one request may spend."""

    def to_core(self) -> DecisionPolicy:
        """The section as the router's core reads it."""
        return DecisionPolicy()
