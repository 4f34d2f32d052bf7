"""Curves of quality over calls to the strong model, and the figures made of them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.curves import Outcome, brier, calibration_error, curve, reliability

OUTCOMES = st.lists(
    st.builds(
        Outcome,
        score=st.sampled_from([0.0, 0.1, 0.5, 0.9]),
        cheap=st.sampled_from([0.0, 1.0]),
        strong=st.sampled_from([0.0, 1.0]),
        cheap_usd=st.just(1.0),
        strong_usd=st.just(5.0),
    ),
    min_size=1,
    max_size=60,
)


@given(OUTCOMES)
def test_a_curve_runs_from_nobody_to_everybody(outcomes: list[Outcome]) -> None:
    drawn = curve(outcomes)
    count = len(outcomes)

    assert drawn.cheap.strong_share == 0.0
    assert drawn.cheap.accepted == pytest.approx(sum(one.cheap for one in outcomes) / count)
    assert drawn.strong.strong_share == 1.0
    assert drawn.strong.accepted == pytest.approx(sum(one.strong for one in outcomes) / count)
    shares = [point.strong_share for point in drawn.points]
    assert shares == sorted(set(shares))
    for point in drawn.points:
        assert point.usd == pytest.approx(1.0 + 4.0 * point.strong_share)


@given(OUTCOMES, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_says_nothing(outcomes: list[Outcome], chance: random.Random) -> None:
    shuffled = chance.sample(outcomes, len(outcomes))
    mine, other = curve(outcomes).points, curve(shuffled).points

    assert [p.strong_share for p in mine] == [p.strong_share for p in other]
    assert [p.accepted for p in mine] == pytest.approx([p.accepted for p in other])


def test_a_score_that_says_nothing_is_routing_at_random() -> None:
    drawn = curve([Outcome(0.3, 0, 1), Outcome(0.3, 1, 1), Outcome(0.3, 1, 0), Outcome(0.3, 0, 1)])

    assert drawn.apgr == pytest.approx(0.5)
    assert drawn.calls_for(0.5) == pytest.approx(0.5)
    assert drawn.calls_for(0.8) == pytest.approx(0.8)
    assert drawn.at_share(0.25).accepted == pytest.approx(0.5 + 0.25 * 0.25)


def test_knowing_whom_the_strong_model_helps_is_the_best_there_is() -> None:
    outcomes = [Outcome(1.0, 0, 1)] * 2 + [Outcome(0.0, 1, 1)] * 8

    drawn = curve(outcomes)

    assert drawn.calls_for(1.0) == pytest.approx(0.2)
    assert drawn.apgr == pytest.approx(0.9)


def test_a_strong_model_that_is_not_better_has_no_gap_to_recover() -> None:
    with pytest.raises(ValueError, match="not accepted more often"):
        _ = curve([Outcome(0.5, 1, 0)]).apgr


def test_a_curve_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        curve([])


def test_what_is_said_right_is_calibrated() -> None:
    told = [0.25] * 400 + [0.75] * 400
    came = ([1.0] * 100 + [0.0] * 300) + ([1.0] * 300 + [0.0] * 100)

    assert calibration_error(told, came) == pytest.approx(0.0)
    assert brier(told, came) == pytest.approx(0.1875)
    assert [one.count for one in reliability(told, came)] == [400, 400]


def test_certainty_falls_into_the_last_bin() -> None:
    assert reliability([1.0], [1.0])[0].predicted == 1.0
