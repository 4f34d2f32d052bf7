"""The stages of a ramp, the gates before it, and the signals that hold it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tierwise_api.base import Spec
from tierwise_api.common import Duration, Fraction01
from tierwise_api.rules import Rule, unique
from tierwise_core.quantities import parse_duration

__all__ = ["GateName", "RolloutSignals", "RolloutStage", "SignalName"]

GateName = Literal[
    "EvalReadiness",
    "QualityFloor",
    "MeasuredCost",
    "Compliance",
    "OperationalReadiness",
    "RollbackPath",
    "RampPlan",
]
SignalName = Literal[
    "QualityFloor",
    "Escalations",
    "CostPerAcceptedAnswer",
    "LatencyObjective",
    "LatencyVariance",
]


class RolloutStage(Spec):
    """One stage of a ramp: a share of the traffic, or of requests that green answers unseen."""

    rules = (
        Rule(
            cel="(self.percent > 0) != (self.shadowPercent > 0)",
            holds=lambda self: (self.percent > 0) != (self.shadow_percent > 0),
            message="percent or shadowPercent must be above 0, and only one of them: a stage "
            "either serves users or only listens",
            got="percent {self.percent} and shadowPercent {self.shadowPercent}",
            at="percent",
        ),
    )

    percent: int = Field(
        default=0,
        ge=0,
        le=99,
        description="Green's share of the traffic, in percent. 100 comes after the last stage, by "
        "promotion.",
        examples=[10],
    )
    shadow_percent: int = Field(
        default=0,
        ge=0,
        le=100,
        description="The share of requests, in percent, that green answers too. Nobody sees these "
        "answers; what they cost is counted.",
        examples=[10],
    )
    min_interactions: int | None = Field(
        default=None,
        ge=1,
        description="Judged answers of green's in this stage before the next begins. By default "
        "ten times the field's window.",
        examples=[100],
    )


class RolloutSignals(Spec):
    """From when something besides utility holds the ramp, and takes it back if it goes on."""

    quality_floor: Fraction01 | None = Field(
        default=None,
        description="The least share of green's judged answers that are accepted, 0 to 1; missed "
        "in two windows in a row it fires. By default it is not watched.",
        examples=[0.8],
    )
    escalation_points: float = Field(
        default=5,
        gt=0,
        le=100,
        description="How many points of a hundred more of green's requests than of blue's may "
        "escalate.",
        examples=[5],
    )
    cost_rise_percent: float = Field(
        default=10,
        ge=0,
        le=1000,
        description="How many percent more than blue's an accepted answer of green's may cost; "
        "missed in two windows in a row it fires.",
        examples=[10],
    )
    p99: Duration | None = Field(
        default=None,
        description="The objective for the slowest of a hundred answers; missed in more than 1 % "
        "of the windows it fires. By default it is not watched.",
        examples=["3s"],
    )
    latency_variance_percent: float = Field(
        default=50,
        ge=0,
        le=1000,
        description="How many percent more than blue's the ratio of p99 to p50 may be.",
        examples=[50],
    )
    ignore: Annotated[list[SignalName], unique("ignore must name a signal once")] = Field(
        default_factory=list,
        max_length=5,
        description="Signals that neither hold nor take back this rollout.",
        examples=[["CostPerAcceptedAnswer"]],
    )

    @property
    def p99_seconds(self) -> float | None:
        """The objective in seconds, or None for none."""
        return None if self.p99 is None else parse_duration(self.p99)
