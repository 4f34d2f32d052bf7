"""RouterPolicy, section streaming: when a stream may flow."""

from __future__ import annotations

from tierwise_api.base import Spec
from tierwise_core.policy_streaming import StreamingPolicy

__all__ = ["StreamingSpec"]


class StreamingSpec(Spec):
    """When a cascade's stream may begin to flow."""

    def to_core(self) -> StreamingPolicy:
        """The section as the router's core reads it."""
        return StreamingPolicy()
