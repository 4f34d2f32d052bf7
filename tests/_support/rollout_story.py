"""Rollouts decided about every ten seconds, told step by step."""

from __future__ import annotations

from dataclasses import replace

from tierwise_core.rollout.evidence import Baseline, Yardstick
from tierwise_core.rollout.machine import decide
from tierwise_core.rollout.samples import SideSample, WindowSample
from tierwise_core.rollout.situation import Plan, Seen, Standing, Wish, first_standing
from tierwise_core.rollout.stages import FINAL, Stage

CODE = Wish(yardstick=Yardstick(0.025, 1.5, 20, 10), on_inconclusive="Hold")
BLUE = Baseline(0.8, 0.06)
READY = Seen(green_ready=True, routed_percent=0)


class Story:
    """A rollout that is decided about every ten seconds."""

    def __init__(self, wish: Wish = CODE, baseline: Baseline = BLUE) -> None:
        self.wish = wish
        self.now = 1000.0
        self.plan = Plan(first_standing(self.now, baseline))
        self.whys: list[str] = []

    @property
    def standing(self) -> Standing:
        return self.plan.standing

    @property
    def stage(self) -> Stage:
        return self.standing.stage

    def look(self, seen: Seen = READY, after_s: float = 10.0) -> Plan:
        self.now += after_s
        self.plan = decide(self.wish, self.standing, seen, self.now)
        self.whys += [one.why for one in self.plan.transitions]
        return self.plan

    def serve(
        self,
        right: float,
        blue: float = 0.85,
        windows: int = 1,
        count: int = 200,
        price: float = 0.01,
    ) -> Plan:
        """Both sides answer, each by its share, in ``windows`` of ten seconds."""
        for _ in range(windows):
            if self.stage in FINAL:
                break
            green = round(count * self.standing.percent / 100)
            unseen = round(count * self.standing.shadow_percent / 100)
            window = WindowSample(
                self.now,
                self.now + 10,
                side(count - green, blue),
                replace(side(green + unseen, right), cost_usd=price * (green + unseen)),
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
        cost_usd=0.01 * count,
    )
