"""What tokens say about an answer is read off answers whose truth is known."""

import doctest
import math
from random import Random

import pytest

from forge import evidence
from forge.evidence import Answered, Evidence, fitted, passing
from tierwise_core.confidence import EVIDENCE_PER_LOGIT, NEUTRAL_TOKEN, token_evidence


def probability(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def answers_of_a_model_that(slope: float, neutral: float, count: int = 20_000) -> list[Answered]:
    """Answers whose chance of being right is exactly what the slope and the neutral point say."""
    chance, truth = Random(7), Evidence(slope, neutral)  # noqa: S311 - no secret
    lows = [probability(chance.gauss(evidence.logit(neutral), 2)) for _ in range(count)]
    return [Answered("m", "f", low, chance.random() < probability(truth.of(low))) for low in lows]


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(evidence).failed == 0


def test_the_fit_finds_the_law_that_made_the_answers() -> None:
    found = fitted(answers_of_a_model_that(slope=0.6, neutral=0.9))
    assert found.slope == pytest.approx(0.6, abs=0.03)
    assert found.neutral == pytest.approx(0.9, abs=0.01)


def test_how_many_were_asked_of_a_kind_does_not_matter() -> None:
    some = answers_of_a_model_that(slope=0.6, neutral=0.9, count=2_000)
    wrong_twice = [*some, *(one for one in some if not one.right)]
    assert fitted(wrong_twice).slope == pytest.approx(fitted(some).slope)
    assert fitted(wrong_twice).neutral == pytest.approx(fitted(some).neutral)


@pytest.mark.parametrize("right", [True, False])
def test_answers_of_one_kind_tell_nothing(right: bool) -> None:  # noqa: FBT001 - parametrised
    with pytest.raises(ValueError, match="right and wrong answers"):
        fitted([Answered("m", "f", 0.9, right)] * 5)


def test_a_higher_floor_lets_fewer_pass() -> None:
    some = answers_of_a_model_that(slope=0.6, neutral=0.9, count=2_000)
    shares = [
        passing(some, "m", Evidence(0.6, 0.9), predicted=0.8, floor=floor)[0]
        for floor in (0.5, 0.8, 0.95)
    ]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1]


@pytest.mark.parametrize("low", [0.9, 0.95, 0.97])
def test_the_router_weighs_tokens_as_the_evidence_does(low: float) -> None:
    ours = Evidence(EVIDENCE_PER_LOGIT, NEUTRAL_TOKEN).of(low)
    assert token_evidence([math.log(low)]) == pytest.approx(ours)
