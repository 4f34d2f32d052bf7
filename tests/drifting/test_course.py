"""Whether a model has drifted: found when it has, not found when it has not."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise_core.drifting.course import Base, Course, follow, told
from tierwise_core.drifting.keeping import kept, recalled
from tierwise_core.drifting.verdict import drift_verdict
from tierwise_core.field_profiles import FieldJudgement
from tierwise_core.rollout.samples import SideSample

GENERAL = FieldJudgement()
SOFTWARE = FieldJudgement(penalty=2.0, interactions=10)


def answers(chance: random.Random, count: int, right: float) -> SideSample:
    """What so many answers come to that are right with this probability."""
    worth = [
        0.6 * (chance.random() < right) + 0.35 * min(1.0, chance.gauss(0.9, 0.05))
        for _ in range(count)
    ]
    return SideSample(
        judged=count, utility=sum(worth), utility_squared=sum(one * one for one in worth)
    )


def played(
    course: Course, right: float, total: int, judgement: FieldJudgement = GENERAL, seed: int = 0
) -> Course:
    chance = random.Random(seed)  # noqa: S311 - made-up answers
    for step in range(0, total, 4):
        course = replace(course, until=float(step))
        course = follow(course, answers(chance, 4, right), judgement)
    return course


def answers_until_found(right: float, judgement: FieldJudgement, seed: int) -> int | None:
    chance = random.Random(seed)  # noqa: S311 - made-up answers
    course = played(Course(), 0.85, 600, judgement, seed)
    for count in range(4, 2000, 4):
        course = follow(course, answers(chance, 4, right), judgement)
        if course.detected:
            return count
    return None


@pytest.mark.parametrize("judgement", [GENERAL, SOFTWARE])
def test_a_model_that_stays_as_it_is_has_not_drifted(judgement: FieldJudgement) -> None:
    found = [played(Course(), 0.85, 2000, judgement, seed).detected for seed in range(8)]
    assert found == [""] * 8


@pytest.mark.parametrize("judgement", [GENERAL, SOFTWARE])
def test_a_broken_one_is_found_soon_and_a_worse_one_surely(judgement: FieldJudgement) -> None:
    broken = [answers_until_found(0.2, judgement, seed) for seed in range(6)]
    assert max(found or 9999 for found in broken) <= 160
    worse = [answers_until_found(0.6, judgement, seed) for seed in range(6)]
    assert max(found or 9999 for found in worse) <= 800


def test_a_rise_is_told_apart_from_a_fall() -> None:
    course = played(played(Course(), 0.4, 400), 0.95, 400, seed=1)
    assert course.detected == "rose"
    assert drift_verdict(course, GENERAL, benchmark=True).reason == "UtilityRose"


def test_what_has_fallen_and_recovered_has_recovered() -> None:
    fallen = played(played(Course(), 0.85, 600), 0.1, 120, seed=1)
    assert fallen.detected == "fell"
    still = played(fallen, 0.1, 200, seed=2)
    assert still.detected == "fell"
    assert played(fallen, 0.85, 200, seed=3).detected == ""


def test_a_change_that_does_not_count_is_none() -> None:
    certain = Course(base=Base(0.9, 0.001, 1000), revisions=("r",))
    slightly = SideSample(judged=50, utility=50 * 0.88, utility_squared=50 * 0.88**2)
    for _ in range(20):
        certain = follow(certain, slightly, GENERAL)
    assert certain.detected == ""


def test_it_has_to_hold_for_t_answers_more() -> None:
    course = played(Course(), 0.85, 600)
    chance = random.Random(5)  # noqa: S311 - made-up answers
    while not course.suspected:
        course = follow(course, answers(chance, 4, 0.1), SOFTWARE)
    assert not course.detected
    well = SideSample(judged=10, utility=9.5, utility_squared=9.03)
    doubted = course
    for _ in range(10):
        doubted = follow(doubted, well, SOFTWARE)
    assert (doubted.suspected, doubted.detected) == ("", "")
    assert "more answers will tell" in told(course, SOFTWARE)
    few = SideSample(judged=4, utility=0.8, utility_squared=0.16)
    assert not follow(course, few, SOFTWARE).detected
    badly = SideSample(judged=10, utility=2.0, utility_squared=0.4)
    assert follow(course, badly, SOFTWARE).detected == "fell"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1), st.floats(0, 1)), max_size=40))
def test_a_restart_at_any_time_changes_nothing(looks: list[tuple[int, float, float]]) -> None:
    whole = broken = Course()
    for count, mean, spread in looks:
        total = count * mean
        squares = count * (mean * mean + spread * mean * (1 - mean))
        sample = SideSample(judged=count, utility=total, utility_squared=squares)
        whole = follow(whole, sample, GENERAL)
        broken = recalled(kept(follow(broken, sample, GENERAL)))
    assert broken == whole
