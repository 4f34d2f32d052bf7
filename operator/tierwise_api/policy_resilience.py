"""RouterPolicy, section resilience: time-outs, retries, queues."""

from __future__ import annotations

from tierwise_api.base import Spec
from tierwise_core.policy_resilience import ResiliencePolicy

__all__ = ["ResilienceSpec"]


class ResilienceSpec(Spec):
    """Time-outs, retries, hedging, breakers, queues and load shedding."""

    def to_core(self) -> ResiliencePolicy:
        """The section as the router's core reads it."""
        return ResiliencePolicy()
