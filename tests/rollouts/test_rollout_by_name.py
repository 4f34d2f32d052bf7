"""Rollouts of a Specialist that all clients ask by name, and of whose answers nobody says anything.

The router, the ledger and the machine are the real ones; the operator between them is this file.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from dispatchers import brain
from fake_engine import answers
from ledgers import Clock, Served
from running_routers import engine, run
from two_sides import Tell, TwoSides, tell

from tierwise_core.field_profiles import FieldJudgement
from tierwise_core.rollout.counted import Counted
from tierwise_core.rollout.machine import decide
from tierwise_core.rollout.ramp import Step
from tierwise_core.rollout.signals import Signal, Thresholds
from tierwise_core.rollout.situation import Seen, Standing, Wish, first_standing
from tierwise_core.rollout.stages import FINAL, Stage
from tierwise_core.rollout.tally import Tally, counts
from tierwise_core.route_split import Split
from tierwise_core.verifier_spec import VerifierSpec
from tierwise_ledger.ingest import ingest
from tierwise_ledger.store import Store
from tierwise_router.journal_files import Marks

__all__ = ["engine", "run", "tell"]

ORDERED = VerifierSpec("ordered", "regex", pattern="^a?b?c?d?$")
RAMP = (Step(shadow_percent=100, answers=10), Step(50, answers=20))
# Two engines that answer in a millisecond differ by what else the machine does.
BY_CHANCE = (Signal.COST, Signal.VARIANCE)
WISH = Wish(
    strategy="Stages", ramp=RAMP, on_inconclusive="Promote", cooldown_s=0,
    thresholds=Thresholds(ignored=BY_CHANCE),
)  # fmt: skip
AT_ONCE = 20
MOST_LOOKS = 60


@dataclass(slots=True)
class Rollout:
    """What the operator does: it looks at the ledger, decides, and tells the router the shares."""

    told: TwoSides
    ledger: Served
    wish: Wish = WISH
    standing: Standing = field(default_factory=lambda: first_standing(time.time()))
    tally: Tally | None = None
    marks: Marks = field(default_factory=Marks)
    sides: list[str] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)

    async def goes_on(self) -> Stage:
        """Let clients ask, until it has ended."""
        for number in range(MOST_LOOKS):
            await self._decide()
            if self.standing.stage in FINAL:
                break
            for person in range(AT_ONCE):
                user = f"user-{number}-{person}"
                reply = await self.told.router.chat("sort dbca", "sorter", user=user)
                self.sides.append(reply.headers["x-tierwise-side"])
            with self.ledger.store.begin() as connection:
                ingest(connection, await self.told.rows(self.marks), received_at=time.time())
        return self.standing.stage

    async def _decide(self) -> None:
        self.ledger.clock.now = now = time.time()
        windows = self._windows(now) if counts(self.standing) else ()
        seen = Seen(green_ready=True, windows=windows, routed_percent=self.standing.percent)
        self.standing = decide(self.wish, self.standing, seen, now).standing
        self.stages.append(self.standing.stage)
        hears = not self.standing.shadow_percent
        if counts(self.standing):
            begun = Tally.begin(now, feedback=hears)
            self.tally = self.tally.hearing(feedback=hears) if self.tally else begun
        (route,) = self.told.router.dispatcher.current_brain().table.routes.values()
        split = Split("sorter-v2", self.standing.percent, self.standing.shadow_percent)
        self.told.router.dispatcher.take(brain(replace(route, split=split)))

    def _windows(self, now: float) -> tuple[Any, ...]:
        assert self.tally is not None
        asked = {
            "specialist": "demo/sorter", "blue": "rev-b", "green": "rev-g",
            "since": str(self.tally.since), "feedback": str(self.tally.feedback).lower(),
        }  # fmt: skip
        sums = Counted.read(self.ledger.client.get("/v1/rollouts/sums", params=asked).json())
        self.tally, look = self.tally.count(sums, self.standing, now, FieldJudgement())
        return () if look.window is None else (look.window,)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Served]:
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    yield Served(store, clock=Clock(time.time()))
    store.close()


async def test_a_candidate_as_good_goes_from_the_unseen_stage_to_promotion(
    tell: Tell, ledger: Served
) -> None:
    told = await tell(answers("abcd"), answers("abcd"), verifiers=(ORDERED,))
    rollout = Rollout(told, ledger)

    assert await rollout.goes_on() is Stage.COMPLETE
    stages = [Stage.SHADOW, Stage.CANARY, Stage.PROMOTED, Stage.COMPLETE]
    assert list(dict.fromkeys(rollout.stages)) == stages


async def test_a_worse_one_goes_back_before_anybody_saw_an_answer_of_it(
    tell: Tell, ledger: Served
) -> None:
    told = await tell(answers("abcd"), answers("dcba"), verifiers=(ORDERED,))
    rollout = Rollout(told, ledger)

    assert await rollout.goes_on() is Stage.ROLLED_BACK
    assert set(rollout.sides) == {"blue"}


async def test_a_worse_one_goes_back_from_a_canary_too(tell: Tell, ledger: Served) -> None:
    told = await tell(answers("abcd"), answers("dcba"), verifiers=(ORDERED,))
    rollout = Rollout(told, ledger, Wish())

    assert await rollout.goes_on() is Stage.ROLLED_BACK
    assert 0 < rollout.sides.count("green") < 60
