"""RouterPolicy, section classifier: what helps the classifier."""

from __future__ import annotations

from tierwise_api.base import Spec
from tierwise_core.policy_classifier import ClassifierPolicy

__all__ = ["ClassifierSpec"]


class ClassifierSpec(Spec):
    """What helps the built-in field classifier."""

    def to_core(self) -> ClassifierPolicy:
        """The section as the router's core reads it."""
        return ClassifierPolicy()
