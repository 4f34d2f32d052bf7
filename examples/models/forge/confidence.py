"""What a served answer's token probabilities say about its being right.

Every signal is in [0, 1], higher is surer, and is read from what vLLM returns with
``logprobs``: the probability of each token of the answer, ``</s>`` among them.
"""

import math
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Final

CHOICES: Final = 99
"""Tokens of the vocabulary: the entropy of a blind guess is ``ln 99``."""


def mean_probability(probabilities: Sequence[float]) -> float:
    """Average the tokens' probabilities.

    >>> mean_probability([1.0, 0.5])
    0.75
    """
    return fmean(probabilities)


def length_normalised(probabilities: Sequence[float]) -> float:
    """Exponential of the mean log-probability: the geometric mean.

    >>> round(length_normalised([1.0, 0.25]), 6)
    0.5
    """
    return math.exp(fmean(math.log(max(p, 1e-12)) for p in probabilities))


def lowest_probability(probabilities: Sequence[float]) -> float:
    """Probability of the least likely token.

    >>> lowest_probability([1.0, 0.5, 0.9])
    0.5
    """
    return min(probabilities)


def sequence_probability(probabilities: Sequence[float]) -> float:
    """Probability of the whole answer: the product over its tokens.

    For a model that is calibrated token by token this is the probability that an answer with one
    right wording is right; it falls with the length of the answer.

    >>> sequence_probability([0.5, 0.5])
    0.25
    """
    return math.prod(probabilities)


def least_margin(probabilities: Sequence[float], runner_ups: Sequence[float]) -> float:
    """Smallest lead of a token over the runner-up (``top_logprobs: 2``).

    >>> round(least_margin([0.9, 0.6], [0.1, 0.4]), 6)
    0.2
    """
    return min(first - second for first, second in zip(probabilities, runner_ups, strict=True))


def least_certainty(entropies: Sequence[float]) -> float:
    """One minus the highest entropy of a token, as a share of a blind guess.

    >>> least_certainty([0.0, 0.0])
    1.0
    """
    return 1 - max(entropies) / math.log(CHOICES)


FROM_PROBABILITIES: Final[dict[str, Callable[[Sequence[float]], float]]] = {
    "mean_probability": mean_probability,
    "length_normalised": length_normalised,
    "lowest_probability": lowest_probability,
    "sequence_probability": sequence_probability,
}


def signals(
    probabilities: Sequence[float], runner_ups: Sequence[float], entropies: Sequence[float]
) -> dict[str, float]:
    """Compute every signal of one answer, by name."""
    found = {name: formula(probabilities) for name, formula in FROM_PROBABILITIES.items()}
    found["least_margin"] = least_margin(probabilities, runner_ups)
    found["least_certainty"] = least_certainty(entropies)
    return found


def auroc(right: Sequence[float], wrong: Sequence[float]) -> float | None:
    """Chance that a right answer scores above a wrong one, ties counting half.

    1 separates perfectly, 0.5 says nothing; None without answers of both kinds.

    >>> auroc([0.9, 0.8], [0.8, 0.1])
    0.875
    """
    if not right or not wrong:
        return None
    wins = sum((r > w) + 0.5 * (r == w) for r in right for w in wrong)
    return wins / (len(right) * len(wrong))


def share_at_least(scores: Sequence[float], floor: float) -> float | None:
    """Share of scores at or over a floor; None without scores.

    >>> share_at_least([0.9, 0.8], 0.85)
    0.5
    """
    return sum(score >= floor for score in scores) / len(scores) if scores else None
