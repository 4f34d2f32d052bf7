"""What a Rollout reports: its stage, the shares over time, the evidence and the verdict."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from tierwise_api.base import Status
from tierwise_api.common import Conditions, Fraction01, Timestamp
from tierwise_api.rollout_examination import ExaminationStatus
from tierwise_core.rollout.stages import Stage as CoreStage

__all__ = [
    "RolloutForecast",
    "RolloutGate",
    "RolloutSide",
    "RolloutSides",
    "RolloutSignal",
    "RolloutStatus",
    "RolloutTraining",
    "RolloutTrigger",
    "RolloutUtility",
    "RolloutVerdict",
    "RolloutWeights",
    "RolloutWindow",
    "RolloutWindows",
    "TrajectoryPoint",
]

# Known words; a reader of ours accepts those of a newer version too.
Stage = Annotated[str, Field(json_schema_extra={"enum": [stage.value for stage in CoreStage]})]
Outcome = Annotated[
    str,
    Field(json_schema_extra={"enum": ["Promoted", "RolledBack", "Aborted", "Inconclusive"]}),
]
GateState = Annotated[str, Field(json_schema_extra={"enum": ["Passed", "Missing", "Skipped"]})]
_MEMORY_LIMIT = 65_536


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
    accepted_rate: Fraction01 | None = Field(
        default=None, description="The share of judged answers that were accepted."
    )
    contradiction_rate: Fraction01 | None = Field(
        default=None, description="The share of answers that contradicted what was known."
    )
    escalation_rate: Fraction01 | None = Field(
        default=None, description="The share of requests that escalated past it."
    )
    requests: int = Field(default=0, ge=0, description="Requests that reached it.")
    cost_usd: float = Field(default=0.0, ge=0, description="What its answers cost, in USD.")


class RolloutWindows(Status):
    """The evidence of both sides."""

    blue: RolloutWindow = Field(
        default_factory=RolloutWindow, description="The running revision's evidence."
    )
    green: RolloutWindow = Field(
        default_factory=RolloutWindow, description="The candidate's evidence."
    )


class RolloutSide(Status):
    """One side: its model, and the revisions its pods run."""

    model: dict[str, Any] | None = Field(
        default=None,
        description="Its model, as a Specialist's spec.model.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )
    revisions: list[str] = Field(
        default_factory=list,
        max_length=64,
        description="The revisions of its pods; what the ledger counts by.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


class RolloutSides(Status):
    """Both sides."""

    blue: RolloutSide = Field(default_factory=RolloutSide, description="What served before.")
    green: RolloutSide = Field(default_factory=RolloutSide, description="The candidate.")


class RolloutGate(Status):
    """One of the seven gates before a ramp."""

    name: str = Field(max_length=64, description="Which gate.", examples=["RollbackPath"])
    state: GateState = Field(description="Passed, Missing, or Skipped by name.")
    message: str = Field(default="", max_length=4096, description="Why.")


class RolloutSignal(Status):
    """A reversion signal that fires: it holds the ramp, and takes it back if it goes on."""

    name: str = Field(max_length=64, description="Which signal.", examples=["Escalations"])
    since: Timestamp | None = Field(default=None, description="Since when it fires.")
    message: str = Field(default="", max_length=4096, description="Its numbers, in words.")


class RolloutForecast(Status):
    """How many judged answers of both sides a verdict takes on average, told at the start."""

    equal: int | None = Field(default=None, ge=0, description="If the candidate is equal.")
    better: int | None = Field(default=None, ge=0, description="If it is better by delta.")
    worse: int | None = Field(default=None, ge=0, description="If it is worse by delta.")
    broken: int | None = Field(default=None, ge=0, description="If it is broken.")
    delta: float | None = Field(
        default=None, description="The least change of utility that counts in the field."
    )
    detectable: float | None = Field(
        default=None, description="The smallest difference that the deadline's traffic can show."
    )
    answers_per_hour: float | None = Field(
        default=None, ge=0, description="Judged answers per hour when it was told."
    )
    message: str = Field(default="", max_length=4096, description="The same in words.")


class RolloutUtility(Status):
    """A utility and how much it varies from one answer to the next."""

    base: Fraction01 = Field(description="Its mean, 0 to 1.")
    variance: float = Field(default=0.0, ge=0, description="The variance of one answer's.")
    accepted: Fraction01 | None = Field(
        default=None, description="The share of judged answers that were accepted."
    )
    answers: int | None = Field(
        default=None, ge=0, description="How many judged answers that is drawn from."
    )
    since: Timestamp | None = Field(default=None, description="Since when it serves everybody.")


class RolloutTraining(Status):
    """The Job that makes the candidate, and what it made."""

    job: str = Field(default="", max_length=63, description="Its name.")
    message: str = Field(default="", max_length=4096, description="How far it is, for people.")
    problem: str = Field(
        default="", max_length=4096, description="Why it made nothing; the rollout ends with it."
    )
    model: dict[str, Any] | None = Field(
        default=None,
        description="What it made, as a Specialist's spec.model.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )


class TrajectoryPoint(Status):
    """One step of the rollout: the shares from a moment on, and why."""

    time: Timestamp = Field(description="When these shares were set.")
    stage: Stage | None = Field(default=None, description="The stage it was in from then on.")
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
    time: Timestamp | None = Field(default=None, description="When it was decided.")


class RolloutStatus(Status):
    """Where the rollout stands."""

    observed_generation: int | None = Field(
        default=None, ge=0, description="The metadata.generation this status describes."
    )
    conditions: Conditions = Field(default_factory=list)
    stage: Stage | None = Field(
        default=None,
        description="Where it stands, for people: Pending until green serves, Training, Benchmark "
        "before anybody is sent to green, Canary at the first share, Shifting as evidence comes "
        "in, Promoted with blue still warm, Complete; back by RollingBack to RolledBack or "
        "Aborted; Paused; Inconclusive, which waits for a person.",
    )
    weights: RolloutWeights | None = Field(
        default=None, description="The shares the router applies now, in percent."
    )
    shadow_percent: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="The share of requests, in percent, that green answers beside blue; those "
        "answers are shown to nobody.",
    )
    waits_for: str = Field(
        default="", max_length=4096, description="What the next step waits for, in words."
    )
    applied_percent: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Green's share that all routers said they apply, in percent.",
    )
    sides: RolloutSides | None = Field(default=None, description="What is compared.")
    windows: RolloutWindows | None = Field(default=None, description="What both sides did so far.")
    gates: list[RolloutGate] = Field(
        default_factory=list,
        max_length=16,
        description="What should be known before a ramp, and whether it is.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    signals: list[RolloutSignal] = Field(
        default_factory=list,
        max_length=16,
        description="Reversion signals that fire now.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    benchmark: ExaminationStatus | None = Field(
        default=None, description="How the held-out questions went."
    )
    safety: ExaminationStatus | None = Field(default=None, description="How the safety set went.")
    forecast: RolloutForecast | None = Field(
        default=None, description="How long a verdict will take."
    )
    trajectory: list[TrajectoryPoint] = Field(
        default_factory=list,
        max_length=1000,
        description="Every change of the shares, oldest first.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    trigger: RolloutTrigger | None = Field(default=None, description="What started it.")
    training: RolloutTraining | None = Field(
        default=None, description="How the candidate is made, where spec.candidate.trainedBy is."
    )
    verdict: RolloutVerdict | None = Field(default=None, description="How it ended, once it has.")
    utility: RolloutUtility | None = Field(
        default=None,
        description="What green's utility came to: once it serves everybody, drift is measured "
        "against this.",
    )
    failures_kept: int | None = Field(
        default=None,
        ge=0,
        description="Failures of the candidate's that were kept for training, after a rollback.",
    )
    memory: str | None = Field(
        default=None,
        max_length=_MEMORY_LIMIT,
        description="What the operator remembers of the evidence, as JSON: it goes on from here "
        "after a restart.",
    )
    sums: str | None = Field(
        default=None,
        max_length=_MEMORY_LIMIT,
        description="The ledger's sums of both sides that are counted in the evidence, as JSON.",
    )
