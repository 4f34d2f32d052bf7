"""The learner of a pod: follows the journal, fits when there is reason to, survives restarts."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from journals import NOON, decision, feedback, write_rows

from tierwise_core.confidence import Record
from tierwise_core.policy_learning import LearningPolicy
from tierwise_router.journal_files import Marks
from tierwise_router.learning.learner import Learner
from tierwise_router.learning.outcomes import OutcomeBook
from tierwise_router.learning.snapshot import SNAPSHOT_NAME, load_snapshot, save_snapshot

POLICY = LearningPolicy(refit_interval_seconds=5.0, gate_weight=0.0)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def learner(tmp_path: Path, clock: Clock) -> Learner:
    return Learner(tmp_path, clock)


def record(learner: Learner, policy: LearningPolicy = POLICY) -> Record | None:
    model = learner.poll(policy)
    return None if model is None else model.record("demo/sorter", "r1")


def test_new_outcomes_make_a_new_model_at_the_earliest_after_an_interval(
    learner: Learner, clock: Clock, tmp_path: Path
) -> None:
    write_rows(tmp_path, [decision(1), feedback(1, accepted=True)])
    assert record(learner) == Record(1.0, 0.0)

    write_rows(tmp_path, [decision(2), feedback(2, accepted=False)])
    clock.now += 1.0
    assert record(learner) is None
    clock.now += 5.0
    second = record(learner)
    assert second is not None
    assert second.rejected == pytest.approx(1.0, abs=1e-4)


def test_without_news_nothing_is_fitted(learner: Learner, clock: Clock, tmp_path: Path) -> None:
    write_rows(tmp_path, [decision(1), feedback(1, accepted=True)])
    learner.poll(POLICY)

    clock.now += 60.0
    assert learner.poll(POLICY) is None

    clock.now += 7200.0
    assert learner.poll(POLICY) is not None


def test_a_policy_that_forbids_it_takes_back_what_was_learned(
    learner: Learner, tmp_path: Path
) -> None:
    write_rows(tmp_path, [decision(1), feedback(1, accepted=True)])
    learner.poll(POLICY)

    off = LearningPolicy(enabled=False, initial_floor=0.9)
    model = learner.poll(off)

    assert model is not None
    assert not model.known
    assert model.initial_floor == 0.9
    assert learner.poll(off) is None


def test_a_changed_policy_is_obeyed_at_once(learner: Learner, tmp_path: Path) -> None:
    write_rows(tmp_path, [decision(1, verified=True)])
    assert record(learner) == Record(0.7, 0.0)

    changed = LearningPolicy(verifier_weight=0.1, refit_interval_seconds=60.0)

    assert record(learner, changed) == Record(0.1, 0.0)


def test_a_restarted_learner_goes_on_where_it_was(
    learner: Learner, clock: Clock, tmp_path: Path
) -> None:
    first = write_rows(tmp_path, [decision(1), feedback(1, accepted=True)])
    learner.poll(POLICY)
    first.unlink()  # the journal was rotated
    write_rows(tmp_path, [decision(2), feedback(2, accepted=False)], segment=2)

    assert record(Learner(tmp_path, clock)) == Record(1.0, 1.0)


def test_feedback_after_a_restart_finds_its_decision(
    learner: Learner, clock: Clock, tmp_path: Path
) -> None:
    write_rows(tmp_path, [decision(1, confidence=None, verdict="relayed")])
    learner.poll(POLICY)
    write_rows(tmp_path, [feedback(1, accepted=False)])

    assert record(Learner(tmp_path, clock)) == Record(0.0, 1.0)


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b'{"format": 9}', b'{"format": 1, "marks": 3}'])
def test_a_snapshot_that_is_not_usable_counts_for_none(
    left: bytes, clock: Clock, tmp_path: Path
) -> None:
    (tmp_path / SNAPSHOT_NAME).write_bytes(left)
    write_rows(tmp_path, [decision(1), feedback(1, accepted=True)])

    assert record(Learner(tmp_path, clock)) == Record(1.0, 0.0)


def test_a_folder_that_cannot_be_written_stops_no_learning(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")

    assert not save_snapshot(blocked, OutcomeBook(10), Marks())
    assert load_snapshot(blocked, OutcomeBook(10)) == Marks()


async def test_learning_runs_beside_an_event_loop(learner: Learner, tmp_path: Path) -> None:
    write_rows(tmp_path, [decision(1), feedback(1, accepted=True)])

    model = await asyncio.to_thread(learner.poll, POLICY)

    assert model is not None


def test_feedback_on_one_of_thousands_finds_its_decision(
    learner: Learner, clock: Clock, tmp_path: Path
) -> None:
    """Of the decisions that nobody judged only a sample is read; the rest is looked up."""
    write_rows(tmp_path, [decision(number) for number in range(8000)])
    learner.poll(POLICY)
    write_rows(tmp_path, [feedback(number, accepted=True) for number in range(0, 8000, 80)])
    clock.now += 60.0

    found = record(learner)

    assert found is not None
    assert found.accepted == pytest.approx(100.0, rel=1e-3)


def test_feedback_on_a_decision_that_is_written_later_waits_for_it(
    learner: Learner, clock: Clock, tmp_path: Path
) -> None:
    write_rows(tmp_path, [feedback(1, accepted=False)], segment=1)
    learner.poll(POLICY)
    write_rows(tmp_path, [decision(1)], segment=2)
    clock.now += 60.0

    found = record(learner)

    assert found is not None
    assert found.rejected == pytest.approx(1.0, rel=1e-3)


def test_four_times_the_rows_are_four_times_the_work(tmp_path: Path, clock: Clock) -> None:
    few, many = (work_of_reading(tmp_path / str(rows), clock, rows) for rows in (500, 2_000))

    assert many < 5 * few


def work_of_reading(folder: Path, clock: Clock, rows: int) -> int:
    """Count the calls that a learner makes for so many rows; how long they take is a machine's."""
    write_rows(folder, [decision(number) for number in range(rows)])
    learner, counted = Learner(folder, clock), 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        learner.poll(POLICY)
    finally:
        sys.setprofile(None)
    return counted
