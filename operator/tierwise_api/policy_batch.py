"""RouterPolicy, section batch: how batch work shares the fleet."""

from __future__ import annotations

from tierwise_api.base import Spec
from tierwise_core.policy_batch import BatchPolicy

__all__ = ["BatchSpec"]


class BatchSpec(Spec):
    """How batch and background work shares the fleet with people who wait."""

    def to_core(self) -> BatchPolicy:
        """The section as the router's core reads it."""
        return BatchPolicy()
