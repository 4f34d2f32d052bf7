"""RouterPolicy, section patterns: several calls for one request."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from tierwise_api.base import Spec
from tierwise_api.common import Fraction01, Name
from tierwise_api.rules import Rule
from tierwise_core import policy_patterns as core

__all__ = ["PatternSpec", "PatternsSpec", "ShadowSpec"]

Model = Annotated[str, Field(min_length=1, max_length=253)]
"""What a request may write as its model: a Specialist's name, namespace/name, or auto."""


class OrchestratorWorkersSpec(Spec):
    """Take a request apart, answer the parts side by side, join the answers."""

    decomposer: Model | None = Field(
        default=None,
        description="The model that takes a request apart. Without one, lists, lines and questions "
        "are split by rule.",
        examples=["demo/frontier"],
    )
    workers: Model = Field(
        default="auto",
        description="The model that answers each part; auto routes every part by itself.",
        examples=["auto"],
    )
    synthesizer: Model | None = Field(
        default=None,
        description="The model that writes one answer from the parts'. Without one they are joined "
        "as they are, each with the number of its source.",
        examples=["demo/frontier"],
    )
    max_parts: int = Field(
        default=8,
        ge=2,
        le=64,
        description="A request of more parts is not split.",
        examples=[8],
    )
    max_parallel: int = Field(
        default=4, ge=1, le=64, description="Parts that are answered at a time.", examples=[4]
    )


class EvaluatorOptimizerSpec(Spec):
    """One model answers, another criticises, until it is content."""

    generator: Model = Field(description="The model that answers.", examples=["demo/writer"])
    evaluator: Model = Field(
        description="The model that judges. It must be able to follow a JSON schema.",
        examples=["demo/frontier"],
    )
    accept_score: Fraction01 = Field(
        default=0.8,
        description="The least score, 0 to 1, that ends the iteration.",
        examples=[0.8],
    )
    max_iterations: int = Field(
        default=3,
        ge=1,
        le=16,
        description="Answers the generator may make; then the best one is used.",
        examples=[3],
    )


class DualRunSpec(Spec):
    """Two models side by side, compared."""

    primary: Model = Field(description="Whose answer the client gets.", examples=["demo/old"])
    candidate: Model = Field(description="Whom it is compared with.", examples=["demo/new"])
    agree_at: Fraction01 = Field(
        default=0.9,
        description="The least similarity, 0 to 1, that counts as the same answer.",
        examples=[0.9],
    )
    on_disagreement: Literal["Primary", "Abstain", "HumanReview"] = Field(
        default="Primary",
        description="What the client gets when the two differ: the primary's answer all the same, "
        "or a refusal, which may ask for a person.",
        examples=["HumanReview"],
    )


class PatternSpec(Spec):
    """A way to answer, which a request names as its model."""

    rules = (
        Rule(
            cel="[has(self.orchestratorWorkers), has(self.evaluatorOptimizer), has(self.dualRun)]"
            ".filter(x, x).size() == 1",
            holds=lambda self: (
                sum(
                    one is not None
                    for one in (self.orchestrator_workers, self.evaluator_optimizer, self.dual_run)
                )
                == 1
            ),
            message="exactly one of orchestratorWorkers, evaluatorOptimizer and dualRun must be "
            "given",
            got="{self.name}",
        ),
        Rule(
            cel="self.name != 'auto'",
            holds=lambda self: self.name != "auto",
            message="name must not be auto, which is every router's own",
        ),
    )

    name: Name = Field(
        description="What requests write as their model. No Specialist may have the same name.",
        examples=["research"],
    )
    orchestrator_workers: OrchestratorWorkersSpec | None = Field(
        default=None, description="Decompose, answer side by side, merge."
    )
    evaluator_optimizer: EvaluatorOptimizerSpec | None = Field(
        default=None, description="Generate, criticise, improve."
    )
    dual_run: DualRunSpec | None = Field(default=None, description="Ask two and compare.")

    def to_core(self) -> core.Pattern:
        """The pattern as the router's core reads it."""
        if (one := self.orchestrator_workers) is not None:
            return core.Pattern(self.name, core.OrchestratorWorkers(**one.model_dump()))
        if (two := self.evaluator_optimizer) is not None:
            return core.Pattern(self.name, core.EvaluatorOptimizer(**two.model_dump()))
        if (run := self.dual_run) is not None:
            return core.Pattern(self.name, core.DualRun(**run.model_dump()))
        raise AssertionError("the rule above lets no such pattern through")


class ShadowSpec(Spec):
    """A share of the traffic that is answered a second time, unseen."""

    name: Name = Field(description="What the comparison is called.", examples=["try-new-sorter"])
    of: Model = Field(
        description="Whose answers are shadowed: a Specialist, or auto for whatever was routed.",
        examples=["demo/sorter"],
    )
    candidate: Model = Field(description="Who answers a second time.", examples=["demo/sorter-v2"])
    percent: float = Field(
        default=10.0, gt=0, le=100, description="The share of the traffic.", examples=[10]
    )
    max_in_flight: int = Field(
        default=8,
        ge=1,
        le=1024,
        description="Shadows that one dispatcher runs at a time; what comes on top is left out.",
        examples=[8],
    )
    agree_at: Fraction01 = Field(
        default=0.9,
        description="The least similarity, 0 to 1, that counts as the same answer.",
        examples=[0.9],
    )


_BY_NAME: dict[str, Any] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}


class PatternsSpec(Spec):
    """Orchestration of several calls for one request, by name."""

    named: list[PatternSpec] = Field(
        default_factory=list,
        max_length=64,
        description="Patterns that a request names as its model.",
        json_schema_extra=_BY_NAME,
    )
    shadows: list[ShadowSpec] = Field(
        default_factory=list,
        max_length=16,
        description="Traffic that is answered a second time and compared. The client never sees a "
        "shadow, and never waits for one.",
        json_schema_extra=_BY_NAME,
    )

    def to_core(self) -> core.PatternsPolicy:
        """The section as the router's core reads it."""
        return core.PatternsPolicy(
            named=tuple(pattern.to_core() for pattern in self.named),
            shadows=tuple(core.Shadow(**shadow.model_dump()) for shadow in self.shadows),
        )
