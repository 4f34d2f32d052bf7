"""The router's policy: what a platform team sets about routing beside the Specialists."""

from __future__ import annotations

from dataclasses import dataclass, field

from tierwise_core.policy_batch import BatchPolicy
from tierwise_core.policy_classifier import ClassifierPolicy
from tierwise_core.policy_contents import ContentsPolicy
from tierwise_core.policy_decision import DecisionPolicy
from tierwise_core.policy_learning import LearningPolicy
from tierwise_core.policy_patterns import PatternsPolicy
from tierwise_core.policy_resilience import ResiliencePolicy
from tierwise_core.policy_streaming import StreamingPolicy

__all__ = ["POLICY_NAME", "RouterPolicy"]

POLICY_NAME = "default"
"""The RouterPolicy that counts when a router is not told another name."""


@dataclass(frozen=True, slots=True)
class RouterPolicy:
    """The sections of a policy; each has defaults that serve, so that none is needed to start."""

    decision: DecisionPolicy = field(default_factory=DecisionPolicy)
    learning: LearningPolicy = field(default_factory=LearningPolicy)
    classifier: ClassifierPolicy = field(default_factory=ClassifierPolicy)
    streaming: StreamingPolicy = field(default_factory=StreamingPolicy)
    resilience: ResiliencePolicy = field(default_factory=ResiliencePolicy)
    batch: BatchPolicy = field(default_factory=BatchPolicy)
    patterns: PatternsPolicy = field(default_factory=PatternsPolicy)
    contents: ContentsPolicy = field(default_factory=ContentsPolicy)
