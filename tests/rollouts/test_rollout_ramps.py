"""From one stage of a ramp to the next: what counts anew, and what goes on counting."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_story import CODE, READY, Story, side

from tierwise_core.rollout.ramp import Step, Strategy
from tierwise_core.rollout.samples import WindowSample
from tierwise_core.rollout.stages import Stage

SHADOW = replace(CODE, strategy="Shadow")
STAGES = replace(CODE, strategy="Stages", ramp=(Step(20, answers=30), Step(50, answers=30)))
UNSEEN = replace(
    STAGES, ramp=(Step(shadow_percent=10, answers=20), Step(shadow_percent=30, answers=20))
)


def test_a_stage_has_its_own_answers_and_the_evidence_of_those_before_it() -> None:
    story = Story(STAGES).at_canary()
    story.serve(right=0.9)
    assert (story.stage, story.standing.percent) == (Stage.SHIFTING, 50)
    seen = story.standing.evidence.green.judged
    assert seen == story.standing.step_from == 40

    plan = story.serve(right=0.9, count=40)

    assert plan.waits_for.startswith("stage 2 of 2: 10 more answers of green that are judged")
    assert story.standing.evidence.green.judged == seen + 20


def test_what_was_answered_unseen_counts_until_somebody_sees_an_answer() -> None:
    story = Story(replace(UNSEEN, ramp=(*UNSEEN.ramp, Step(20, answers=30))))
    story.look()
    story.serve(right=0.9)
    assert (story.standing.step, story.standing.shadow_percent) == (1, 30)
    assert story.standing.evidence.green.judged == 20

    story.serve(right=0.9)

    assert (story.stage, story.standing.percent) == (Stage.CANARY, 20)
    assert story.standing.evidence.green.judged == 0


def test_shadows_end_with_a_rollback_and_with_a_promotion_by_hand() -> None:
    for word, stage in (("abort", Stage.ROLLING_BACK), ("promote", Stage.PROMOTED)):
        story = Story(SHADOW)
        story.look()
        assert story.standing.shadow_percent == 10
        story.wish = replace(SHADOW, **{word: True})  # type: ignore[arg-type]

        story.look()

        assert (story.stage, story.standing.shadow_percent) == (stage, 0)


def test_an_abort_ends_a_pause_for_good() -> None:
    story = Story().at_canary()
    story.wish = replace(CODE, paused=True)
    story.look()
    assert story.standing.before is Stage.CANARY
    story.wish = replace(CODE, paused=True, abort=True)

    story.look()

    assert (story.stage, story.standing.before) == (Stage.ROLLING_BACK, None)


def test_shadows_speak_for_nobody_once_the_strategy_sends_users_to_green() -> None:
    story = Story(SHADOW)
    story.look()
    story.serve(right=0.95, windows=3)
    assert story.standing.evidence.not_worse_log > 0

    story.wish = CODE
    story.look()

    assert (story.stage, story.standing.percent, story.standing.shadow_percent) == (
        *(Stage.CANARY, 5),
        0,
    )
    evidence = story.standing.evidence
    assert (evidence.green.judged, evidence.not_worse_log) == (0, 0)


@pytest.mark.parametrize("strategy", ["Utility", "Stages", "Shadow"])
def test_windows_that_began_before_green_answered_are_left_out(strategy: Strategy) -> None:
    story = Story(replace(CODE, strategy=strategy))
    story.look()
    early = WindowSample(story.now - 5, story.now + 5, side(100, 0.9), side(100, 0.0))

    story.look(replace(READY, windows=(early,)))

    assert story.standing.evidence.windows == 0
