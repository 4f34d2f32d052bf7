"""RouterPolicy, section streaming: when a stream may flow."""

from __future__ import annotations

from pydantic import Field

from tierwise_api.base import Spec
from tierwise_core.policy_streaming import Begin, StreamingPolicy

__all__ = ["StreamingSpec"]


class StreamingSpec(Spec):
    """When a cascade's stream may begin to flow."""

    begin: Begin = Field(
        default="Early",
        description="Early lets a stream flow as soon as its first tokens are sure enough; an "
        "answer that turns doubtful later cannot be taken back and is flagged. Judged holds every "
        "stream back until its whole answer is accepted.",
        examples=["Early"],
    )
    early_tokens: int = Field(
        default=8,
        ge=1,
        le=1024,
        description="How many tokens must have been seen before a stream may flow. The first "
        "tokens say little: of the example models' answers that began after 4 tokens 7 % fell "
        "below the floor later, after 8 tokens 1.6 %.",
        examples=[8],
    )
    doubt_share: float = Field(
        default=0.25,
        gt=0,
        le=1,
        description="How much of the doubt that the floor allows may be left when a stream begins. "
        "At a floor of 0.85 a share of 0.25 asks for a confidence of 1 - 0.15 x 0.25 = 0.9625.",
        examples=[0.25],
    )

    def to_core(self) -> StreamingPolicy:
        """The section as the router's core reads it."""
        return StreamingPolicy(
            begin=self.begin, early_tokens=self.early_tokens, doubt_share=self.doubt_share
        )
