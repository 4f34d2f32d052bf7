"""What holds a ramp, what takes it back, and what is only chance."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import comb, exp, isfinite
from random import Random

import pytest

from tierwise_core.rollout.alarms import SILENT, Alarms, listen
from tierwise_core.rollout.evidence import Yardstick
from tierwise_core.rollout.judgement import Certainty
from tierwise_core.rollout.samples import SideSample, WindowSample
from tierwise_core.rollout.signals import Pair, Signal, Thresholds, read

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


@pytest.mark.parametrize(
    ("bad", "windows"),
    [
        (replace(USUAL, accepted=140), 3),
        (replace(USUAL, accepted=160), 8),
        (replace(USUAL, escalations=60), 2),
        (replace(USUAL, escalations=40), 3),
        (DEAR, 13),
        (SLOW, 7),
        (TAILED, 13),
    ],
)
def test_so_many_windows_in_a_row_take_the_rollout_back(bad: SideSample, windows: int) -> None:
    alarms, count = SILENT, 0
    while alarms.persisting(Certainty()) is None:
        alarms, count = heard(bad, start=alarms), count + 1
    assert count == windows


def test_a_slow_hour_of_both_holds_and_takes_nothing_back() -> None:
    assert holds(*[SLOW] * 60, blue=SLOW) == {Signal.LATENCY}
    assert takes_back(*[SLOW] * 60, blue=SLOW) is None


def test_what_is_ignored_never_fires() -> None:
    ignoring = replace(STRICT, ignored=(Signal.COST,))

    assert heard(*[DEAR] * 20, limits=ignoring).firing == ()


def test_a_signal_that_is_ignored_from_now_on_falls_silent_and_others_keep_what_they_know() -> None:
    firing = heard(*[DEAR] * 3)
    unpriced = replace(USUAL, accepted=0, verdicts=0)

    ignored = heard(DEAR, limits=replace(STRICT, ignored=(Signal.COST,)), start=firing)
    unread = heard(unpriced, start=firing)

    assert ignored.firing == ()
    assert unread.firing == firing.firing


def test_a_window_is_five_of_the_field_and_the_same_window_again_counts_once() -> None:
    few = replace(DEAR, requests=25, verdicts=25, accepted=18, escalations=1)

    two = heard(few, few)
    again = listen(two, WindowSample(100, 110, USUAL, few), STRICT, FIELD)

    assert two.each[2].windows == 1
    assert again == two


NOTHING = Pair(SideSample(), SideSample())


def capital(signal: Signal, green: SideSample, blue: SideSample = USUAL) -> list[float]:
    """What the bettors against green have after a window, of 1 each."""
    reading = read(signal, NOTHING, Pair(blue, green), STRICT)
    assert reading is not None
    return [exp(gain) for gain in reading.gains]


def on_average(signal: Signal, outcomes: list[tuple[float, SideSample, SideSample]]) -> list[float]:
    """What they have on average over outcomes: each with its chance, green's and blue's part."""
    assert sum(chance for chance, _, _ in outcomes) == pytest.approx(1)
    parts = [[chance * held for held in capital(signal, *both)] for chance, *both in outcomes]
    return [sum(of_one) for of_one in zip(*parts, strict=True)]


def drawn_of(count: int, share: float) -> list[tuple[float, int]]:
    """Every number of so many that may be hit, with its chance."""
    hits = range(count + 1)
    return [(comb(count, k) * share**k * (1 - share) ** (count - k), k) for k in hits]


def accepting(share: float) -> list[float]:
    outcomes = [
        (chance, SideSample(requests=5, verdicts=5, accepted=accepted), USUAL)
        for chance, accepted in drawn_of(5, share)
    ]
    return on_average(Signal.QUALITY, outcomes)


def test_nobody_gains_against_green_at_the_quality_floor_or_above_it() -> None:
    assert accepting(0.85) == pytest.approx([1.0, 1.0, 1.0])
    assert max(accepting(0.95)) < 1
    assert max(accepting(0.6)) > 1.5


@pytest.mark.parametrize("missed", [0.02, 0.3, 0.9])
def test_nobody_gains_where_green_misses_the_objective_no_more_often_than_blue(
    missed: float,
) -> None:
    held = on_average(
        Signal.LATENCY,
        [
            (one * other, SLOW if green else USUAL, SLOW if blue else USUAL)
            for (one, green), (other, blue) in product(drawn_of(1, missed), repeat=2)
        ],
    )

    assert max(held) <= 1 + 1e-9


@pytest.mark.parametrize(("signal", "over"), [(Signal.COST, DEAR), (Signal.VARIANCE, TAILED)])
def test_nobody_gains_where_green_is_over_the_line_every_other_time(
    signal: Signal, over: SideSample
) -> None:
    held = on_average(signal, [(0.5, over, USUAL), (0.5, USUAL, USUAL)])

    assert held == pytest.approx([1.0, 1.0])
    assert min(capital(signal, over)) > 1.4


def test_nobody_gains_where_green_escalates_as_many_points_more_as_are_allowed() -> None:
    def escalated(count: int) -> SideSample:
        return SideSample(requests=4, escalations=count)

    both = product(drawn_of(4, 0.3 + STRICT.escalation_points), drawn_of(4, 0.3))
    held = on_average(
        Signal.ESCALATIONS,
        [(one * other, escalated(green), escalated(blue)) for (one, green), (other, blue) in both],
    )

    assert max(held) <= 1
    assert max(capital(Signal.ESCALATIONS, escalated(4), escalated(0))) > 1


def test_a_signal_without_its_limit_or_its_figures_says_nothing() -> None:
    bare = SideSample(requests=200)
    for signal in Signal:
        assert read(signal, NOTHING, Pair(SideSample(), SideSample()), STRICT) is None
    for signal in (Signal.COST, Signal.LATENCY, Signal.VARIANCE):
        assert read(signal, NOTHING, Pair(USUAL, bare), STRICT) is None
        assert read(signal, NOTHING, Pair(bare, USUAL), STRICT) is None
    for signal in (Signal.QUALITY, Signal.LATENCY):
        assert read(signal, NOTHING, Pair(USUAL, USUAL), Thresholds()) is None


@pytest.mark.parametrize(
    ("signal", "at_the_line"),
    [
        (Signal.QUALITY, replace(USUAL, accepted=170)),
        (Signal.COST, replace(USUAL, cost_usd=0.18 * 1.1)),
        (Signal.LATENCY, replace(USUAL, p99_s=2.0)),
        (Signal.VARIANCE, replace(USUAL, p99_s=1.5)),
    ],
)
def test_what_lies_on_the_line_is_not_over_it(signal: Signal, at_the_line: SideSample) -> None:
    assert not is_over(signal, at_the_line)


@pytest.mark.parametrize(
    ("signal", "beyond"),
    [
        (Signal.QUALITY, replace(USUAL, accepted=169)),
        (Signal.COST, replace(USUAL, cost_usd=0.18 * 1.11)),
        (Signal.LATENCY, replace(USUAL, p99_s=2.01)),
        (Signal.VARIANCE, replace(USUAL, p99_s=1.51)),
    ],
)
def test_what_lies_just_beyond_the_line_is_over_it(signal: Signal, beyond: SideSample) -> None:
    assert is_over(signal, beyond)


def is_over(signal: Signal, green: SideSample, blue: SideSample = USUAL) -> bool:
    reading = read(signal, NOTHING, Pair(blue, green), STRICT)
    assert reading is not None
    return reading.over


def test_escalations_count_from_five_points_more_on_and_beyond_chance() -> None:
    blue = SideSample(requests=1_000_000, escalations=100_000)

    assert not is_over(Signal.ESCALATIONS, replace(blue, escalations=150_000), blue)
    assert is_over(Signal.ESCALATIONS, replace(blue, escalations=151_200), blue)
    few = SideSample(requests=400, escalations=40)
    assert not is_over(Signal.ESCALATIONS, replace(few, escalations=76), few)
    assert is_over(Signal.ESCALATIONS, replace(few, escalations=84), few)


def test_a_signal_tells_since_when_it_fires_and_why() -> None:
    (found,) = heard(USUAL, DEAR, DEAR, DEAR).firing
    silent = heard(USUAL, DEAR, DEAR, USUAL)

    assert (found.signal, found.since) == (Signal.COST, 130.0)
    assert found.why.startswith("an accepted answer of green's costs USD 0.00138889, of blue's")
    assert silent.firing == ()
    (again,) = heard(DEAR, DEAR, start=silent).firing
    assert again.since == 160.0


def test_after_a_step_back_a_signal_has_to_fire_once_more() -> None:
    alarms = heard(*[DEAR] * 13)
    assert alarms.persisting(Certainty())

    back = alarms.listening_again()

    assert back.persisting(Certainty()) is None
    assert back.firing == alarms.firing
    assert heard(DEAR, start=back).persisting(Certainty())


def test_a_window_that_was_read_is_not_read_again_with_the_next() -> None:
    closed = heard(USUAL)

    assert (closed.waiting_blue, closed.waiting_green) == (SideSample(), SideSample())


def test_escalations_are_counted_over_all_windows_of_both_sides() -> None:
    """A rise of blue's in one window does not hide what green did in all."""
    calm = heard(*[ESCALATING] * 3)
    busy = replace(USUAL, escalations=60)

    after = heard(ESCALATING, blue=busy, start=calm)

    assert after.blue.requests == after.green.requests == 800
    assert Signal.ESCALATIONS in {one.signal for one in after.firing}


@pytest.mark.parametrize("floor", [0.0, 1.0])
def test_a_quality_floor_of_nothing_or_all_can_be_bet_on_too(floor: float) -> None:
    reading = read(Signal.QUALITY, NOTHING, Pair(USUAL, LOW), Thresholds(quality=floor))

    assert reading is not None
    assert reading.over is (floor == 1.0)
    assert all(map(isfinite, reading.gains))


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

    for _ in range(4):
        alarms = SILENT
        for number in range(30):
            blue, green = sides(rng)
            alarms = listen(alarms, WindowSample(number, number + 1, blue, green), limits, FIELD)
            held += bool(alarms.firing)
            assert alarms.persisting(Certainty()) is None

    assert held  # it does hold now and then, which costs nothing but time
