"""What a Rollout reports: its stage, the shares over time, the evidence and the verdict."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tierwise_api.base import Status
from tierwise_api.common import Conditions, Fraction01, Timestamp

__all__ = [
    "RolloutStatus",
    "RolloutTrigger",
    "RolloutVerdict",
    "RolloutWeights",
    "RolloutWindow",
    "RolloutWindows",
    "TrajectoryPoint",
]

# Known words; a reader of ours accepts those of a newer version too.
Stage = Annotated[
    str,
    Field(json_schema_extra={"enum": ["Pending", "Canary", "Shifting", "Cooldown", "Done"]}),
]
Outcome = Annotated[str, Field(json_schema_extra={"enum": ["Promoted", "RolledBack", "Aborted"]})]


class RolloutWeights(Status):
    """The share of the traffic each side gets, in percent; together 100."""

    blue: int = Field(ge=0, le=100, description="The running revision's share.")
    green: int = Field(ge=0, le=100, description="The candidate's share.")


class RolloutWindow(Status):
    """What one side did since the rollout began."""

    interactions: int = Field(default=0, ge=0, description="Answers that were judged.")
    utility: Fraction01 | None = Field(default=None, description="Its mean utility, 0 to 1.")
    utility_low: float | None = Field(
        default=None, description="The lower end of the utility's confidence interval."
    )
    utility_high: float | None = Field(
        default=None, description="The upper end of the utility's confidence interval."
    )
    contradiction_rate: Fraction01 | None = Field(
        default=None, description="The share of answers that contradicted what was known."
    )
    escalation_rate: Fraction01 | None = Field(
        default=None, description="The share of requests that escalated past it."
    )


class RolloutWindows(Status):
    """The evidence of both sides."""

    blue: RolloutWindow = Field(
        default_factory=RolloutWindow, description="The running revision's evidence."
    )
    green: RolloutWindow = Field(
        default_factory=RolloutWindow, description="The candidate's evidence."
    )


class TrajectoryPoint(Status):
    """One step of the rollout: the shares from a moment on, and why."""

    time: Timestamp = Field(description="When these shares were set.")
    green_percent: int = Field(ge=0, le=100, description="The candidate's share, in percent.")
    reason: str = Field(max_length=1024, description="Why, in words and numbers.")


class RolloutTrigger(Status):
    """What started the rollout."""

    reason: str = Field(
        max_length=1024, description="One CamelCase word.", examples=["ModelChanged"]
    )
    message: str = Field(default="", max_length=4096, description="The same for people.")


class RolloutVerdict(Status):
    """How the rollout ended, with the evidence that decided."""

    outcome: Outcome = Field(description="The end.")
    reason: str = Field(
        max_length=1024, description="One CamelCase word.", examples=["UtilityRegression"]
    )
    message: str = Field(
        default="",
        max_length=4096,
        description="The intervals and sample sizes that decided.",
    )


class RolloutStatus(Status):
    """Where the rollout stands."""

    observed_generation: int | None = Field(
        default=None, ge=0, description="The metadata.generation this status describes."
    )
    conditions: Conditions = Field(default_factory=list)
    stage: Stage | None = Field(
        default=None,
        description="Where it stands, for people: Pending until green is ready, Canary at the "
        "first share, Shifting as evidence comes in, Cooldown with blue still warm, Done.",
    )
    weights: RolloutWeights | None = Field(
        default=None, description="The shares the router applies now, in percent."
    )
    trajectory: list[TrajectoryPoint] = Field(
        default_factory=list,
        max_length=1000,
        description="Every change of the shares, oldest first.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    windows: RolloutWindows | None = Field(default=None, description="What both sides did so far.")
    trigger: RolloutTrigger | None = Field(default=None, description="What started it.")
    verdict: RolloutVerdict | None = Field(default=None, description="How it ended, once it has.")
