"""Whatever happens, in whatever order: what must always be true of a rollout is."""

from __future__ import annotations

import json
from dataclasses import replace
from math import nan

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tierwise_core.rollout.evidence import Yardstick
from tierwise_core.rollout.gates import Gate, GateFacts, holding
from tierwise_core.rollout.judgement import Shares
from tierwise_core.rollout.machine import decide
from tierwise_core.rollout.memory import recalled, remembered
from tierwise_core.rollout.ramp import RAMP, Step
from tierwise_core.rollout.samples import SideSample, WindowSample
from tierwise_core.rollout.signals import Thresholds
from tierwise_core.rollout.situation import (
    Action,
    Examination,
    Plan,
    Seen,
    Standing,
    Wish,
    first_standing,
)
from tierwise_core.rollout.stages import COMPARED, FINAL, FOLLOWS, LIVE, Stage

fractions = st.sampled_from([0.0, 0.2, 0.6, 0.85, 0.95, 1.0])
seldom = st.sampled_from([False, False, False, False, False, True])
"""What ends a rollout happens seldom, so that most of them live to see the rest."""
examinations = st.builds(
    Examination,
    st.sampled_from(["Missing", "Running", "Done", "Done", "Unreadable"]),
    loses=seldom,
    why=st.just("12 of 50"),
)
strategies = st.sampled_from(["Utility", "Stages", "BlueGreen", "Shadow"])
ramps = st.sampled_from(
    [
        RAMP,
        (Step(10, answers=3),),
        (Step(shadow_percent=50, answers=4), Step(20, answers=4), Step(70)),
        (Step(shadow_percent=10, answers=1),),
    ]
)
facts = st.none() | st.builds(
    GateFacts,
    st.none() | st.just(50),
    no_ledger=st.sampled_from(["", "", "it is silent"]),
    blue_stays=st.sampled_from([True, True, False]),
    clearance_missing=st.sampled_from([(), ("HIPAA",)]),
)
BY_EVIDENCE = {"Better", "NotWorse"}


def side(count: int, right: float, price: float = 0.01, slow_s: float = 1.0) -> SideSample:
    ones = round(count * right)
    return SideSample(
        count,
        float(ones),
        float(ones),
        verdicts=count,
        accepted=ones,
        compared=count,
        contradictions=(count - ones) // 8,
        requests=count,
        escalations=(count - ones) // 2,
        cost_usd=price * count,
        p50_s=0.5 if count else None,
        p99_s=slow_s if count else None,
    )


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
        self.edited = False

    @initialize(
        initial=st.integers(1, 20),
        floor=st.integers(0, 5),
        ceiling=st.integers(60, 100),
        policy=st.sampled_from(["Promote", "Rollback", "Hold"]),
        strategy=strategies,
        ramp=ramps,
        deadline=st.none() | st.just(600.0),
    )
    def asked_for(
        self,
        *,
        initial: int,
        floor: int,
        ceiling: int,
        policy: str,
        strategy: str,
        ramp: tuple[Step, ...],
        deadline: float | None,
    ) -> None:
        self.wish = replace(
            self.wish,
            shares=Shares(max(initial, floor), floor, ceiling),
            on_inconclusive=policy,  # type: ignore[arg-type]
            strategy=strategy,  # type: ignore[arg-type]
            ramp=ramp,
            deadline_s=deadline,
            thresholds=Thresholds(quality=0.7, p99_s=2.0),
        )

    @rule(strategy=strategies, ramp=ramps, happens=seldom)
    def the_strategy_is_edited(
        self, *, strategy: str, ramp: tuple[Step, ...], happens: bool
    ) -> None:
        if not happens:
            return
        self.wish = replace(self.wish, strategy=strategy, ramp=ramp)  # type: ignore[arg-type]
        self.edited = True

    @rule(seen=facts, skipped=st.lists(st.sampled_from(list(Gate)), unique=True, max_size=7))
    def the_gates_are_looked_at(self, seen: GateFacts | None, skipped: list[Gate]) -> None:
        self.seen = replace(self.seen, facts=seen)
        self.wish = replace(self.wish, skipped=tuple(skipped))

    @rule(unready=seldom, broken=seldom, training=seldom, full=seldom)
    def the_cluster_changes(
        self, *, unready: bool, broken: bool, training: bool, full: bool
    ) -> None:
        self.seen = replace(
            self.seen,
            green_ready=not unready,
            green_fault="ErrImagePull" if broken else "",
            training="Job sorter-train-1" if training else "",
            no_room="full" if full else "",
        )

    @rule()
    def green_serves(self) -> None:
        self.seen = replace(self.seen, green_ready=True, green_fault="", training="", no_room="")

    @rule(benchmark=examinations, safety=examinations)
    def it_is_examined(self, benchmark: Examination, safety: Examination) -> None:
        self.seen = replace(self.seen, benchmark=benchmark, safety=safety)

    @rule(what=st.sampled_from(["paused", "paused", "abort", "promote"]), value=seldom)
    def a_person_edits(self, *, what: str, value: bool) -> None:
        self.wish = replace(self.wish, **{what: value})  # type: ignore[arg-type]

    @rule(
        blue=fractions,
        green=fractions,
        count=st.integers(0, 400),
        price=st.sampled_from([0.01, 0.01, 0.05]),
        slow_s=st.sampled_from([1.0, 1.0, 3.0, nan]),
        length=st.sampled_from([-5.0, 0.0, 10.0, 10.0, 10.0, nan]),
        shift=st.sampled_from([0.0, 0.0, -30.0]),
        times=st.sampled_from([1, 1, 2, 12]),
    )
    def windows_close(
        self,
        *,
        blue: float,
        green: float,
        count: int,
        price: float,
        slow_s: float,
        length: float,
        shift: float,
        times: int,
    ) -> None:
        for _ in range(times):
            self.close(blue, green, count, price, slow_s, length, shift)

    def close(  # noqa: PLR0917
        self,
        blue: float,
        green: float,
        count: int,
        price: float,
        slow_s: float,
        length: float,
        shift: float,
    ) -> None:
        of_green = round(count * self.standing.percent / 100)
        unseen = round(count * self.standing.shadow_percent / 100)
        since = self.now + shift
        window = WindowSample(
            since,
            since + length,
            side(count - of_green, blue),
            side(of_green + unseen, green, price, slow_s),
        )
        self.look(window, after_s=10)

    @rule()
    def a_window_makes_no_sense(self) -> None:
        mad = SideSample(judged=3, utility=nan, utility_squared=-1.0, verdicts=1, accepted=5)
        self.look(WindowSample(self.now, self.now + 10, mad, mad), after_s=10)

    @rule(after_s=st.sampled_from([-1000.0, 0.0, 1.0, 1.0, 10.0, 700.0, 5000.0]))
    def time_passes(self, after_s: float) -> None:
        self.look(after_s=after_s)

    @rule()
    def the_ledger_is_silent(self) -> None:
        before = self.standing
        self.look(None, after_s=100)
        if before.stage in COMPARED and self.standing.stage is not before.stage:
            # Only a person, a fault or the candidate itself may have moved it.
            assert self.standing.reason not in {
                "Better",
                "NotWorse",
                "Inconclusive",
                "UtilityRegression",
                "Contradictions",
                "StagePassed",
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
        self._check_gates_and_signals(before)
        if Action.RETIRE_BLUE in self.plan.actions:
            assert (before.stage, after.stage) == (Stage.PROMOTED, Stage.COMPLETE)
            assert after.at - before.since >= self.wish.cooldown_s
        if Action.RETIRE_GREEN in self.plan.actions:
            assert after.percent == 0
            assert after.stage in {Stage.ROLLED_BACK, Stage.ABORTED}

    def _check_gates_and_signals(self, before: Standing) -> None:
        after = self.standing
        reached = after.percent > 0 or after.shadow_percent > 0
        waited = before.stage in {Stage.PENDING, Stage.BENCHMARK} and not self.wish.promote
        if waited and reached and after.stage is not Stage.PAUSED:
            assert holding(self.plan.gates) == ()
        if after.stage is not before.stage and after.reason in BY_EVIDENCE:
            assert after.alarms.firing == ()
            assert self.wish.strategy != "Shadow"
        if before.alarms.firing and after.alarms.firing and not self.edited:
            assert after.percent <= before.percent or after.stage is Stage.PROMOTED

    @invariant()
    def shares_are_shares(self) -> None:
        assert self.standing.percent + self.standing.blue_percent == 100
        assert 0 <= self.standing.percent <= 100
        assert 0 <= self.standing.shadow_percent <= 100

    @invariant()
    def shares_are_those_of_the_strategy(self) -> None:
        standing, shares = self.standing, self.wish.shares
        if self.edited or standing.stage not in LIVE:
            return
        if self.wish.strategy == "Utility":
            assert shares.floor_percent <= standing.percent <= shares.ceiling_percent
        elif self.wish.strategy == "Stages":
            assert standing.percent in {step.percent for step in self.wish.ramp}
        else:
            assert standing.percent == 0

    @invariant()
    def an_unseen_candidate_serves_nobody(self) -> None:
        if self.standing.shadow_percent:
            assert Stage.SHADOW in {self.standing.stage, self.standing.before}
            assert self.standing.percent == 0

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
