"""The autoscaler over hours of load: synthetic shapes, and one recorded at a real vLLM.

``recorded_load.csv`` was written by ``bench/scaling/record.py OUT 360`` on 2026-11-22: vLLM 0.32
on two busy cores with the example model sorter, Poisson arrivals over one compressed day.
"""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest

from tierwise_core.load_history import History, Look
from tierwise_core.scaling import Current, desired
from tierwise_core.scaling_policy import ScalingPolicy

LOOK_S = 2.0
SLOTS = 8
SERVICE_S = 4.0
"""A replica answers eight requests at once, each in four seconds: two per second."""

POLICY = ScalingPolicy(
    min_replicas=1, max_replicas=8, target_in_flight=6.4, scale_down_after_seconds=300.0
)
Rate = Callable[[float], float]


@dataclass
class Simulated:
    """A Deployment, its pods and the queue in front of them, in steps of two seconds.

    As Kubernetes does, a Deployment that shrinks loses first the pods that are not ready.
    """

    policy: ScalingPolicy = POLICY
    load_s: float = 60.0
    now: float = 0.0
    history: History = field(default_factory=History)
    replicas: int = 1
    ready_at: list[float] = field(default_factory=lambda: [0.0])
    backlog: float = 0.0
    held: bool = False
    wanted: list[int] = field(default_factory=list)
    backlogs: list[float] = field(default_factory=list)
    killed_loading: int = 0
    arrived: int = 0
    served: float = 0.0
    done: float = 0.0

    def run(self, arrivals: Sequence[int]) -> Simulated:
        for count in arrivals:
            self.now += LOOK_S
            self._serve(count)
            self._scale()
        return self

    def _serve(self, count: int) -> None:
        self.arrived += count
        self.backlog += count
        ready = sum(at <= self.now for at in self.ready_at)
        done = min(self.backlog, ready * SLOTS * LOOK_S / SERVICE_S)
        self.backlog -= done
        self.served += done
        self.done = done
        self.backlogs.append(self.backlog)

    def _scale(self) -> None:
        loading = sum(at > self.now for at in self.ready_at)
        ready = len(self.ready_at) - loading
        # What is in the engines at the moment of a look: the queue, and a look's worth of work.
        load = math.ceil(self.backlog + min(self.arrivals_now, SLOTS * ready))
        look = Look(
            self.now,
            in_flight=load if ready else 0,
            waiting=round(self.backlog) if ready else 0,
            held=0 if ready else load,
            finished=self.done,
            active=load > 0,
            settled=not loading,
        )
        self.history = self.history.plus(look, self.policy)
        current = Current(self.replicas, ready, loading)
        told = desired(self.history, current, self.policy, self.now)
        self._resize(told.desired)

    @property
    def arrivals_now(self) -> float:
        """Requests in service by Little's law, from what was served lately."""
        recent = self.served - (self.marks[-5] if len(self.marks) >= 5 else 0.0)
        self.marks.append(self.served)
        return recent / (5 * LOOK_S) * SERVICE_S

    marks: list[float] = field(default_factory=list)

    def _resize(self, wanted: int) -> None:
        self.ready_at.sort()
        while len(self.ready_at) > wanted:
            gone = self.ready_at.pop()
            self.killed_loading += gone > self.now
        self.ready_at += [self.now + self.load_s] * (wanted - len(self.ready_at))
        self.replicas = wanted
        self.wanted.append(wanted)

    @property
    def changes(self) -> list[int]:
        return [after - before for before, after in pairwise(self.wanted) if after != before]

    @property
    def turns(self) -> int:
        return sum((one > 0) != (other > 0) for one, other in pairwise(self.changes))


def poisson(rng: random.Random, mean: float) -> int:
    """How many arrivals, if so many are expected."""
    at, count = rng.expovariate(1.0), 0
    while at < mean:
        at += rng.expovariate(1.0)
        count += 1
    return count


def arrivals(rate: Rate, seconds: float, seed: int) -> list[int]:
    rng = random.Random(seed)  # noqa: S311 - the same load every time
    looks = [LOOK_S * n for n in range(round(seconds / LOOK_S))]
    return [poisson(rng, rate(at) * LOOK_S) for at in looks]


def steady(at: float) -> float:
    return 5.0


def diurnal(at: float) -> float:
    return 6.0 - 5.5 * math.cos(2 * math.pi * at / 14_400)


def spikes(at: float) -> float:
    return 12.0 if at % 3_600 < 60 else 1.0


def square(at: float) -> float:
    return 9.0 if at % 2_400 < 1_200 else 1.0


def trembling(at: float) -> float:
    """Just around what two replicas are meant for: every look falls on another side."""
    return 3.2 + 0.35 * math.sin(at / 7.0)


SHAPES = [steady, diurnal, spikes, square, trembling]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: str(shape.__name__))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_shape_of_load_makes_it_flap_or_kill_a_loader(shape: Rate, seed: int) -> None:
    seconds = 14_400.0
    seen = Simulated().run(arrivals(shape, seconds, seed))

    assert seen.killed_loading == 0
    assert all(1 <= wanted <= 8 for wanted in seen.wanted)
    assert seen.turns <= 2 * seconds / POLICY.scale_down_after_seconds + 2
    assert seen.served >= 0.99 * seen.arrived


@pytest.mark.parametrize(
    ("shape", "changes"), [(steady, 8), (diurnal, 24), (spikes, 32), (square, 60), (trembling, 16)]
)
def test_how_often_it_changes_its_mind_in_four_hours(shape: Rate, changes: int) -> None:
    for seed in (1, 2, 3):
        assert len(Simulated().run(arrivals(shape, 14_400.0, seed)).changes) <= changes


@pytest.mark.parametrize("shape", [steady, diurnal, trembling])
def test_queues_stay_short_where_the_load_moves_slowly(shape: Rate) -> None:
    seen = Simulated().run(arrivals(shape, 14_400.0, 4))
    after_start = seen.backlogs[300:]

    assert sum(backlog > SLOTS for backlog in after_start) / len(after_start) < 0.03


def test_a_day_costs_far_less_than_replicas_for_its_peak() -> None:
    seen = Simulated().run(arrivals(diurnal, 14_400.0, 5))
    needed = sum(diurnal(LOOK_S * n) * SERVICE_S / 6.4 for n in range(7_200)) / 7_200

    assert sum(seen.wanted) / len(seen.wanted) < 1.45 * (needed + 0.5)
    assert sum(seen.wanted) / len(seen.wanted) < 0.75 * max(seen.wanted)


@pytest.mark.parametrize("load_s", [10.0, 60.0, 300.0])
def test_models_that_load_for_long_are_neither_killed_nor_ordered_twice(load_s: float) -> None:
    step = arrivals(lambda at: 1.0 if at < 1_200 else 5.0, 6_000.0, 6)
    seen = Simulated(load_s=load_s).run(step)

    assert seen.killed_loading == 0
    assert seen.served >= 0.99 * seen.arrived
    if load_s <= 60:
        assert max(seen.wanted) <= 6  # 5 per second are 20 in flight: four replicas


def test_one_that_sleeps_wakes_for_each_burst_and_only_then() -> None:
    policy = replace(POLICY, min_replicas=0, sleep_after_seconds=600.0)
    bursts = arrivals(lambda at: 2.0 if at % 3_600 < 300 else 0.0, 14_400.0, 7)
    seen = Simulated(policy, replicas=0, ready_at=[]).run(bursts)
    asleep = sum(wanted == 0 for wanted in seen.wanted) / len(seen.wanted)

    assert seen.served == pytest.approx(seen.arrived)
    assert seen.killed_loading == 0
    assert sum(before == 0 < after for before, after in pairwise([0, *seen.wanted])) == 4
    assert 0.6 < asleep < 0.85


def recorded() -> list[tuple[float, int, int]]:
    """Seconds, arrivals and requests in flight of each look."""
    path = Path(__file__).with_name("recorded_load.csv")
    with path.open() as file:
        return [
            (float(row["seconds"]), int(row["arrivals"]), int(row["running"]) + int(row["waiting"]))
            for row in csv.DictReader(file)
        ]


@pytest.mark.parametrize("target", [2.0, 4.0, 6.4])
@pytest.mark.parametrize("window", [20.0, 60.0])
def test_the_noise_of_a_real_engine_makes_no_flapping(target: float, window: float) -> None:
    """The engine's own figures, jumping between 2 and 30 within seconds, replayed as they were."""
    policy = ScalingPolicy(1, 12, target, None, window)
    history, current, wanted = History(), 1, []
    ready_at = [0.0]
    for at, _, in_flight in recorded():
        loading = sum(moment > at for moment in ready_at)
        history = history.plus(Look(at, in_flight=in_flight, settled=not loading), policy)
        told = desired(history, Current(current, current - loading, loading), policy, at)
        assert told.desired >= current or not loading
        if not loading:
            assert told.desired * target * 1.1 >= min(in_flight, 12 * target)
        ready_at = [*sorted(ready_at)[: told.desired]]
        ready_at += [at + 10.0] * (told.desired - len(ready_at))
        current = told.desired
        wanted.append(current)
    changes = [after - before for before, after in pairwise(wanted) if after != before]
    turns = sum((one > 0) != (other > 0) for one, other in pairwise(changes))

    assert turns <= 4 + 180 / window
    assert max(wanted) > 1
    assert wanted[-1] == 1


def test_the_arrivals_of_that_day_are_served_by_simulated_replicas() -> None:
    policy = replace(POLICY, max_replicas=40, scale_down_after_seconds=60.0)
    seen = Simulated(policy, load_s=20.0).run([count for _, count, _ in recorded()] + [0] * 90)

    assert seen.killed_loading == 0
    assert seen.served >= 0.99 * seen.arrived
    assert seen.turns <= 6
