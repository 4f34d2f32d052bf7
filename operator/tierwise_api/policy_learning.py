"""RouterPolicy, section learning: from outcomes to predictions."""

from __future__ import annotations

from pydantic import Field

from tierwise_api.base import Spec
from tierwise_api.common import Duration, Fraction01
from tierwise_core.policy_learning import LearningPolicy
from tierwise_core.quantities import parse_duration

__all__ = ["LearningSpec"]


class LearningSpec(Spec):
    """How outcomes turn into predictions, and how carefully new Specialists start."""

    enabled: bool = Field(
        default=True,
        description="Whether predictions learn from outcomes. Without it each is what the field "
        "and the prior say, and every floor stays where it starts.",
    )
    initial_floor: Fraction01 = Field(
        default=0.85,
        description="The floor of a Specialist without a record. It loosens towards its tier's "
        "floor as the record proves itself; a floor set in the Specialist stays as it is.",
        examples=[0.85],
    )
    refit_interval: Duration = Field(
        default="5s",
        description="The least time between two fits. One is made only when there is something "
        "new, never on the path of a request.",
        examples=["5s"],
    )
    half_life: Duration = Field(
        default="336h",
        description="After this time an outcome counts half, so that what a model does now "
        "outweighs what it did.",
        examples=["336h"],
    )
    keep_outcomes: int = Field(
        default=20_000,
        ge=100,
        le=200_000,
        description="The most outcomes one router keeps in memory and in its snapshot.",
        examples=[20_000],
    )
    verifier_weight: Fraction01 = Field(
        default=0.7,
        description="What a verifier's word on an answer counts; feedback counts 1.",
        examples=[0.7],
    )
    gate_weight: Fraction01 = Field(
        default=0.02,
        description="What an answer counts that nobody and no verifier judged: its own confidence "
        "decides, so keep it small. It never loosens a floor.",
        examples=[0.02],
    )

    def to_core(self) -> LearningPolicy:
        """The section as the router's core reads it."""
        return LearningPolicy(
            enabled=self.enabled,
            initial_floor=self.initial_floor,
            refit_interval_seconds=parse_duration(self.refit_interval),
            half_life_seconds=parse_duration(self.half_life),
            keep_outcomes=self.keep_outcomes,
            verifier_weight=self.verifier_weight,
            gate_weight=self.gate_weight,
        )
