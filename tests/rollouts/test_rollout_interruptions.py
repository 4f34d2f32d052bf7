"""A rollout that is interrupted: by a pause, by a person's word, by green that stops serving."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_story import BLUE, CODE, READY, Story, side

from tierwise_core.rollout.judgement import Certainty
from tierwise_core.rollout.ramp import Strategy
from tierwise_core.rollout.samples import WindowSample
from tierwise_core.rollout.situation import Action, Examination, Seen
from tierwise_core.rollout.stages import COMPARED, Stage

PROMOTE = replace(CODE, promote=True)
PAUSED = replace(CODE, paused=True)
GONE = replace(READY, green_ready=False)


def test_what_is_paused_stays_paused_at_every_look() -> None:
    story = Story().at_canary()
    story.wish = PAUSED

    stages = {(story.look(after_s=10_000), story.stage)[1] for _ in range(4)}

    assert stages == {Stage.PAUSED}
    assert story.plan.waits_for == "paused to be taken back"
    story.wish = CODE
    story.look()
    assert (story.stage, story.standing.before) == (Stage.CANARY, None)


def test_a_pause_in_the_cooldown_keeps_blue_warm_for_as_long_as_it_lasts() -> None:
    story = Story().promoted()
    story.wish = PAUSED

    plan = story.look(after_s=10_000)

    assert (story.stage, plan.actions) == (Stage.PROMOTED, ())
    assert plan.waits_for == "paused to be taken back; blue stays warm"
    story.wish = CODE
    story.look()
    assert story.stage is Stage.COMPLETE


def test_the_cooldown_says_how_long_it_lasts_and_what_it_waits_for() -> None:
    story = Story().promoted()

    assert story.look().waits_for == "the cooldown: 590 s"
    silent = story.look(replace(READY, windows=None))
    assert silent.waits_for == "the ledger, which is silent; blue stays warm"


def test_a_clock_that_goes_back_stands_still() -> None:
    story = Story().promoted()
    then = story.standing.at

    story.look(after_s=-500)

    assert (story.standing.at, story.plan.waits_for) == (then, "the cooldown: 600 s")


def test_what_a_person_promotes_too_early_starts_and_is_promoted_once_it_serves() -> None:
    story = Story(PROMOTE)

    plan = story.look(Seen())
    assert (story.stage, plan.actions, plan.waits_for) == (
        *(Stage.PENDING, (Action.START_GREEN,)),
        "green to serve",
    )
    story.look()

    assert (story.stage, story.standing.reason) == (Stage.PROMOTED, "PromotedByHand")


def test_what_a_person_promotes_while_it_does_not_serve_waits_whatever_the_evidence() -> None:
    story = Story().at_canary()
    story.wish = PROMOTE
    bad = WindowSample(story.now, story.now + 10, side(1000, 0.9), side(200, 0.0))

    plan = story.look(replace(GONE, windows=(bad,)))

    assert plan.waits_for == "green to serve: promote was set and it does not"
    assert story.stage is Stage.CANARY
    story.look()
    assert story.standing.reason == "PromotedByHand"


def test_what_a_person_promotes_goes_back_all_the_same_when_it_will_never_serve() -> None:
    story = Story().at_canary()
    story.wish = PROMOTE

    story.look(replace(GONE, green_fault="CrashLoopBackOff: out of memory"))

    assert (story.stage, story.standing.reason) == (Stage.ROLLING_BACK, "GreenFailed")


def test_green_that_served_for_long_has_its_time_to_come_back() -> None:
    story = Story().at_canary()
    story.look(after_s=5000)

    story.look(GONE)
    story.look(GONE, after_s=CODE.ready_within_s)
    assert story.stage is Stage.CANARY
    story.look()
    story.look(GONE)
    story.look(GONE, after_s=CODE.ready_within_s)
    assert story.stage is Stage.CANARY
    story.look(GONE, after_s=1)

    assert story.standing.reason == "GreenNotReady"
    assert story.standing.why == "green has not served for 1800 s"


@pytest.mark.parametrize(
    ("seen", "stage"),
    [
        (Seen(no_room="a4000 is full"), Stage.PENDING),
        (Seen(training="Job sorter-train-1"), Stage.TRAINING),
    ],
)
def test_its_time_to_start_begins_when_there_is_room_and_something_to_start(
    seen: Seen, stage: Stage
) -> None:
    story = Story()
    story.look(Seen())
    for _ in range(3):
        story.look(seen, after_s=10_000)
    assert story.stage is stage

    story.look(Seen(), after_s=10_000)
    story.look(Seen(), after_s=CODE.ready_within_s)
    assert story.stage is Stage.PENDING
    story.look(Seen(), after_s=1)

    assert story.standing.reason == "GreenNotReady"


def test_windows_from_before_anybody_answered_are_no_evidence() -> None:
    story = Story()
    story.look(Seen())
    early = WindowSample(story.now, story.now + 10, side(100, 0.9), side(100, 0.0))

    story.look(replace(READY, benchmark=Examination("Running"), windows=(early,)))

    assert story.stage is Stage.BENCHMARK
    assert story.standing.evidence.windows == 0
    assert story.standing.alarms.until == 0


def test_signals_are_told_for_as_long_as_they_hold_something() -> None:
    story = Story(replace(CODE, certainty=Certainty(signal=1e-60)), BLUE).at_canary()
    while not story.plan.signals:
        story.serve(right=0.88, price=0.02)

    story.wish = replace(story.wish, promote=True)
    story.look()

    assert story.stage is Stage.PROMOTED
    assert story.plan.signals == ()


@pytest.mark.parametrize("strategy", ["Utility", "Stages", "Shadow"])
def test_a_deadline_runs_from_the_first_answers_on_however_long_room_was_waited_for(
    strategy: Strategy,
) -> None:
    story = Story(replace(CODE, strategy=strategy, deadline_s=100.0))
    for _ in range(2):
        story.look(Seen(no_room="a4000 is full"), after_s=10_000)
    story.look()

    story.serve(right=0.85, windows=10)
    assert story.stage in COMPARED - {Stage.INCONCLUSIVE}
    story.serve(right=0.85)

    assert story.stage is Stage.INCONCLUSIVE
    assert "the deadline has passed" in story.standing.why
