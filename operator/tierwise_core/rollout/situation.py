"""What a decision about a rollout rests on: what is wanted, what was decided, what is seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from tierwise_core.rollout.alarms import SILENT, Alarms, SignalReport
from tierwise_core.rollout.clearance import Clearance
from tierwise_core.rollout.cooldown import Watch
from tierwise_core.rollout.evidence import Baseline, Evidence, Yardstick
from tierwise_core.rollout.examination import NOT_EXAMINED, Examination
from tierwise_core.rollout.gates import Gate, GateFacts, GateReport
from tierwise_core.rollout.judgement import Certainty, Shares
from tierwise_core.rollout.ramp import RAMP, Step, Strategy
from tierwise_core.rollout.samples import WindowSample
from tierwise_core.rollout.signals import Thresholds
from tierwise_core.rollout.stages import Stage

__all__ = [
    "NOT_EXAMINED",
    "Action",
    "Examination",
    "Plan",
    "Seen",
    "Standing",
    "Transition",
    "Wish",
    "first_standing",
]

OnInconclusive = Literal["Promote", "Rollback", "Hold"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the Rollout asks for; seconds, percentages and shares as their names say.

    ``ramp`` are the stages of strategy Stages, ``shadow_percent`` the share of requests that
    strategy Shadow sends to green unseen, and ``skipped`` the gates that do not count here.
    ``clearance`` is what the field asks of every candidate.
    """

    shares: Shares = field(default_factory=Shares)
    yardstick: Yardstick = field(default_factory=Yardstick)
    certainty: Certainty = field(default_factory=Certainty)
    cooldown_s: float = 600.0
    deadline_s: float | None = None
    ready_within_s: float = 1800.0
    on_inconclusive: OnInconclusive = "Hold"
    paused: bool = False
    abort: bool = False
    promote: bool = False
    strategy: Strategy = "Utility"
    ramp: tuple[Step, ...] = RAMP
    shadow_percent: int = 10
    skipped: tuple[Gate, ...] = ()
    clearance: Clearance = field(default_factory=Clearance)
    thresholds: Thresholds = field(default_factory=Thresholds)

    @property
    def first_percent(self) -> int:
        """The share of the requests that green answers at first, for users or unseen.

        >>> Wish().first_percent, Wish(strategy="Stages").first_percent
        (5, 10)
        """
        match self.strategy:
            case "Utility":
                return self.shares.initial_percent
            case "Stages":
                return max(self.ramp[0].percent, self.ramp[0].shadow_percent)
            case "Shadow":
                return self.shadow_percent
            case "BlueGreen":
                return 100


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen now.

    Attributes:
        green_ready: whether green really serves.
        green_fault: why it does not and will not by itself, such as an image that cannot be pulled.
        refused: why the candidate cannot be tried at all, such as being what runs already.
        no_room: why there is no room for both, with the cheapest way out.
        benchmark: the held-out benchmark of green beside blue.
        safety: the same with the profile's safety set.
        training: how far the training is whose candidate is awaited; empty where none is.
        untrained: why a training made no candidate.
        superseded: the newer revision that replaced this candidate.
        windows: both sides' windows since the last decision; None while the ledger is silent.
        routed_percent: green's share that all routers have taken up; None where nobody says.
        failures_kept: whether green's failures have been kept for the next training.
        facts: what the gates ask about, but for the benchmark and the deadline; None where nobody
            has looked, and no gate is asked.
    """

    green_ready: bool = False
    green_fault: str = ""
    refused: str = ""
    no_room: str = ""
    benchmark: Examination = NOT_EXAMINED
    safety: Examination = NOT_EXAMINED
    training: str = ""
    untrained: str = ""
    superseded: str = ""
    windows: tuple[WindowSample, ...] | None = ()
    routed_percent: int | None = None
    failures_kept: bool = True
    facts: GateFacts | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the rollout stands: what was decided, and on what.

    ``percent`` is green's share, and ``shadow_percent`` that of the requests it answers unseen.
    ``began`` is when the rollout began, and later when both sides first answered, ``since`` when
    its stage did, and ``at`` the last decision, all in seconds since the epoch. ``before`` is the
    stage that a pause interrupted. ``ends`` is the final stage that a rollback leads to, and
    ``reason`` and ``why`` what it was for. ``watch`` is what the cooldown has seen of green alone,
    and ``unready_since`` since when green should serve and does not. ``step`` counts the stages of
    the wish's ramp from 0, ``step_from`` is how many answers of green's had been judged when it
    began, and ``returns`` how often a signal has sent the ramp one stage back. ``alarms`` are the
    signals.
    """

    stage: Stage = Stage.PENDING
    percent: int = 0
    began: float = 0.0
    since: float = 0.0
    at: float = 0.0
    before: Stage | None = None
    ends: Stage | None = None
    reason: str = ""
    why: str = ""
    evidence: Evidence = field(default_factory=Evidence)
    watch: Watch = field(default_factory=Watch)
    unready_since: float | None = None
    shadow_percent: int = 0
    step: int = 0
    step_from: int = 0
    returns: int = 0
    alarms: Alarms = SILENT

    @property
    def blue_percent(self) -> int:
        """Blue's share; both together are 100."""
        return 100 - self.percent


class Action(StrEnum):
    """What the operator does besides setting shares."""

    START_GREEN = "StartGreen"
    RUN_BENCHMARK = "RunBenchmark"
    KEEP_FAILURES = "KeepFailures"
    RETIRE_GREEN = "RetireGreen"
    RETIRE_BLUE = "RetireBlue"
    REBASE = "Rebase"


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of stage: the rule that fired, and its numbers in words."""

    before: Stage
    after: Stage
    reason: str
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided: where the rollout stands now, what to do, and what is waited for.

    ``gates`` are all seven where they were asked, ``signals`` those that hold the ramp.
    """

    standing: Standing
    actions: tuple[Action, ...] = ()
    transitions: tuple[Transition, ...] = ()
    waits_for: str = ""
    gates: tuple[GateReport, ...] = ()
    signals: tuple[SignalReport, ...] = ()


def first_standing(now: float, baseline: Baseline | None = None) -> Standing:
    """Return where a new rollout stands; ``baseline`` is what is known of blue."""
    evidence = Evidence(baseline=baseline or Baseline(), until=now)
    return Standing(began=now, since=now, at=now, evidence=evidence)
