"""RouterPolicy: what a platform team sets about routing that belongs to no single Specialist."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from tierwise_api.base import Column, Names, Resource, Spec
from tierwise_api.policy_batch import BatchSpec
from tierwise_api.policy_classifier import ClassifierSpec
from tierwise_api.policy_contents import ContentsSpec
from tierwise_api.policy_decision import DecisionSpec
from tierwise_api.policy_learning import LearningSpec
from tierwise_api.policy_patterns import PatternsSpec
from tierwise_api.policy_resilience import ResilienceSpec
from tierwise_api.policy_streaming import StreamingSpec
from tierwise_core import router_policy as core

__all__ = ["RouterPolicy", "RouterPolicySpec"]


class RouterPolicySpec(Spec):
    """The sections of the policy; what is left out keeps its default."""

    decision: DecisionSpec = Field(
        default_factory=DecisionSpec,
        description="How candidates are scored and picked, and what one request may spend.",
    )
    learning: LearningSpec = Field(
        default_factory=LearningSpec,
        description="How outcomes turn into predictions, and how carefully new Specialists start.",
    )
    classifier: ClassifierSpec = Field(
        default_factory=ClassifierSpec,
        description="What helps the built-in field classifier.",
    )
    streaming: StreamingSpec = Field(
        default_factory=StreamingSpec,
        description="When a cascade's stream may begin to flow.",
    )
    resilience: ResilienceSpec = Field(
        default_factory=ResilienceSpec,
        description="Time-outs, retries, hedging, breakers, queues and load shedding.",
    )
    batch: BatchSpec = Field(
        default_factory=BatchSpec,
        description="How batch and background work shares the fleet with people who wait.",
    )
    patterns: PatternsSpec = Field(
        default_factory=PatternsSpec,
        description="Orchestration of several calls for one request, by name.",
    )
    contents: ContentsSpec = Field(
        default_factory=ContentsSpec,
        description="Whose prompts and answers are kept.",
    )

    def to_core(self) -> core.RouterPolicy:
        """The policy as the router's core reads it."""
        return core.RouterPolicy(
            decision=self.decision.to_core(),
            learning=self.learning.to_core(),
            classifier=self.classifier.to_core(),
            streaming=self.streaming.to_core(),
            resilience=self.resilience.to_core(),
            batch=self.batch.to_core(),
            patterns=self.patterns.to_core(),
            contents=self.contents.to_core(),
        )


class RouterPolicy(Resource):
    """What a platform team sets about routing that belongs to no single Specialist.

    A router obeys the one named ``default`` (or the one that ``TIERWISE_POLICY`` names). Without
    one every section has its defaults. A change reaches every dispatcher in under a second.

    Example::

        apiVersion: tierwise.dev/v1alpha1
        kind: RouterPolicy
        metadata: {name: default}
        spec: {}
    """

    names: ClassVar = Names(
        plural="routerpolicies",
        short="rpol",
        namespaced=False,
        columns=(Column(name="Age", path=".metadata.creationTimestamp", type="date"),),
    )

    kind: Literal["RouterPolicy"] = "RouterPolicy"
    spec: RouterPolicySpec = Field(default_factory=RouterPolicySpec)
