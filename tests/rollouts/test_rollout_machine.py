"""What becomes of a rollout: stories of one decision after another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tierwise_core.rollout.evidence import Baseline, Yardstick
from tierwise_core.rollout.judgement import Shares
from tierwise_core.rollout.machine import decide
from tierwise_core.rollout.samples import SideSample, WindowSample
from tierwise_core.rollout.situation import (
    Action,
    Examination,
    Plan,
    Seen,
    Standing,
    Wish,
    first_standing,
)
from tierwise_core.rollout.stages import FINAL, Stage

CODE = Wish(yardstick=Yardstick(0.025, 1.5, 20, 10), on_inconclusive="Hold")
READY = Seen(green_ready=True, routed_percent=0)


class Story:
    """A rollout that is decided about every ten seconds."""

    def __init__(self, wish: Wish = CODE) -> None:
        self.wish = wish
        self.now = 1000.0
        self.plan = Plan(first_standing(self.now, Baseline(0.8, 0.06)))

    @property
    def standing(self) -> Standing:
        return self.plan.standing

    @property
    def stage(self) -> Stage:
        return self.standing.stage

    def look(self, seen: Seen = READY, after_s: float = 10.0) -> Plan:
        self.now += after_s
        self.plan = decide(self.wish, self.standing, seen, self.now)
        return self.plan

    def serve(self, right: float, blue: float = 0.85, windows: int = 1, count: int = 200) -> Plan:
        """Both sides answer, each by its share, in ``windows`` of ten seconds."""
        for _ in range(windows):
            if self.stage in FINAL:
                break
            green = round(count * self.standing.percent / 100)
            window = WindowSample(
                self.now, self.now + 10, side(count - green, blue), side(green, right)
            )
            routed = self.standing.percent
            self.look(replace(READY, windows=(window,), routed_percent=routed))
        return self.plan

    def promoted(self) -> Story:
        self.at_canary()
        while self.stage is not Stage.PROMOTED:
            self.serve(right=0.95)
        return self

    def at_canary(self) -> Story:
        self.look()
        assert self.stage is Stage.CANARY
        return self


def side(count: int, right: float, contradicted: float = 0.0) -> SideSample:
    """Answers of which as many are right as can be: 0.94 for a right one, 0.24 for a wrong one."""
    ones = round(count * right)
    value = 0.94 * ones + 0.24 * (count - ones)
    squares = 0.94**2 * ones + 0.24**2 * (count - ones)
    return SideSample(
        judged=count,
        utility=value,
        utility_squared=squares,
        verdicts=count,
        accepted=ones,
        compared=count,
        contradictions=round(count * contradicted),
        requests=count,
    )


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

    story.look(Seen(training=True))
    assert story.stage is Stage.TRAINING
    story.look(Seen())
    story.look()

    assert story.stage is Stage.CANARY


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
