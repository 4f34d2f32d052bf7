"""RouterPolicy, section learning: from outcomes to predictions."""

from __future__ import annotations

from tierwise_api.base import Spec
from tierwise_core.policy_learning import LearningPolicy

__all__ = ["LearningSpec"]


class LearningSpec(Spec):
    """How outcomes turn into predictions, and how carefully new Specialists start."""

    def to_core(self) -> LearningPolicy:
        """The section as the router's core reads it."""
        return LearningPolicy()
