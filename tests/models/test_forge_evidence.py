"""What tokens say about an answer is read off answers whose truth is known."""

import doctest
import math
from random import Random

import pytest

from forge import evidence
from forge.evidence import Answered, Evidence, best_evidence, brier, logit, passing
from tierwise_core.confidence import EVIDENCE_PER_LOGIT, NEUTRAL_TOKEN, answer_confidence


def answers_of(model: str, law: Evidence, count: int) -> list[Answered]:
    """Answers whose chance of being right is exactly the confidence under a law."""
    chance = Random(model)  # noqa: S311 - no secret
    found = []
    for _ in range(count):
        low = 1 / (1 + math.exp(-chance.gauss(logit(law.neutral), 2)))
        sure = law.confidence(Answered(model, low, right=True, predicted=0.8))
        found.append(Answered(model, low, chance.random() < sure, 0.8))
    return found


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(evidence).failed == 0


def test_the_law_that_made_the_answers_is_found() -> None:
    law = Evidence(slope=0.7, neutral=0.95)
    found, score = best_evidence([one for name in "abc" for one in answers_of(name, law, 2_000)])
    assert found.slope == pytest.approx(law.slope, abs=0.11)
    assert found.neutral == pytest.approx(law.neutral, abs=0.011)
    assert score < 0.25  # what knowing nothing would score


def test_each_model_counts_the_same_however_much_it_was_asked() -> None:
    many, few = (
        answers_of("a", Evidence(1.0, 0.99), 500),
        answers_of("b", Evidence(0.5, 0.91), 500),
    )
    assert best_evidence([*many, *many, *few])[0] == best_evidence([*many, *few])[0]


def test_a_higher_floor_lets_fewer_pass() -> None:
    law = Evidence(0.7, 0.95)
    some = answers_of("a", law, 2_000)
    shares = [passing(law, some, floor)[True] for floor in (0.5, 0.8, 0.95)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1]


def test_certainty_about_wrong_answers_scores_worst() -> None:
    wrong = [Answered("a", 0.9999, right=False, predicted=0.9)]
    assert brier(Evidence(1.0, 0.9), wrong) > brier(Evidence(1.0, 0.9999), wrong)


@pytest.mark.parametrize("low", [0.2, 0.9, 0.98, 0.999])
def test_the_router_weighs_tokens_as_the_evidence_does(low: float) -> None:
    ours = Evidence(EVIDENCE_PER_LOGIT, NEUTRAL_TOKEN)
    wanted = ours.confidence(Answered("a", low, right=True, predicted=0.91))
    assert answer_confidence([math.log(low)], 0.91) == pytest.approx(wanted)
