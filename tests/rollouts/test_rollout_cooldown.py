"""After the promotion green is held against blue's record, and convicted beyond doubt only."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_story import CODE, side

from tierwise_core.rollout.cooldown import Watch, watch
from tierwise_core.rollout.evidence import Baseline, Evidence
from tierwise_core.rollout.judgement import Certainty
from tierwise_core.rollout.samples import SideSample, WindowSample

KNOWN = Evidence(baseline=Baseline(0.835, 0.06, 0.85, answers=2000))
USUAL, WORSE, BROKEN = side(20, 0.85), side(20, 0.6), side(20, 0.2)


def watched(*green: SideSample, evidence: Evidence = KNOWN, start: Watch | None = None) -> Watch:
    """Watch one window of ten seconds after another."""
    seen = start or Watch()
    for one in green:
        window = WindowSample(seen.until, seen.until + 10, green=one)
        seen = watch(seen, window, evidence, CODE.yardstick)
    return seen


def regressed(*green: SideSample, evidence: Evidence = KNOWN) -> bool:
    return watched(*green, evidence=evidence).regressed(Certainty())


def test_what_serves_as_before_is_never_convicted() -> None:
    seen = Watch()
    for _ in range(200):
        seen = watched(USUAL, start=seen)
        assert not seen.regressed(Certainty())
    assert seen.green.judged == 4000


def test_a_loss_smaller_than_what_counts_convicts_nobody() -> None:
    """0.0175 of utility is less than the 0.025 that count."""
    assert not regressed(*[side(200, 0.825)] * 100)


def test_what_is_broken_goes_after_a_window_or_two_and_what_is_worse_after_some() -> None:
    assert not regressed(USUAL, USUAL)
    assert regressed(BROKEN, BROKEN)
    assert not regressed(WORSE)
    assert regressed(*[WORSE] * 12)


@pytest.mark.parametrize(("answers", "until"), [(2000, 70), (50, 185), (1, 1000)])
def test_the_less_is_known_of_blue_the_longer_a_worse_green_is_looked_at(
    answers: int, until: int
) -> None:
    known = Evidence(baseline=replace(KNOWN.baseline, answers=answers))
    seen = Watch()
    while not seen.regressed(Certainty()) and seen.green.judged < 1000:
        seen = watched(side(5, 0.6), evidence=known, start=seen)
    assert seen.green.judged == until  # of 1,000 at most


def test_what_turns_bad_after_a_long_good_time_is_found_as_well() -> None:
    assert regressed(*[side(20, 0.95)] * 100, *[WORSE] * 20)


def test_a_record_of_few_answers_convicts_nobody() -> None:
    few = Evidence(baseline=replace(KNOWN.baseline, answers=3))
    none = Evidence(baseline=replace(KNOWN.baseline, answers=0))

    assert not regressed(*[WORSE] * 50, evidence=few)
    assert not regressed(*[BROKEN] * 50, evidence=none)
    assert watched(BROKEN, evidence=none).green.judged == 20


def test_blue_s_answers_beside_green_count_before_what_was_known_of_it() -> None:
    beside = replace(KNOWN, blue=side(2000, 0.6))

    assert not regressed(*[WORSE] * 50, evidence=beside)


@pytest.mark.parametrize(
    "window",
    [
        WindowSample(0.0, 10.0, green=BROKEN),
        WindowSample(5.0, 25.0, green=BROKEN),
        WindowSample(30.0, 20.0, green=BROKEN),
        WindowSample(20.0, 30.0, green=replace(BROKEN, utility=float("nan"))),
        WindowSample(20.0, 30.0, green=replace(side(0, 0.0), requests=20)),
    ],
    ids=["repeated", "overlapping", "backwards", "impossible", "unjudged"],
)
def test_a_window_that_says_nothing_new_changes_nothing(window: WindowSample) -> None:
    seen = watched(USUAL, USUAL)

    assert watch(seen, window, KNOWN, CODE.yardstick) == seen


def test_blue_s_answers_that_were_all_alike_hide_no_broken_green_that_nobody_met_before() -> None:
    """Everybody at once: of green nothing is known but what blue did, and that hardly varied."""
    always_right = Evidence(baseline=Baseline(0.95, 0.001, 1.0, answers=178))

    assert regressed(*[side(20, 0.05)] * 3, evidence=always_right)
    assert not regressed(*[side(20, 1.0)] * 50, evidence=always_right)
