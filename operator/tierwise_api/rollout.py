"""Rollout: one blue-green deployment of one Specialist, and its strategy."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tierwise_api.base import Column, Names, Resource, Spec
from tierwise_api.common import Duration, Fraction01, Name
from tierwise_api.model import ModelSpec
from tierwise_api.rollout_status import RolloutStatus
from tierwise_api.rules import Rule, immutable
from tierwise_core.quantities import parse_duration

__all__ = ["Candidate", "Rollout", "RolloutSpec", "RolloutStrategy", "SpecialistRef"]

_ROUNDING = 1e-9


class RolloutStrategy(Spec):
    """How traffic moves from blue, the running revision, to green, the candidate."""

    rules = (
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
        description="The time after which an undecided rollout follows onInconclusive. Never by "
        "default.",
        examples=["24h"],
    )

    @property
    def cooldown_seconds(self) -> float:
        """The cooldown in seconds."""
        return parse_duration(self.cooldown)

    @property
    def deadline_seconds(self) -> float | None:
        """The deadline in seconds, or None for no deadline."""
        return None if self.deadline is None else parse_duration(self.deadline)


class SpecialistRef(Spec):
    """A Specialist of the same namespace."""

    name: Name = Field(description="Its name.", examples=["sorter"])


class Candidate(Spec):
    """The revision that is tried out."""

    model: ModelSpec = Field(description="The model that would replace the Specialist's.")


class RolloutSpec(Spec):
    """Which Specialist gets which candidate, and how."""

    rules = (
        Rule(
            cel="!(self.abort && self.promote)",
            holds=lambda self: not (self.abort and self.promote),
            message="abort and promote must not both be true: abort goes back to blue, promote "
            "makes green final",
            at="promote",
        ),
    )

    specialist_ref: Annotated[
        SpecialistRef,
        immutable("specialistRef cannot change: create another Rollout for another Specialist"),
    ] = Field(description="The Specialist that is updated.", examples=[{"name": "sorter"}])
    candidate: Annotated[
        Candidate,
        immutable("candidate cannot change: create another Rollout for another candidate"),
    ] = Field(
        description="What is tried out.",
        examples=[{"model": {"source": "hf://acme/sorter", "revision": "v2"}}],
    )
    strategy: RolloutStrategy = Field(
        default_factory=RolloutStrategy,
        description="How traffic moves to the candidate.",
        examples=[{"initialWeightPercent": 5, "cooldown": "30m"}],
    )
    paused: bool = Field(
        default=False, description="Keep the present shares; nothing is promoted or rolled back."
    )
    abort: bool = Field(
        default=False, description="Go back to blue at once and reject the candidate."
    )
    promote: bool = Field(
        default=False, description="Make green final at once, whatever the evidence says."
    )


class Rollout(Resource):
    """One blue-green deployment of one Specialist, decided by the utility of its answers.

    Green starts with a small share of the traffic. Its share follows the evidence until it is
    promoted, or rolled back because it is worse.

    Example::

        apiVersion: tierwise.dev/v1alpha1
        kind: Rollout
        metadata: {name: sorter-v2}
        spec:
          specialistRef: {name: sorter}
          candidate: {model: {source: "hf://acme/sorter", revision: v2}}
          strategy: {onInconclusive: Promote, deadline: 24h}
    """

    names: ClassVar = Names(
        plural="rollouts",
        short="sro",
        namespaced=True,
        columns=(
            Column(name="Specialist", path=".spec.specialistRef.name"),
            Column(name="Stage", path=".status.stage"),
            Column(
                name="Green",
                path=".status.weights.green",
                type="integer",
                description="The candidate's share of the traffic, in percent.",
            ),
            Column(name="Verdict", path=".status.verdict.outcome"),
            Column(name="Ready", path='.status.conditions[?(@.type=="Ready")].status'),
            Column(name="Reason", path='.status.conditions[?(@.type=="Ready")].reason', priority=1),
            Column(name="Age", path=".metadata.creationTimestamp", type="date"),
        ),
    )

    kind: Literal["Rollout"] = "Rollout"
    spec: RolloutSpec
    status: RolloutStatus = Field(default_factory=RolloutStatus)
