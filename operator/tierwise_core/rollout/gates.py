"""The seven gates before a ramp: what should be known before anybody is served by a new revision.

Each is told on the Rollout. Missing most of them does not forbid the rollout, it makes it riskier.
Those that hold it are the ones without which it could not be judged, could not be undone at once,
or would break a promise: and where everybody is switched at once, those that examine first. A gate
is skipped only by name, which is told as well.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from tierwise_core.rollout.examination import NOT_EXAMINED, Examination
from tierwise_core.rollout.ramp import Strategy

__all__ = ["Gate", "GateFacts", "GateReport", "gates", "holding", "missing"]


class Gate(StrEnum):
    """What is asked before a ramp."""

    EVAL_READINESS = "EvalReadiness"
    QUALITY_FLOOR = "QualityFloor"
    MEASURED_COST = "MeasuredCost"
    COMPLIANCE = "Compliance"
    OPERATIONS = "OperationalReadiness"
    ROLLBACK_PATH = "RollbackPath"
    RAMP_PLAN = "RampPlan"


@dataclass(frozen=True, slots=True)
class GateFacts:
    """What is known of a rollout before its ramp.

    ``benchmark_questions`` is the size of the held-out set, None where there is none.
    ``cost_measured`` says that blue's cost per accepted answer comes from traffic and not from an
    estimate. ``clearance_asked`` says that the field asks for standards, regions or sources, and
    ``clearance_missing`` what of them is not there, in words.
    ``no_ledger`` says why the ledger is not counted on; it is empty where outcomes are recorded.
    ``blue_stays`` says that blue can take everything back at once, until the cooldown's end.
    """

    benchmark_questions: int | None = None
    benchmark: Examination = NOT_EXAMINED
    cost_measured: bool = False
    clearance_asked: bool = False
    clearance_missing: tuple[str, ...] = ()
    no_ledger: str = "there is no ledger"
    blue_stays: bool = False
    deadline: bool = False


_Found = tuple[bool, str, str]
"""Whether a gate is passed, and what is said of it if it is, and if it is not."""


@dataclass(frozen=True, slots=True)
class GateReport:
    """How one gate stands, and why; ``holds`` says that nobody reaches green meanwhile."""

    gate: Gate
    state: Literal["Passed", "Missing", "Skipped"]
    why: str
    holds: bool = False


def gates(
    facts: GateFacts, skipped: Collection[Gate] = (), strategy: Strategy = "Utility"
) -> tuple[GateReport, ...]:
    """Report all seven, in the order in which they are best prepared.

    >>> [report.gate.value for report in gates(GateFacts()) if report.holds]
    ['OperationalReadiness', 'RollbackPath']
    """
    told = {
        Gate.EVAL_READINESS: _eval_readiness(facts),
        Gate.QUALITY_FLOOR: _quality(facts),
        Gate.MEASURED_COST: (
            facts.cost_measured,
            "blue's cost per accepted answer is measured",
            "no accepted answer of blue's has a measured cost yet",
        ),
        Gate.COMPLIANCE: (
            not facts.clearance_missing,
            "what the field asks for is there"
            if facts.clearance_asked
            else "the field asks for nothing (FieldProfile: spec.compliance)",
            "; ".join(facts.clearance_missing),
        ),
        Gate.OPERATIONS: (not facts.no_ledger, "outcomes are recorded", facts.no_ledger),
        Gate.ROLLBACK_PATH: (
            facts.blue_stays,
            "blue can take everything back at once, until the cooldown ends",
            "blue could not take everything back at once: none of its pods is ready",
        ),
        Gate.RAMP_PLAN: _ramp_plan(facts, strategy),
    }
    held = _held_by(strategy)
    return tuple(
        _report(gate, told[gate], skipped=gate in skipped, held=gate in held) for gate in Gate
    )


def missing(reports: tuple[GateReport, ...]) -> tuple[GateReport, ...]:
    """Return the gates that are neither passed nor skipped."""
    return tuple(report for report in reports if report.state == "Missing")


def holding(reports: tuple[GateReport, ...]) -> tuple[GateReport, ...]:
    """Return the gates that keep everybody from green."""
    return tuple(report for report in reports if report.holds)


def _held_by(strategy: Strategy) -> frozenset[Gate]:
    """Return the gates that hold the ramp when they are missing."""
    always = frozenset({Gate.COMPLIANCE, Gate.OPERATIONS, Gate.ROLLBACK_PATH})
    # Whoever is switched at once has no canary to find out what a benchmark would have told.
    return always | {Gate.EVAL_READINESS, Gate.QUALITY_FLOOR} if strategy == "BlueGreen" else always


def _report(gate: Gate, found: _Found, *, skipped: bool, held: bool) -> GateReport:
    passed, good, bad = found
    if passed:
        return GateReport(gate, "Passed", good)
    return GateReport(gate, "Skipped" if skipped else "Missing", bad, held and not skipped)


def _eval_readiness(facts: GateFacts) -> _Found:
    count = facts.benchmark_questions
    return bool(count), f"{count} held-out questions", "there are no held-out questions"


def _quality(facts: GateFacts) -> _Found:
    done = facts.benchmark.state == "Done"
    passed = done and not facts.benchmark.loses
    return passed, facts.benchmark.why, facts.benchmark.why or "the benchmark has not been run"


def _ramp_plan(facts: GateFacts, strategy: Strategy) -> _Found:
    plans = {
        "Stages": "shares grow by stages, each with its least evidence",
        "BlueGreen": "everybody at once, after the examination; blue stays warm for the cooldown",
        "Shadow": "nobody is sent to green",
    }
    return (
        facts.deadline or strategy in plans,
        plans.get(strategy, "shares follow the evidence, and a deadline ends the search"),
        "strategy.deadline is not set: an undecided ramp would never end",
    )
