"""What is known before a ramp, and what was skipped by name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tierwise_core.rollout.examination import Examination
from tierwise_core.rollout.gates import Gate, GateFacts, gates, holding, missing
from tierwise_core.rollout.ramp import Strategy

PREPARED = GateFacts(
    benchmark_questions=50,
    benchmark=Examination("Done", why="green 44 of 50 right, blue 44"),
    cost_measured=True,
    no_ledger="",
    blue_stays=True,
    deadline=True,
)


def why(facts: GateFacts, gate: Gate) -> str:
    (found,) = (report for report in gates(facts) if report.gate is gate)
    return f"{found.state}: {found.why}"


def test_all_seven_are_told_and_a_prepared_ramp_passes_them() -> None:
    assert [report.gate for report in gates(PREPARED)] == list(Gate)
    assert missing(gates(PREPARED)) == ()


def test_each_says_what_is_missing() -> None:
    nothing = GateFacts(clearance_missing=("it lists no HIPAA",))

    assert [report.gate for report in missing(gates(nothing))] == list(Gate)
    assert why(nothing, Gate.COMPLIANCE) == "Missing: it lists no HIPAA"
    assert why(nothing, Gate.OPERATIONS) == "Missing: there is no ledger"


def test_a_lost_benchmark_does_not_pass() -> None:
    lost = replace(PREPARED, benchmark=Examination("Done", loses=True, why="30 of 50 against 44"))

    assert why(lost, Gate.QUALITY_FLOOR) == "Missing: 30 of 50 against 44"


@pytest.mark.parametrize(
    ("benchmark", "told"),
    [
        (Examination("Missing"), "the benchmark has not been run"),
        (Examination("Running"), "the benchmark has not been run"),
        (Examination("Unreadable", why="line 3: no answer"), "line 3: no answer"),
    ],
)
def test_a_benchmark_that_did_not_end_does_not_pass(benchmark: Examination, told: str) -> None:
    facts = replace(PREPARED, benchmark=benchmark)

    assert why(facts, Gate.QUALITY_FLOOR) == f"Missing: {told}"


def test_what_passes_is_told_in_words_and_only_where_it_was_asked_for() -> None:
    asked = replace(PREPARED, clearance_asked=True)

    assert why(PREPARED, Gate.EVAL_READINESS) == "Passed: 50 held-out questions"
    assert why(replace(PREPARED, benchmark_questions=0), Gate.EVAL_READINESS).startswith("Missing")
    assert why(PREPARED, Gate.COMPLIANCE).startswith("Passed: the field asks for nothing")
    assert why(asked, Gate.COMPLIANCE) == "Passed: what the field asks for is there"


@pytest.mark.parametrize(
    ("strategy", "state", "told"),
    [
        ("Utility", "Missing", "strategy.deadline is not set"),
        ("Stages", "Passed", "shares grow by stages"),
        ("BlueGreen", "Passed", "everybody at once"),
        ("Shadow", "Passed", "nobody is sent to green"),
    ],
)
def test_a_ramp_that_could_go_on_for_ever_has_no_plan(
    strategy: Strategy, state: str, told: str
) -> None:
    plan = gates(replace(PREPARED, deadline=False), strategy=strategy)[-1]

    assert (plan.gate, plan.state) == (Gate.RAMP_PLAN, state)
    assert plan.why.startswith(told)


def test_a_passed_gate_that_is_skipped_is_passed_and_holds_nothing() -> None:
    reports = gates(PREPARED, skipped=list(Gate), strategy="BlueGreen")

    assert {report.state for report in reports} == {"Passed"}
    assert not holding(reports)


def test_a_gate_is_skipped_by_name_and_that_is_told() -> None:
    reports = gates(replace(PREPARED, deadline=False), skipped=[Gate.RAMP_PLAN])

    assert missing(reports) == ()
    assert reports[-1].state == "Skipped"


def test_only_what_judging_or_going_back_needs_holds_the_ramp() -> None:
    bare = GateFacts(clearance_missing=("it lists no HIPAA",))

    held = {report.gate for report in holding(gates(bare))}

    assert held == {Gate.COMPLIANCE, Gate.OPERATIONS, Gate.ROLLBACK_PATH}
    assert not holding(gates(bare, skipped=held))


def test_whoever_is_switched_at_once_is_examined_first() -> None:
    unexamined = replace(PREPARED, benchmark_questions=None, benchmark=Examination())

    assert not holding(gates(unexamined))
    held = {report.gate for report in holding(gates(unexamined, strategy="BlueGreen"))}
    assert held == {Gate.EVAL_READINESS, Gate.QUALITY_FLOOR}
