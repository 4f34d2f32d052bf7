"""How sure, before and after: tokens move a prediction, and the field and the record carry it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from routes import a_route

from tierwise_core.confidence import (
    GENERALIST_PRIOR,
    Action,
    Record,
    answer_confidence,
    predicted_confidence,
    token_evidence,
    verdict,
)
from tierwise_core.routing import Hop

SHARES = st.floats(0.0, 1.0)
LOGPROBS = st.lists(st.floats(-30.0, 0.0), min_size=1, max_size=40)


def a_hop(floor: float) -> Hop:
    return Hop(a_route("sorter"), predicted_confidence=0.9, floor=floor, reason="field 'sorting'")


def lowest_of(probability: float, tokens: int = 5) -> list[float]:
    return [math.log(probability)] + [0.0] * (tokens - 1)


def test_a_confident_answer_in_the_field_passes_the_floor() -> None:
    assert answer_confidence(lowest_of(0.9999), predicted_confidence(0.99, 0.97)) > 0.95


def test_one_doubtful_token_fails_it() -> None:
    assert answer_confidence(lowest_of(0.5), predicted_confidence(0.99, 0.97)) < 0.85


def test_certain_tokens_do_not_carry_a_question_of_another_field() -> None:
    outside = predicted_confidence(probability=0.6, in_domain=0.1)

    assert answer_confidence(lowest_of(0.9999), outside) < 0.55


def test_a_mean_token_probability_that_looks_fine_does_not_gate() -> None:
    wrong_addition = [math.log(p) for p in (1.0, 1.0, 1.0, 1.0, 0.55)]

    mean = sum(math.exp(value) for value in wrong_addition) / len(wrong_addition)

    assert mean > 0.9
    assert answer_confidence(wrong_addition, 0.91) < 0.85


def test_without_tokens_the_prediction_stands() -> None:
    assert answer_confidence([], 0.87) == 0.87


def test_a_generalist_starts_below_a_specialist() -> None:
    assert predicted_confidence(1.0, 1.0, prior=GENERALIST_PRIOR) < predicted_confidence(1.0, 1.0)


def test_a_record_counts_more_the_longer_it_is() -> None:
    few = predicted_confidence(1.0, 1.0, Record(accepted=1, rejected=4))
    many = predicted_confidence(1.0, 1.0, Record(accepted=100, rejected=400))

    assert many < few < predicted_confidence(1.0, 1.0)
    assert many == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize("lie", [math.nan, 1.0, math.inf])
def test_a_value_that_is_no_log_probability_counts_against_the_answer(lie: float) -> None:
    assert token_evidence([0.0, lie]) == token_evidence([0.0, math.log(1e-6)]) == -4.0


def test_minus_infinity_is_a_token_the_model_ruled_out() -> None:
    assert token_evidence([0.0, -math.inf]) == -4.0


def test_a_long_answer_may_have_an_unlikely_word() -> None:
    assert answer_confidence(lowest_of(0.1, tokens=400), 0.91) > 0.85
    assert answer_confidence(lowest_of(0.1, tokens=8), 0.91) < 0.55


@given(LOGPROBS, SHARES)
def test_every_confidence_is_a_probability(logprobs: list[float], predicted: float) -> None:
    assert 0.0 <= answer_confidence(logprobs, predicted) <= 1.0


@given(LOGPROBS, SHARES, SHARES)
def test_a_better_prediction_never_lowers_the_confidence(
    logprobs: list[float], one: float, other: float
) -> None:
    worse, better = sorted([one, other])

    assert answer_confidence(logprobs, worse) <= answer_confidence(logprobs, better)


@given(LOGPROBS, SHARES, st.floats(-30.0, 0.0))
def test_a_less_likely_token_never_raises_it(
    logprobs: list[float], predicted: float, other: float
) -> None:
    doubted = [min(logprobs[0], other), *logprobs[1:]]

    assert answer_confidence(doubted, predicted) <= answer_confidence(logprobs, predicted)


@given(SHARES, SHARES, st.floats(0, 1e6), st.floats(0, 1e6))
def test_every_prediction_is_a_probability(
    probability: float, in_domain: float, accepted: float, rejected: float
) -> None:
    record = Record(accepted, rejected)

    assert 0.0 <= predicted_confidence(probability, in_domain, record) <= 1.0


@pytest.mark.parametrize(
    ("confidence", "is_last", "action", "reason"),
    [
        (0.91, False, Action.ACCEPT, "0.91 >= floor 0.85"),
        (0.85, True, Action.ACCEPT, "0.85 >= floor 0.85"),
        (0.41, False, Action.ESCALATE, "0.41 < floor 0.85"),
        (0.41, True, Action.ABSTAIN, "0.41 < floor 0.85"),
        (0.8496, True, Action.ABSTAIN, "0.8496 < floor 0.85"),
    ],
)
def test_the_verdict_says_what_was_compared(
    *, confidence: float, is_last: bool, action: Action, reason: str
) -> None:
    given_verdict = verdict(a_hop(0.85), confidence, is_last=is_last)

    assert (given_verdict.action, given_verdict.reason) == (action, reason)


@given(confidence=SHARES, floor=SHARES, is_last=st.booleans())
def test_what_is_accepted_reached_the_floor_and_nothing_else(
    *, confidence: float, floor: float, is_last: bool
) -> None:
    accepted = verdict(a_hop(floor), confidence, is_last=is_last).action is Action.ACCEPT

    assert accepted == (confidence >= floor)
