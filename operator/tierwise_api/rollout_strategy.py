"""How traffic moves from the running revision to a candidate, and what stops it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tierwise_api.base import Spec
from tierwise_api.common import Duration, Fraction01
from tierwise_api.rollout_examination import HeldOutSet
from tierwise_api.rollout_ramp import GateName, RolloutSignals, RolloutStage
from tierwise_api.rollout_training import TrainingSpec
from tierwise_api.rules import Rule, unique
from tierwise_core.quantities import parse_duration

__all__ = ["RolloutStrategy"]

_ROUNDING = 1e-9
MOST_STAGES = 10


def _rising(stages: list[RolloutStage]) -> bool:
    shares = [stage.percent for stage in stages]
    return shares == sorted(set(shares))


class RolloutStrategy(Spec):
    """How traffic moves from blue, the running revision, to green, the candidate."""

    rules = (
        Rule(
            cel="self.type == 'Stages' || !has(self.stages)",
            holds=lambda self: self.type == "Stages" or self.stages is None,
            message="stages apply to type Stages: remove them, or set the type",
            got="type {self.type}",
            at="stages",
        ),
        Rule(
            cel="!has(self.stages) || (self.stages.map(s, s.percent).isSorted() && "
            "self.stages.all(s, self.stages.exists_one(o, o.percent == s.percent)))",
            holds=lambda self: self.stages is None or _rising(self.stages),
            message="stages must rise in percent, each once; a stage of shadows comes first, and "
            "there is at most one",
            at="stages",
        ),
        Rule(
            cel="self.floorPercent < self.ceilingPercent",
            holds=lambda self: self.floor_percent < self.ceiling_percent,
            message="floorPercent must be below ceilingPercent",
            got="floor {self.floorPercent} and ceiling {self.ceilingPercent}",
            at="floorPercent",
        ),
        Rule(
            cel="self.floorPercent <= self.initialWeightPercent "
            "&& self.initialWeightPercent <= self.ceilingPercent",
            holds=lambda self: (
                self.floor_percent <= self.initial_weight_percent <= self.ceiling_percent
            ),
            message="initialWeightPercent must lie between floorPercent and ceilingPercent",
            got="{self.initialWeightPercent} outside {self.floorPercent} to {self.ceilingPercent}",
            at="initialWeightPercent",
        ),
        Rule(
            cel="!has(self.promotionThreshold) || "
            "self.promotionThreshold * 100.0 <= double(self.ceilingPercent) + 0.000000001",
            holds=lambda self: (
                self.promotion_threshold is None
                or self.promotion_threshold * 100 <= self.ceiling_percent + _ROUNDING
            ),
            message="promotionThreshold must be at most ceilingPercent / 100, or green never "
            "gets there",
            got="threshold {self.promotionThreshold} and ceiling {self.ceilingPercent}",
            at="promotionThreshold",
        ),
    )

    type: Literal["Utility", "Stages", "BlueGreen", "Shadow"] = Field(
        default="Utility",
        description="Utility: green's share follows the evidence, window by window. Stages: fixed "
        "shares one after another, each with its least evidence. BlueGreen: everybody at once, as "
        "soon as green serves and has been examined, with blue warm for the cooldown. Shadow: "
        "nobody is sent to green; it answers beside blue and both are compared until a person "
        "sets promote or abort.",
        examples=["Stages"],
    )
    stages: (
        Annotated[
            list[RolloutStage],
            Field(min_length=1, max_length=MOST_STAGES),
        ]
        | None
    ) = Field(
        default=None,
        description="The stages of type Stages, in their order. By default shadows of 10 %, then "
        "10, 25, 50 and 90 % of the traffic. More than 50 % comes only once green is proven not to "
        "be worse; promotion, to 100 %, follows the last one.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        examples=[[{"shadowPercent": 5}, {"percent": 20, "minInteractions": 200}]],
    )
    shadow_percent: int = Field(
        default=10,
        ge=1,
        le=100,
        description="With type Shadow: the share of requests, in percent, that green answers too.",
        examples=[10],
    )
    initial_weight_percent: int = Field(
        default=5,
        ge=0,
        le=100,
        description="Green's share of the traffic at the start, in percent.",
        examples=[5],
    )
    min_interactions: int | None = Field(
        default=None,
        ge=1,
        description="Interactions green takes before its share may change. By default twice the "
        "field's window.",
        examples=[20],
    )
    window_interactions: int | None = Field(
        default=None,
        ge=1,
        description="Interactions from one evaluation to the next. By default the field's window.",
        examples=[10],
    )
    temperature: float = Field(
        default=0.05,
        gt=0,
        description="The softmax temperature that turns the two utilities into shares: smaller "
        "moves traffic faster for the same difference.",
        examples=[0.05],
    )
    floor_percent: int = Field(
        default=5,
        ge=0,
        le=100,
        description="The least share of either side while both serve, in percent.",
        examples=[5],
    )
    ceiling_percent: int = Field(
        default=95,
        ge=0,
        le=100,
        description="The largest share of either side while both serve, in percent.",
        examples=[95],
    )
    promotion_threshold: Fraction01 | None = Field(
        default=None,
        description="Green's share, 0 to 1, at which it is promoted. By default the field "
        "profile's, which is 0.9 unless set.",
        examples=[0.9],
    )
    cooldown: Duration = Field(
        default="10m",
        description="How long blue stays warm after a promotion, for an instant rollback.",
        examples=["10m"],
    )
    on_inconclusive: Literal["Promote", "Rollback", "Hold"] = Field(
        default="Hold",
        description="What happens at the deadline when the two sides do not differ: Promote green, "
        "which is not worse; Rollback to blue; or Hold both until a person sets promote or abort.",
        examples=["Promote"],
    )
    deadline: Duration | None = Field(
        default=None,
        description="How long to look for a difference, from green's first answers to requests on; "
        "after that an undecided rollout follows onInconclusive. For ever by default.",
        examples=["24h"],
    )

    ready_within: Duration = Field(
        default="30m",
        description="How long green may take until it serves; after that the rollout goes back.",
        examples=["1h"],
    )
    signals: RolloutSignals = Field(
        default_factory=RolloutSignals,
        description="What besides utility holds the ramp, and takes it back if it goes on.",
        examples=[{"qualityFloor": 0.8, "p99": "3s"}],
    )
    skip_gates: Annotated[list[GateName], unique("skipGates must name a gate once")] = Field(
        default_factory=list,
        max_length=7,
        description="Gates that may be missing here. The Rollout says of each that it was skipped.",
        examples=[["RollbackPath"]],
    )
    benchmark: HeldOutSet | None = Field(
        default=None,
        description="Held-out questions that both sides answer before anybody is sent to green. By "
        "default the field profile's.",
    )
    safety: HeldOutSet | None = Field(
        default=None,
        description="Requests that must be declined, asked in the same way; a loss waits for a "
        "person. By default the field profile's.",
    )
    training: TrainingSpec | None = Field(
        default=None,
        description="The Job that trains a new candidate once the Specialist has drifted.",
    )

    @property
    def cooldown_seconds(self) -> float:
        """The cooldown in seconds."""
        return parse_duration(self.cooldown)

    @property
    def deadline_seconds(self) -> float | None:
        """The deadline in seconds, or None for no deadline."""
        return None if self.deadline is None else parse_duration(self.deadline)

    @property
    def ready_within_seconds(self) -> float:
        """How long green may take until it serves, in seconds."""
        return parse_duration(self.ready_within)
