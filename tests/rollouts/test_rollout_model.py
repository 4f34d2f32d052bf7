"""Whatever happens, in whatever order: what must always be true of a rollout is."""

from __future__ import annotations

import json
from dataclasses import replace
from math import nan

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tierwise_core.rollout.evidence import Yardstick
from tierwise_core.rollout.judgement import Shares
from tierwise_core.rollout.machine import decide
from tierwise_core.rollout.memory import recalled, remembered
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
from tierwise_core.rollout.stages import FINAL, FOLLOWS, LIVE, Stage

fractions = st.sampled_from([0.0, 0.2, 0.6, 0.85, 0.95, 1.0])
examinations = st.builds(
    Examination,
    st.sampled_from(["Missing", "Running", "Done", "Unreadable"]),
    loses=st.booleans(),
    why=st.just("12 of 50"),
)


def side(count: int, right: float) -> SideSample:
    ones = round(count * right)
    return SideSample(count, float(ones), float(ones), count, ones, count, count - ones, count)


class AnyRollout(RuleBasedStateMachine):
    """Looks at a rollout again and again while everything around it changes."""

    def __init__(self) -> None:
        super().__init__()
        self.wish = Wish(yardstick=Yardstick(0.05, 1.5, 4, 2))
        self.seen = Seen(routed_percent=0)
        self.now = 100.0
        self.standing = first_standing(self.now)
        self.history: list[tuple[Wish, Seen, float]] = []
        self.first = self.standing
        self.plan = Plan(self.standing)

    @initialize(
        initial=st.integers(1, 20),
        floor=st.integers(0, 5),
        ceiling=st.integers(60, 100),
        policy=st.sampled_from(["Promote", "Rollback", "Hold"]),
    )
    def strategy(self, initial: int, floor: int, ceiling: int, policy: str) -> None:
        shares = Shares(max(initial, floor), floor, ceiling)
        self.wish = replace(self.wish, shares=shares, on_inconclusive=policy)  # type: ignore[arg-type]

    @rule(
        green_ready=st.booleans(),
        fault=st.sampled_from(["", "", "", "ErrImagePull"]),
        training=st.booleans(),
        no_room=st.sampled_from(["", "", "full"]),
    )
    def the_cluster_changes(
        self, *, green_ready: bool, fault: str, training: bool, no_room: str
    ) -> None:
        self.seen = replace(
            self.seen,
            green_ready=green_ready,
            green_fault=fault,
            training=training,
            no_room=no_room,
        )

    @rule()
    def green_serves(self) -> None:
        self.seen = replace(self.seen, green_ready=True, green_fault="", training=False, no_room="")

    @rule(benchmark=examinations, safety=examinations)
    def it_is_examined(self, benchmark: Examination, safety: Examination) -> None:
        self.seen = replace(self.seen, benchmark=benchmark, safety=safety)

    @rule(what=st.sampled_from(["paused", "abort", "promote"]), value=st.booleans())
    def a_person_edits(self, *, what: str, value: bool) -> None:
        self.wish = replace(self.wish, **{what: value})  # type: ignore[arg-type]

    @rule(
        blue=fractions,
        green=fractions,
        count=st.integers(0, 400),
        length=st.sampled_from([-5.0, 0.0, 10.0, 10.0, 10.0, nan]),
        shift=st.sampled_from([0.0, 0.0, -30.0]),
    )
    def a_window_closes(
        self, blue: float, green: float, count: int, length: float, shift: float
    ) -> None:
        of_green = round(count * self.standing.percent / 100)
        since = self.now + shift
        window = WindowSample(
            since, since + length, side(count - of_green, blue), side(of_green, green)
        )
        self.look(window, after_s=10)

    @rule()
    def a_window_makes_no_sense(self) -> None:
        mad = SideSample(judged=3, utility=nan, utility_squared=-1.0, verdicts=1, accepted=5)
        self.look(WindowSample(self.now, self.now + 10, mad, mad), after_s=10)

    @rule(after_s=st.sampled_from([-1000.0, 0.0, 1.0, 700.0, 5000.0]))
    def time_passes(self, after_s: float) -> None:
        self.look(after_s=after_s)

    @rule()
    def the_ledger_is_silent(self) -> None:
        before = self.standing
        self.look(None, after_s=100)
        if before.stage in LIVE and self.standing.stage is not before.stage:
            # Only a person, a fault or the candidate itself may have moved it.
            assert self.standing.reason not in {
                "Better",
                "NotWorse",
                "Inconclusive",
                "UtilityRegression",
                "Contradictions",
            }

    def look(self, *windows: WindowSample | None, after_s: float) -> None:
        self.now += after_s
        routed = self.standing.percent
        seen = replace(
            self.seen,
            windows=None if windows == (None,) else windows,  # type: ignore[arg-type]
            routed_percent=routed,
        )
        # Between any two looks the operator may be killed and read the status again.
        before = recalled(json.loads(json.dumps(remembered(self.standing))))
        self.history.append((self.wish, seen, self.now))
        self.plan = decide(self.wish, before, seen, self.now)
        self.standing = self.plan.standing
        self._check_step(before)

    def _check_step(self, before: Standing) -> None:
        after = self.standing
        assert after.stage is before.stage or after.stage in FOLLOWS[before.stage]
        assert after.at >= before.at
        if before.stage in FINAL:
            assert self.plan == Plan(before)
        if after.stage is not before.stage:
            (transition,) = self.plan.transitions
            assert transition.reason
            assert transition.why
        if Action.RETIRE_BLUE in self.plan.actions:
            assert (before.stage, after.stage) == (Stage.PROMOTED, Stage.COMPLETE)
            assert after.at - before.since >= self.wish.cooldown_s
        if Action.RETIRE_GREEN in self.plan.actions:
            assert after.percent == 0
            assert after.stage in {Stage.ROLLED_BACK, Stage.ABORTED}

    @invariant()
    def shares_are_shares(self) -> None:
        assert self.standing.percent + self.standing.blue_percent == 100
        assert 0 <= self.standing.percent <= 100

    @invariant()
    def shares_stay_between_floor_and_ceiling_while_both_serve(self) -> None:
        if self.standing.stage in LIVE:
            shares = self.wish.shares
            assert shares.floor_percent <= self.standing.percent <= shares.ceiling_percent

    @invariant()
    def nobody_is_sent_to_green_before_the_canary_or_after_the_end(self) -> None:
        stage = self.standing.stage
        if stage in {Stage.PENDING, Stage.TRAINING, Stage.BENCHMARK, Stage.ROLLING_BACK}:
            assert self.standing.percent == 0
        if stage in {Stage.ROLLED_BACK, Stage.ABORTED}:
            assert self.standing.percent == 0
        if stage in {Stage.PROMOTED, Stage.COMPLETE}:
            assert self.standing.percent == 100

    def teardown(self) -> None:
        again = self.first
        for wish, seen, now in self.history:
            again = decide(wish, again, seen, now).standing
        assert repr(again) == repr(self.standing)


AnyRollout.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, print_blob=True
)
TestAnyRollout = AnyRollout.TestCase
