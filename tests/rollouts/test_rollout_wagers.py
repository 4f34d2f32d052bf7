"""Nobody who bets against something true expects to gain, whatever the numbers are."""

from __future__ import annotations

from math import exp, log
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tierwise_core.rollout.evidence import Evidence, Yardstick, observe
from tierwise_core.rollout.judgement import Certainty
from tierwise_core.rollout.purses import Purse
from tierwise_core.rollout.samples import SideSample, WindowSample
from tierwise_core.rollout.wagers import Contest, Expected, RateContest, Sums, mixed

shares = st.floats(0.02, 0.98)
counts = st.integers(1, 6)
CODE = Yardstick(delta=0.025, tolerance=1.5, first=20, step=10)


def outcomes(count: int, share: float) -> list[tuple[float, int]]:
    """Every number of ones in ``count`` draws, with its chance."""
    chances, ways = [], 1
    for ones in range(count + 1):
        chances.append((ways * share**ones * (1 - share) ** (count - ones), ones))
        ways = ways * (count - ones) // (ones + 1)
    return chances


@given(
    low=counts,
    high=counts,
    share=shares,
    above=st.floats(0, 1),
    known=shares,
    variance=st.floats(0.001, 0.25),
    gap=st.floats(0.001, 1),
    tested=st.floats(-0.3, 0.3),
)
def test_a_bet_on_means_gains_nothing_where_the_hypothesis_holds(
    *,
    low: int,
    high: int,
    share: float,
    above: float,
    known: float,
    variance: float,
    gap: float,
    tested: float,
) -> None:
    # The high side is as high as the hypothesis allows, or lower by a part of it.
    assume(share + tested >= 0)
    of_high = min(1.0, share + tested) * above
    expected = Expected(known, variance)

    average = sum(
        of_low * of_top * exp(_contest(low, ones, high, more, expected).gain(tested, gap))
        for of_low, ones in outcomes(low, share)
        for of_top, more in outcomes(high, of_high)
    )

    assert average <= 1 + 1e-9


def _contest(low: int, ones: int, high: int, more: int, known: Expected) -> Contest:
    return Contest(Sums(low, ones, ones), Sums(high, more, more), known, known)


@given(
    more=counts,
    less=counts,
    ratio=st.sampled_from([1.0, 1.5, 3.0]),
    share=st.floats(0.01, 0.98),
    below=st.floats(0, 1),
    usual=st.floats(0.01, 0.3),
    times=st.floats(1.01, 3),
)
def test_a_bet_on_rates_gains_nothing_where_the_hypothesis_holds(
    *, more: int, less: int, ratio: float, share: float, below: float, usual: float, times: float
) -> None:
    of_more = min(1.0, ratio * share) * below
    bet_on = min(0.97, ratio * usual * times)

    average = sum(
        one * other * exp(RateContest((more, ones), (less, some), ratio).gain(bet_on, usual))
        for one, ones in outcomes(more, of_more)
        for other, some in outcomes(less, share)
    )

    assert average <= 1 + 1e-6


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=30))
def test_a_purse_with_late_starts_holds_no_more_than_its_bets_could_have_brought(
    gains: list[float],
) -> None:
    purse = Purse((0.0,))
    for gain in gains:
        purse = purse.bet([gain], late_starts=True)

    best = max(sum(gains[start:]) for start in range(len(gains) + 1))
    assert purse.capital((1.0,)) <= max(0.0, best) + 1e-9
    assert purse.capital((1.0,)) >= sum(gains) + log(0.75) - 1e-9


def test_bettors_share_what_they_began_with() -> None:
    assert mixed((0.25, 0.75), (0.0, 0.0)) == pytest.approx(0.0)


def side(count: int, right: float, rng: Random) -> SideSample:
    ones = [rng.random() < right for _ in range(count)]
    values = [min(1.0, max(0.0, 0.7 * one + 0.3 * rng.gauss(0.8, 0.1))) for one in ones]
    squares = sum(value * value for value in values)
    return SideSample(
        count, sum(values), squares, verdicts=count, accepted=sum(ones), requests=count
    )


def run(right: float, rng: Random, windows: int, *, blue: float = 0.85) -> Evidence:
    evidence = Evidence()
    for number in range(windows):
        window = WindowSample(
            10.0 * number, 10.0 * (number + 1), side(10, blue, rng), side(10, right, rng)
        )
        evidence = observe(evidence, window, CODE)
        if evidence.worse_log >= log(1 / Certainty().reject_equal):
            break
    return evidence


@pytest.mark.parametrize("right", [0.5, 0.85, 0.99])
def test_an_equal_candidate_is_seldom_called_worse_though_looked_at_all_the_time(
    right: float,
) -> None:
    rng = Random(20261122)  # noqa: S311 - seeded

    called = sum(
        run(right, rng, 60, blue=right).worse_log >= log(1 / Certainty().reject_equal)
        for _ in range(100)
    )

    assert called <= 8  # 4 of 100 at most on average; nine or more have a chance of 1 in 50


def test_a_broken_candidate_is_found_within_twice_the_window_of_its_answers() -> None:
    rng = Random(7)  # noqa: S311 - seeded

    for _ in range(20):
        evidence = Evidence()
        for number in range(20):
            window = WindowSample(number, number + 1, side(19, 0.85, rng), side(1, 0.2, rng))
            evidence = observe(evidence, window, CODE)

        assert evidence.worse_log >= log(1 / Certainty().reject_equal)


def test_a_candidate_that_turns_bad_late_is_found_although_it_was_better_for_long() -> None:
    rng = Random(3)  # noqa: S311 - seeded
    evidence = run(0.9, rng, 100)
    assert evidence.worse_log < 0

    for number in range(100, 130):
        window = WindowSample(
            10.0 * number, 10.0 * (number + 1), side(10, 0.85, rng), side(10, 0.4, rng)
        )
        evidence = observe(evidence, window, CODE)

    assert evidence.worse_log >= log(1 / Certainty().reject_equal)
