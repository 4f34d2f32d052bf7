"""What holds a ramp, what takes it back, and what is only chance."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from tierwise_core.rollout.alarms import SILENT, Alarms, listen
from tierwise_core.rollout.evidence import Yardstick
from tierwise_core.rollout.judgement import Certainty
from tierwise_core.rollout.samples import SideSample, WindowSample
from tierwise_core.rollout.signals import Signal, Thresholds

FIELD = Yardstick(0.025, 1.5, 20, 10)
STRICT = Thresholds(quality=0.85, p99_s=2.0)
USUAL = SideSample(
    requests=200,
    escalations=10,
    verdicts=200,
    accepted=180,
    cost_usd=0.18,
    p50_s=0.5,
    p99_s=1.0,
)


def heard(
    *green: SideSample,
    blue: SideSample = USUAL,
    limits: Thresholds = STRICT,
    start: Alarms = SILENT,
) -> Alarms:
    """Listen to one window of ten seconds after another."""
    alarms = start
    for number, side in enumerate(green):
        since = alarms.until if number or start is not SILENT else 100.0
        alarms = listen(alarms, WindowSample(since, since + 10, blue, side), limits, FIELD)
    return alarms


def holds(*green: SideSample, blue: SideSample = USUAL) -> set[Signal]:
    return {one.signal for one in heard(*green, blue=blue).firing}


def takes_back(*green: SideSample, blue: SideSample = USUAL) -> Signal | None:
    alarm = heard(*green, blue=blue).persisting(Certainty())
    return alarm.signal if alarm else None


LOW = replace(USUAL, accepted=160, cost_usd=0.16)
ESCALATING = replace(USUAL, escalations=60)
DEAR = replace(USUAL, cost_usd=0.25)
SLOW = replace(USUAL, p50_s=1.2, p99_s=2.1)
TAILED = replace(USUAL, p99_s=1.6)


def test_nothing_is_held_for_a_candidate_like_blue() -> None:
    assert holds(*[USUAL] * 10) == set()


def test_nothing_is_held_where_nothing_was_measured() -> None:
    assert holds() == holds(*[SideSample(requests=100)] * 3) == set()


def test_quality_holds_at_the_second_window_in_a_row_below_the_floor() -> None:
    assert holds(USUAL, LOW, USUAL, LOW) == set()
    assert holds(USUAL, LOW, LOW) == {Signal.QUALITY}
    assert holds(USUAL, LOW, LOW, USUAL) == set()


def test_escalations_hold_for_five_points_more_but_not_for_a_few_requests() -> None:
    few = SideSample(requests=50, escalations=6)

    assert holds(*[ESCALATING] * 3) == {Signal.ESCALATIONS}
    assert holds(few) == set()


def test_cost_holds_when_an_accepted_answer_costs_a_tenth_more_twice_in_a_row() -> None:
    assert holds(DEAR, USUAL, DEAR) == set()
    assert holds(USUAL, DEAR, DEAR) == {Signal.COST}
    assert holds(*[replace(USUAL, cost_usd=0.19)] * 5) == set()


def test_cost_says_nothing_of_windows_without_an_accepted_answer() -> None:
    assert holds(*[SideSample(requests=100, cost_usd=1.0)] * 3) == set()


def test_latency_holds_when_the_objective_is_missed_in_one_of_a_hundred_windows() -> None:
    assert holds(*[USUAL] * 198, SLOW) == set()
    assert holds(*[USUAL] * 97, SLOW, SLOW) == {Signal.LATENCY}


def test_variance_holds_when_the_tail_grows_by_half() -> None:
    assert holds(*[replace(USUAL, p99_s=1.4)] * 5) == set()
    assert holds(*[TAILED] * 5) == {Signal.VARIANCE}


@pytest.mark.parametrize(
    ("bad", "signal"),
    [
        (replace(USUAL, accepted=140), Signal.QUALITY),
        (replace(USUAL, escalations=80), Signal.ESCALATIONS),
        (DEAR, Signal.COST),
        (SLOW, Signal.LATENCY),
        (TAILED, Signal.VARIANCE),
    ],
)
def test_what_goes_on_takes_the_rollout_back_but_not_at_once(
    bad: SideSample, signal: Signal
) -> None:
    assert holds(bad, bad) >= {signal}
    assert takes_back(bad) is None
    assert takes_back(*[bad] * 15) is signal


def test_a_slow_hour_of_both_holds_and_takes_nothing_back() -> None:
    assert holds(*[SLOW] * 60, blue=SLOW) == {Signal.LATENCY}
    assert takes_back(*[SLOW] * 60, blue=SLOW) is None


def test_what_is_ignored_never_fires() -> None:
    ignoring = replace(STRICT, ignored=(Signal.COST,))

    assert heard(*[DEAR] * 20, limits=ignoring).firing == ()


def test_a_window_is_five_of_the_field_and_the_same_window_again_counts_once() -> None:
    few = replace(DEAR, requests=25, verdicts=25, accepted=18, escalations=1)

    two = heard(few, few)
    again = listen(two, WindowSample(100, 110, USUAL, few), STRICT, FIELD)

    assert two.each[2].windows == 1
    assert again == two


def sides(rng: Random) -> tuple[SideSample, SideSample]:
    return drawn(rng, 950), drawn(rng, 50)


def drawn(rng: Random, count: int) -> SideSample:
    """Answers that differ by nothing but chance: right, escalated, dear and slow alike."""
    accepted = sum(rng.random() < 0.85 for _ in range(count))
    escalated = sum(rng.random() < 0.1 for _ in range(count))
    latencies = sorted(rng.lognormvariate(0.0, 0.5) for _ in range(count))
    cost = sum(rng.lognormvariate(-7.0, 1.0) for _ in range(count))
    return SideSample(
        verdicts=count,
        accepted=accepted,
        requests=count,
        escalations=escalated,
        cost_usd=cost,
        p50_s=latencies[count // 2],
        p99_s=latencies[int(0.99 * count)],
    )


def test_chance_alone_takes_nobody_back_however_often_one_looks() -> None:
    rng = Random(11)  # noqa: S311 - seeded
    limits = Thresholds(quality=0.85, p99_s=3.0)
    held = 0

    for _ in range(12):
        alarms = SILENT
        for number in range(30):
            blue, green = sides(rng)
            alarms = listen(alarms, WindowSample(number, number + 1, blue, green), limits, FIELD)
            held += bool(alarms.firing)
            assert alarms.persisting(Certainty()) is None

    assert held  # it does hold now and then, which costs nothing but time
