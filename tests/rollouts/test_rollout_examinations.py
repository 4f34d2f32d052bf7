"""What a rollout makes of its examinations and gates before anybody is sent to green."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_story import CODE, READY, Story

from tierwise_core.rollout.gates import Gate, GateFacts
from tierwise_core.rollout.ramp import Step, Strategy
from tierwise_core.rollout.situation import Action, Examination, Seen
from tierwise_core.rollout.stages import Stage

RUNNING = Examination("Running")
PASSED = Examination("Done", why="44 of 50 against 44 of 50")
LOST = Examination("Done", loses=True, why="30 of 50 against 44 of 50")
UNREADABLE = Examination("Unreadable", why="line 3: no answer")
UNEXAMINED = replace(CODE, skipped=(Gate.QUALITY_FLOOR,))
PREPARED = GateFacts(50, cost_measured=True, no_ledger="", blue_stays=True)


def examined(benchmark: Examination, safety: Examination, story: Story | None = None) -> Story:
    """Look twice: green serves, and it was examined with this result."""
    story = story or Story()
    for _ in range(2):
        story.look(replace(READY, benchmark=benchmark, safety=safety))
    return story


def test_a_safety_set_alone_is_asked_before_the_canary() -> None:
    story = examined(Examination(), RUNNING)

    assert story.stage is Stage.BENCHMARK
    assert story.plan.actions == (Action.RUN_BENCHMARK,)
    assert story.plan.waits_for == "the safety set"
    assert examined(Examination(), PASSED).stage is Stage.CANARY


def test_both_sets_are_waited_for() -> None:
    assert examined(RUNNING, PASSED).plan.waits_for == "the benchmark"
    assert examined(PASSED, RUNNING).plan.waits_for == "the safety set"
    assert examined(PASSED, PASSED).standing.why == PASSED.why
    assert examined(Examination(), PASSED).standing.why == "nothing was lost"


def test_where_the_benchmark_s_gate_is_skipped_only_the_safety_set_is_waited_for() -> None:
    for benchmark in (RUNNING, UNREADABLE, LOST):
        assert examined(benchmark, PASSED, Story(UNEXAMINED)).stage is Stage.CANARY
        assert examined(benchmark, RUNNING, Story(UNEXAMINED)).stage is Stage.BENCHMARK
    held = examined(PASSED, LOST, Story(UNEXAMINED))
    assert held.plan.waits_for == f"promote or abort: {LOST.why}"


def test_a_safety_set_that_cannot_be_read_is_named() -> None:
    story = examined(PASSED, UNREADABLE)

    assert story.plan.waits_for == "a safety set that can be read: line 3: no answer"


def test_a_training_is_waited_for_even_where_there_is_no_room() -> None:
    story = Story()

    story.look(Seen(training="Job sorter-train-1", no_room="a4000 is full"))

    assert (story.stage, story.plan.waits_for) == (Stage.TRAINING, "")
    assert story.standing.why == "the candidate is made: Job sorter-train-1"
    assert story.look(Seen(training="epoch 2 of 3")).waits_for == "epoch 2 of 3"


@pytest.mark.parametrize("gate", [Gate.COMPLIANCE, Gate.OPERATIONS, Gate.ROLLBACK_PATH])
def test_a_gate_that_holds_is_waited_for_by_name_and_no_other(gate: Gate) -> None:
    lacking = {
        Gate.COMPLIANCE: replace(PREPARED, clearance_missing=("it lists no HIPAA",)),
        Gate.OPERATIONS: replace(PREPARED, no_ledger="it is silent"),
        Gate.ROLLBACK_PATH: replace(PREPARED, blue_stays=False),
    }[gate]
    story = Story()

    plan = story.look(replace(READY, facts=lacking))

    assert story.stage is Stage.PENDING
    assert plan.waits_for.startswith(f"its gates, or skipGates to name them: {gate.value}: ")
    assert ";" not in plan.waits_for


def test_a_deadline_passes_the_gate_that_asks_for_one() -> None:
    story = Story(replace(CODE, deadline_s=600.0))

    story.look(replace(READY, facts=replace(PREPARED, benchmark=PASSED)))

    assert [one.state for one in story.plan.gates if one.gate is Gate.RAMP_PLAN] == ["Passed"]
    assert story.standing.why.endswith("; without: QualityFloor")


@pytest.mark.parametrize(
    ("strategy", "stage", "shares"),
    [
        ("Utility", Stage.CANARY, (5, 0)),
        ("Stages", Stage.CANARY, (20, 0)),
        ("BlueGreen", Stage.PROMOTED, (100, 0)),
        ("Shadow", Stage.SHADOW, (0, 15)),
    ],
)
def test_it_begins_as_its_strategy_says(
    strategy: Strategy, stage: Stage, shares: tuple[int, int]
) -> None:
    story = Story(replace(CODE, strategy=strategy, ramp=(Step(20), Step(50)), shadow_percent=15))

    story.look(replace(READY, facts=replace(PREPARED, benchmark_questions=None)))
    if strategy == "BlueGreen":  # everybody at once: not before it was examined
        assert story.stage is Stage.PENDING
        assert "QualityFloor: the benchmark has not been run" in story.plan.waits_for
        story = examined(PASSED, Examination(), story)

    standing = story.standing
    assert (story.stage, (standing.percent, standing.shadow_percent)) == (stage, shares)
