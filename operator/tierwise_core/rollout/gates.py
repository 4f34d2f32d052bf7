"""The seven gates before a ramp: what should be known before anybody is served by a new revision.

Missing one does not forbid the rollout; it makes it riskier. So each is told on the Rollout, and is
skipped only by name, which is told as well.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from tierwise_core.rollout.examination import NOT_EXAMINED, Examination

__all__ = ["Gate", "GateFacts", "GateReport", "gates", "missing"]


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
    estimate. ``compliance_missing`` are standards that the candidate's tier or provider lacks.
    ``ledger`` and ``metrics`` say whether outcomes are recorded and alerts could fire.
    ``blue_stays`` says that blue's replicas keep their room until the cooldown's end.
    """

    benchmark_questions: int | None = None
    benchmark: Examination = NOT_EXAMINED
    cost_measured: bool = False
    compliance_missing: tuple[str, ...] = ()
    ledger: bool = False
    metrics: bool = False
    blue_stays: bool = False
    deadline: bool = False


@dataclass(frozen=True, slots=True)
class GateReport:
    """How one gate stands, and why."""

    gate: Gate
    state: Literal["Passed", "Missing", "Skipped"]
    why: str


def gates(facts: GateFacts, skipped: Collection[str] = ()) -> tuple[GateReport, ...]:
    """Report all seven, in the order in which they are best prepared.

    >>> [report.gate.value for report in gates(GateFacts()) if report.state == "Missing"][:2]
    ['EvalReadiness', 'QualityFloor']
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
            not facts.compliance_missing,
            "every standard that is asked for is there",
            f"the candidate lacks {', '.join(facts.compliance_missing)}",
        ),
        Gate.OPERATIONS: _operations(facts),
        Gate.ROLLBACK_PATH: (
            facts.blue_stays,
            "blue keeps its replicas until the cooldown ends",
            "blue has to give up replicas for green: going back will take a model load",
        ),
        Gate.RAMP_PLAN: (
            facts.deadline,
            "shares follow the evidence, and a deadline ends the search",
            "strategy.deadline is not set: an undecided ramp would never end",
        ),
    }
    return tuple(_report(gate, *found, skipped=gate in skipped) for gate, found in told.items())


def missing(reports: tuple[GateReport, ...]) -> tuple[GateReport, ...]:
    """Return the gates that are neither passed nor skipped."""
    return tuple(report for report in reports if report.state == "Missing")


def _report(gate: Gate, passed: bool, good: str, bad: str, *, skipped: bool) -> GateReport:  # noqa: FBT001
    if passed:
        return GateReport(gate, "Passed", good)
    return GateReport(gate, "Skipped" if skipped else "Missing", bad)


_Found = tuple[bool, str, str]


def _eval_readiness(facts: GateFacts) -> _Found:
    count = facts.benchmark_questions
    return bool(count), f"{count} held-out questions", "there are no held-out questions"


def _quality(facts: GateFacts) -> _Found:
    done = facts.benchmark.state == "Done"
    passed = done and not facts.benchmark.loses
    return passed, facts.benchmark.why, facts.benchmark.why or "the benchmark has not been run"


def _operations(facts: GateFacts) -> _Found:
    lacking = [
        name for name, there in (("ledger", facts.ledger), ("metrics", facts.metrics)) if not there
    ]
    return (
        not lacking,
        "outcomes and metrics are recorded",
        f"there is no {' and no '.join(lacking)}",
    )
