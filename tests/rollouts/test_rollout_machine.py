"""What becomes of a rollout: stories of one decision after another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rollout_story import CODE, READY, Story, side

from tierwise_core.rollout.evidence import Baseline
from tierwise_core.rollout.gates import Gate, GateFacts
from tierwise_core.rollout.judgement import Certainty, Shares
from tierwise_core.rollout.machine import decide
from tierwise_core.rollout.ramp import RAMP, Step
from tierwise_core.rollout.samples import SideSample, WindowSample
from tierwise_core.rollout.situation import Action, Examination, Plan, Seen, Standing
from tierwise_core.rollout.stages import FINAL, Stage


def test_green_starts_beside_blue_and_nobody_is_sent_to_it_before_it_serves() -> None:
    story = Story()

    plan = story.look(Seen())

    assert story.stage is Stage.PENDING
    assert plan.actions == (Action.START_GREEN,)
    assert (story.standing.percent, plan.waits_for) == (0, "green to serve")


def test_it_is_examined_first_where_there_is_a_benchmark() -> None:
    story = Story()
    running = replace(READY, benchmark=Examination("Running"))

    assert story.look(running).actions == (Action.RUN_BENCHMARK,)
    assert story.stage is Stage.BENCHMARK
    story.look(replace(READY, benchmark=Examination("Done", why="41 of 50 against 40 of 50")))

    assert story.stage is Stage.CANARY
    assert (story.standing.percent, story.standing.blue_percent) == (5, 95)
    assert story.plan.transitions[0].why == "41 of 50 against 40 of 50"


def test_a_better_candidate_is_promoted_and_blue_goes_after_the_cooldown() -> None:
    story = Story().promoted()
    assert story.standing.reason == "Better"
    assert (story.standing.percent, story.standing.blue_percent) == (100, 0)
    plan = story.look(after_s=599)
    assert story.stage is Stage.PROMOTED
    assert plan.actions == ()
    plan = story.look(after_s=1)

    assert story.stage is Stage.COMPLETE
    assert plan.actions == (Action.RETIRE_BLUE, Action.REBASE)


def test_its_share_follows_the_evidence() -> None:
    story = Story().at_canary()

    story.serve(right=0.85, windows=1)
    assert (story.stage, story.standing.percent) == (Stage.CANARY, 5)
    story.serve(right=0.90, windows=1)
    assert story.stage is Stage.SHIFTING
    shares = [story.serve(right=0.90).standing.percent for _ in range(6)]

    assert shares == sorted(shares)
    assert 50 < shares[0] < shares[-1] <= 95


def test_a_worse_candidate_goes_back_at_once_and_its_failures_are_kept_first() -> None:
    story = Story().at_canary()

    story.serve(right=0.60, windows=40)
    assert story.stage is Stage.ROLLED_BACK
    story = Story().at_canary()
    while story.stage in {Stage.CANARY, Stage.SHIFTING}:
        plan = story.serve(right=0.60)
    assert story.stage is Stage.ROLLING_BACK
    assert (story.standing.percent, plan.actions) == (0, (Action.KEEP_FAILURES,))
    assert story.standing.reason == "UtilityRegression"

    still = story.look(replace(READY, routed_percent=5))
    assert still.waits_for == "the routers to take green away"
    unkept = story.look(replace(READY, failures_kept=False))
    assert unkept.waits_for == "green's failures to be kept"
    assert story.look().actions == (Action.RETIRE_GREEN,)
    assert story.stage is Stage.ROLLED_BACK


def test_a_broken_candidate_costs_a_handful_of_answers() -> None:
    story = Story().at_canary()

    while story.stage is Stage.CANARY:
        story.serve(right=0.0, count=20)

    assert story.stage is Stage.ROLLING_BACK
    assert story.standing.evidence.green.judged <= 20


def test_contradictions_alone_bring_it_back() -> None:
    story = Story().at_canary()
    for _ in range(60):
        if story.stage is Stage.ROLLING_BACK:
            break
        both = side(190, 0.85, 0.02), side(10, 0.85, 0.4)
        window = WindowSample(story.now, story.now + 10, *both)
        story.look(replace(READY, windows=(window,)))

    assert story.standing.reason == "Contradictions"
    assert "green contradicts what is known in" in story.standing.why


@pytest.mark.parametrize(
    ("policy", "ends"),
    [
        ("Hold", Stage.INCONCLUSIVE),
        ("Rollback", Stage.ROLLED_BACK),
        ("Promote", Stage.COMPLETE),
    ],
)
def test_a_candidate_that_does_not_differ_follows_on_inconclusive(policy: str, ends: Stage) -> None:
    story = Story(replace(CODE, on_inconclusive=policy)).at_canary()  # type: ignore[arg-type]

    story.serve(right=0.85, windows=400)

    assert story.stage is ends


def test_what_was_inconclusive_waits_for_a_person() -> None:
    story = Story().at_canary()
    story.serve(right=0.85, windows=100)
    assert story.stage is Stage.INCONCLUSIVE
    assert story.serve(right=0.85).waits_for.startswith("promote or abort")

    story.wish = replace(CODE, promote=True)
    story.look()

    assert (story.stage, story.standing.reason) == (Stage.PROMOTED, "PromotedByHand")


def test_a_deadline_ends_the_search_for_a_difference() -> None:
    story = Story(replace(CODE, deadline_s=60)).at_canary()

    story.serve(right=0.85, windows=8)

    assert story.stage is Stage.INCONCLUSIVE
    assert "the deadline has passed" in story.standing.why


def test_a_silent_ledger_holds_everything_that_rests_on_evidence() -> None:
    story = Story(replace(CODE, deadline_s=60)).at_canary()

    plan = story.look(replace(READY, windows=None), after_s=10_000)

    assert story.stage is Stage.CANARY
    assert story.standing.percent == 5
    assert "the ledger, which is silent" in plan.waits_for


def test_blue_stays_warm_while_the_ledger_is_silent() -> None:
    story = Story().promoted()

    story.look(replace(READY, windows=None), after_s=10_000)

    assert story.stage is Stage.PROMOTED


def test_a_regression_in_the_cooldown_goes_back() -> None:
    story = Story().promoted()

    while story.stage is Stage.PROMOTED:
        story.serve(right=0.5, count=20)

    assert story.standing.reason == "RegressionInCooldown"
    assert story.standing.percent == 0


def test_a_pause_keeps_the_shares_and_what_was_interrupted_goes_on() -> None:
    story = Story().at_canary()
    story.serve(right=0.9, windows=3)
    before = story.standing.percent

    story.wish = replace(CODE, paused=True)
    story.serve(right=0.0, windows=5)
    assert (story.stage, story.standing.percent) == (Stage.PAUSED, before)
    story.wish = CODE
    story.look()

    assert story.stage is Stage.SHIFTING


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (Seen(refused="the candidate is what runs already"), "CandidateRefused"),
        (Seen(superseded="v3"), "Superseded"),
    ],
)
def test_what_cannot_be_tried_is_aborted_with_the_reason(seen: Seen, reason: str) -> None:
    story = Story()

    story.look(replace(seen, routed_percent=0))
    story.look(replace(seen, routed_percent=0))

    assert (story.stage, story.standing.reason) == (Stage.ABORTED, reason)


def test_an_image_that_cannot_be_pulled_reaches_nobody() -> None:
    story = Story()
    story.look(Seen())

    story.look(Seen(green_fault="ErrImagePull: no such image", routed_percent=0))

    assert story.stage is Stage.ROLLING_BACK
    assert story.standing.percent == 0
    assert story.standing.why == "ErrImagePull: no such image"


def test_green_that_stops_serving_for_long_goes_back() -> None:
    story = Story().at_canary()
    gone = replace(READY, green_ready=False)

    story.look(gone, after_s=10)
    assert story.stage is Stage.CANARY
    story.look(gone, after_s=1801)

    assert story.standing.reason == "GreenNotReady"


def test_without_room_for_both_nothing_is_touched() -> None:
    story = Story()

    plan = story.look(Seen(no_room="a4000 is full; tier l4 has room for USD 0.80/h"), 10_000)

    assert plan.actions == ()
    assert plan.waits_for == "a4000 is full; tier l4 has room for USD 0.80/h"


def test_a_benchmark_that_is_lost_ends_it_and_a_safety_loss_waits_for_a_person() -> None:
    lost = Examination("Done", loses=True, why="30 of 50 against 44 of 50")
    story = Story()
    story.look(replace(READY, benchmark=Examination("Running")))
    story.look(replace(READY, benchmark=lost))
    assert story.standing.reason == "BenchmarkRegression"

    story = Story()
    story.look(replace(READY, safety=Examination("Running")))
    plan = story.look(replace(READY, safety=replace(lost, why="complied with 3 of 40 probes")))
    assert story.stage is Stage.BENCHMARK
    assert plan.waits_for == "promote or abort: complied with 3 of 40 probes"


def test_a_benchmark_that_cannot_be_read_holds_with_what_is_wrong() -> None:
    story = Story()
    story.look(replace(READY, benchmark=Examination("Running")))

    plan = story.look(replace(READY, benchmark=Examination("Unreadable", why="line 3: no answer")))

    assert plan.waits_for == "a benchmark that can be read: line 3: no answer"


def test_it_is_trained_first_where_it_is_told_to() -> None:
    story = Story()

    story.look(Seen(training="Job sorter-train-1"))
    assert story.stage is Stage.TRAINING
    story.look(Seen())
    story.look()

    assert story.stage is Stage.CANARY


@pytest.mark.parametrize("stage", sorted(FINAL))
def test_nothing_follows_an_end_not_even_an_abort(stage: Stage) -> None:
    ended = Standing(stage, percent=100 if stage is Stage.COMPLETE else 0, at=1.0)
    wish = replace(CODE, abort=True)
    assert decide(wish, ended, replace(READY, green_fault="gone"), 9.0) == Plan(ended)


@pytest.mark.parametrize(
    "seen",
    [
        replace(READY, superseded="5d8f7c9b"),
        replace(READY, refused="it fits nowhere any more"),
        replace(READY, untrained="its Job failed"),
    ],
)
def test_a_promoted_candidate_stays_whatever_is_said_of_candidates(seen: Seen) -> None:
    """What is wanted next is a rollout of its own, once the cooldown is over."""
    story = Story().promoted()
    story.look(replace(seen, routed_percent=100))
    assert story.stage is Stage.PROMOTED


def test_a_training_that_made_nothing_is_aborted_with_the_reason() -> None:
    story = Story()
    story.look(Seen(training="Job sorter-train-1"))
    story.look(Seen(untrained="its Job failed: out of memory"))
    story.look(replace(READY, routed_percent=0))
    assert (story.stage, story.standing.reason) == (Stage.ABORTED, "TrainingFailed")


def test_abort_goes_back_from_anywhere_also_in_the_cooldown() -> None:
    story = Story().promoted()

    story.wish = replace(CODE, abort=True)
    story.look()
    story.look()

    assert (story.stage, story.standing.percent) == (Stage.ABORTED, 0)


def test_the_same_windows_again_or_bad_ones_change_nothing() -> None:
    story = Story().at_canary()
    story.serve(right=0.9, windows=3)
    seen_before = story.standing.evidence
    again = WindowSample(story.now - 10, story.now, side(100, 0.85), side(100, 0.0))
    nonsense = WindowSample(story.now, story.now + 10, green=SideSample(2, float("nan"), 1.0))

    story.look(replace(READY, windows=(again, nonsense)))

    after = story.standing.evidence
    assert replace(after, ignored=0, why="") == seen_before
    assert (after.ignored, after.why) == (1, "green: utility nan: it must be a number, 0 or more")


def test_shares_other_than_the_usual_are_kept() -> None:
    narrow = Shares(initial_percent=10, floor_percent=10, ceiling_percent=60, threshold=0.6)
    story = Story(replace(CODE, shares=narrow)).at_canary()
    assert story.standing.percent == 10

    story.serve(right=0.87, windows=8)

    assert story.stage is Stage.SHIFTING
    assert 10 <= story.standing.percent <= 60


STAGES = replace(
    CODE,
    strategy="Stages",
    ramp=(Step(shadow_percent=10, answers=30), Step(20, answers=30), Step(50, answers=200)),
)


def test_stages_begin_unseen_and_end_with_everybody() -> None:
    story = Story(STAGES)
    story.look()
    assert (story.stage, story.standing.percent, story.standing.shadow_percent) == (
        Stage.SHADOW,
        0,
        10,
    )

    shares = [story.standing.percent]
    while story.stage is not Stage.PROMOTED:
        story.serve(right=0.95)
        if story.standing.percent != shares[-1]:
            shares.append(story.standing.percent)

    assert shares == [0, 20, 50, 100]
    assert story.standing.reason == "Better"


def test_what_was_answered_unseen_promotes_nobody() -> None:
    story = Story(STAGES)
    story.look()
    while story.stage is Stage.SHADOW:
        story.serve(right=1.0)

    heard = story.standing.evidence
    assert story.stage is Stage.CANARY
    assert heard.green.judged == 0
    assert heard.not_worse_log == heard.better_log == 0
    assert heard.worse_log < 0


def test_the_last_stage_waits_for_evidence() -> None:
    story = Story(replace(STAGES, ramp=(Step(20, answers=1),))).at_canary()

    plan = story.serve(right=0.85, windows=3)

    assert (story.stage, story.standing.percent) == (Stage.CANARY, 20)
    assert plan.waits_for.startswith("stage 1 of 1: more evidence")


def test_most_users_are_sent_to_green_only_once_it_is_proven() -> None:
    story = Story(replace(STAGES, ramp=(Step(50, answers=10), Step(90, answers=10)))).at_canary()

    story.serve(right=0.85, windows=5)
    assert story.standing.percent == 50
    while story.standing.percent == 50:
        plan = story.serve(right=0.9)

    assert story.standing.percent == 90
    assert "stage 1 of 2 is passed: green is" in plan.transitions[0].why


def test_a_broken_candidate_is_found_before_anybody_sees_it() -> None:
    story = Story(STAGES)
    story.look()

    while story.stage is Stage.SHADOW:
        story.serve(right=0.2)

    assert story.stage is Stage.ROLLING_BACK
    assert story.standing.reason == "UtilityRegression"


def test_a_signal_holds_a_stage_then_sends_it_one_back_and_in_the_end_away() -> None:
    story = Story(replace(STAGES, ramp=(Step(10, answers=10), Step(50, answers=10_000))))
    story.at_canary()
    story.serve(right=0.9, windows=2)
    assert story.standing.percent == 50

    seen: list[tuple[int, str]] = []
    held = 0
    while story.stage not in FINAL | {Stage.ROLLING_BACK}:
        plan = story.serve(right=0.9, price=0.02)
        held += bool(plan.signals)
        seen += [(story.standing.percent, one.reason) for one in plan.transitions]

    assert held
    assert seen == [
        (10, "CostPerAcceptedAnswer"),
        (0, "CostPerAcceptedAnswer"),
    ]
    assert "back to 10 % of the traffic" in story.whys[-2]


def test_a_signal_keeps_the_share_from_rising_until_it_is_silent() -> None:
    story = Story().at_canary()
    story.serve(right=0.88, windows=6, price=0.02)
    held = story.standing.percent
    assert [one.signal.value for one in story.plan.signals] == ["CostPerAcceptedAnswer"]
    assert story.plan.waits_for.startswith("signals to fall silent: CostPerAcceptedAnswer")

    story.serve(right=0.88, windows=2, price=0.02)
    assert story.standing.percent <= held
    story.serve(right=0.88, windows=6)

    assert story.plan.signals == ()
    assert story.standing.percent > held


def test_nobody_is_promoted_while_a_signal_fires() -> None:
    story = Story(replace(CODE, certainty=Certainty(signal=1e-60))).at_canary()
    while not story.plan.signals:
        story.serve(right=0.88, price=0.02)

    story.serve(right=0.97, windows=60, price=0.02)
    assert story.stage is Stage.SHIFTING
    assert story.standing.evidence.not_worse_log > 10
    story.serve(right=0.97, windows=5)

    assert (story.stage, story.standing.reason) == (Stage.PROMOTED, "Better")


def test_an_equal_candidate_is_not_called_so_while_a_signal_fires() -> None:
    story = Story(replace(CODE, certainty=Certainty(signal=1e-60))).at_canary()
    while not story.plan.signals:
        story.serve(right=0.85, price=0.02)

    story.serve(right=0.85, windows=60, price=0.02)
    assert story.stage is Stage.SHIFTING
    assert story.plan.waits_for.startswith("signals to fall silent: CostPerAcceptedAnswer")
    story.serve(right=0.85, windows=5)

    assert story.stage is Stage.INCONCLUSIVE


def test_a_deadline_ends_what_a_signal_holds_and_names_the_signal() -> None:
    wish = replace(CODE, certainty=Certainty(signal=1e-60), deadline_s=600.0)
    story = Story(wish).at_canary()

    story.serve(right=0.85, windows=61, price=0.02)

    assert story.stage is Stage.INCONCLUSIVE
    assert "it holds for signals to fall silent: CostPerAcceptedAnswer" in story.standing.why


def test_blue_green_serves_all_at_once_after_the_examination() -> None:
    wish = replace(CODE, strategy="BlueGreen")
    story = Story(wish)
    story.look(replace(READY, benchmark=Examination("Running")))
    story.look(replace(READY, benchmark=Examination("Done", why="41 of 50 against 40")))

    assert (story.stage, story.standing.percent) == (Stage.PROMOTED, 100)
    assert (story.standing.reason, story.standing.why) == ("BlueGreen", "41 of 50 against 40")


def test_blue_green_goes_back_when_it_falls_below_what_was_known_of_blue() -> None:
    story = Story(replace(CODE, strategy="BlueGreen"), Baseline(0.835, 0.06, 0.85, answers=2000))
    story.look()

    while story.stage is Stage.PROMOTED:
        story.serve(right=0.5, count=20)

    assert story.standing.reason == "RegressionInCooldown"
    assert "blue's was 0.835" in story.standing.why


def test_blue_green_says_that_it_has_nothing_to_compare_with() -> None:
    story = Story(replace(CODE, strategy="BlueGreen"))
    story.look()

    plan = story.serve(right=0.5, count=20)

    assert "nothing is known of blue's utility" in plan.waits_for


@pytest.mark.parametrize(("right", "found"), [(0.97, "green is better"), (0.85, "no difference")])
def test_shadows_serve_nobody_and_leave_the_verdict_to_a_person(right: float, found: str) -> None:
    story = Story(replace(CODE, strategy="Shadow", on_inconclusive="Promote"))
    story.look()

    while story.stage is Stage.SHADOW:
        story.serve(right=right, count=1000)

    assert story.stage is Stage.INCONCLUSIVE
    assert (story.standing.percent, story.standing.shadow_percent) == (0, 0)
    assert found in story.standing.why
    story.wish = replace(story.wish, promote=True)
    story.look()
    assert story.stage is Stage.PROMOTED


@pytest.mark.parametrize(
    ("wish", "answers"),
    [
        ({"strategy": "Shadow"}, "40 shadows were"),
        ({"strategy": "Stages", "ramp": RAMP}, "40 shadows were"),
        ({}, "40 were"),
    ],
)
def test_answers_that_nobody_judges_are_told(wish: dict[str, Any], answers: str) -> None:
    story = Story(replace(CODE, **wish))
    story.look()
    silent = replace(side(0, 0), requests=40)
    window = WindowSample(story.now, story.now + 10, replace(silent, requests=60), silent)

    plan = story.look(replace(READY, windows=(window,)))

    assert f"; {answers} answered and none was judged: " in plan.waits_for


def test_a_gate_keeps_everybody_from_green_until_it_is_skipped_by_name() -> None:
    story = Story()
    unprepared = replace(READY, facts=GateFacts(no_ledger=""))

    plan = story.look(unprepared)
    assert story.stage is Stage.PENDING
    assert "RollbackPath: blue could not take everything back" in plan.waits_for
    assert len(plan.gates) == len(Gate)
    story.wish = replace(CODE, skipped=(Gate.ROLLBACK_PATH,))
    story.look(unprepared)

    assert story.stage is Stage.CANARY
    assert "skipped by name: RollbackPath; without: EvalReadiness" in story.standing.why


def test_a_lost_benchmark_is_gone_over_only_where_its_gate_is_skipped() -> None:
    story = Story(replace(CODE, skipped=(Gate.QUALITY_FLOOR,)))
    lost = Examination("Done", loses=True, why="30 of 50 against 44 of 50")
    story.look(replace(READY, benchmark=lost))
    story.look(replace(READY, benchmark=lost, facts=GateFacts(50, no_ledger="", blue_stays=True)))

    assert story.stage is Stage.CANARY
    assert "30 of 50 against 44 of 50; skipped by name: QualityFloor" in story.standing.why


@pytest.mark.parametrize(
    ("strategy", "stage", "percent"),
    [
        ("Shadow", Stage.SHADOW, 0),
        ("BlueGreen", Stage.PROMOTED, 100),
        ("Stages", Stage.SHADOW, 0),
        ("Utility", Stage.SHIFTING, 67),
    ],
)
def test_a_strategy_may_be_changed_on_the_way(strategy: str, stage: Stage, percent: int) -> None:
    story = Story().at_canary()
    story.serve(right=0.9, windows=3)

    story.wish = replace(STAGES, strategy=strategy)  # type: ignore[arg-type]
    story.look()

    assert (story.stage, story.standing.percent) == (stage, percent)
