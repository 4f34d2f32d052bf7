"""RouterPolicy, section patterns: several calls for one request."""

from __future__ import annotations

from tierwise_api.base import Spec
from tierwise_core.policy_patterns import PatternsPolicy

__all__ = ["PatternsSpec"]


class PatternsSpec(Spec):
    """Orchestration of several calls for one request, by name."""

    def to_core(self) -> PatternsPolicy:
        """The section as the router's core reads it."""
        return PatternsPolicy()
