"""What one more certain token says about an answer: the constants of the router's confidence.

A logistic regression of "the answer is right" on the logit of its lowest token probability, over
the answers of every model to the questions it could be asked. Models weigh the same, and so do
right and wrong answers of one model: how often a model is right is the prediction's matter, and
must not be counted twice.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LEAST: Final = 1e-6
ROUNDS: Final = 50
ENOUGH: Final = 1e-10


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer: whose, to what family, its lowest token probability, and whether it is right."""

    model: str
    family: str
    lowest: float
    right: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """``slope * (logit(lowest) - logit(neutral))`` is what the tokens add to the prediction."""

    slope: float
    neutral: float

    def of(self, lowest: float) -> float:
        """Weigh a lowest token probability, in logits.

        >>> round(Evidence(slope=0.7, neutral=0.985).of(0.90), 2)
        -1.39
        """
        return self.slope * (logit(lowest) - logit(self.neutral))


def logit(probability: float) -> float:
    """Log-odds of a probability, kept finite.

    >>> logit(0.5), round(logit(1.0), 1)
    (0.0, 13.8)
    """
    bounded = min(max(probability, LEAST), 1 - LEAST)
    return math.log(bounded / (1 - bounded))


def weighed(answers: Sequence[Answered]) -> list[tuple[float, bool, float]]:
    """Give each answer's logit, whether it is right, and its weight.

    >>> some = [Answered("a", "f", 0.5, right) for right in (True, True, False)]
    >>> [weight for _, _, weight in weighed(some)]
    [0.5, 0.5, 1.0]
    """
    counts: dict[tuple[str, bool], int] = {}
    for one in answers:
        counts[one.model, one.right] = counts.get((one.model, one.right), 0) + 1
    return [(logit(one.lowest), one.right, 1 / counts[one.model, one.right]) for one in answers]


def fitted(answers: Sequence[Answered]) -> Evidence:
    """Fit slope and neutral point by Newton's method on the weighed likelihood.

    Raises ValueError when all answers are right, or all wrong: then nothing can be told.
    """
    if len({one.right for one in answers}) != 2:
        raise ValueError("evidence needs right and wrong answers; ask harder questions")
    points = weighed(answers)
    slope, offset = 0.1, 0.0
    for _ in range(ROUNDS):
        step_slope, step_offset = _newton(points, slope, offset)
        slope, offset = slope + step_slope, offset + step_offset
        if abs(step_slope) + abs(step_offset) < ENOUGH:
            break
    return Evidence(slope, 1 / (1 + math.exp(offset / slope)))


def passing(
    answers: Sequence[Answered], model: str, evidence: Evidence, predicted: float, floor: float
) -> tuple[float, float]:
    """Share of a model's right and of its wrong answers that reach a floor.

    >>> some = [Answered("a", "f", 0.999, True), Answered("a", "f", 0.5, False)]
    >>> passing(some, "a", Evidence(0.6, 0.95), predicted=0.91, floor=0.85)
    (1.0, 0.0)
    """
    enough = logit(floor) - logit(predicted)
    passed: dict[bool, list[bool]] = {True: [], False: []}
    for one in answers:
        if one.model == model:
            passed[one.right].append(evidence.of(one.lowest) >= enough)
    right, wrong = (sum(passed[kind]) / max(1, len(passed[kind])) for kind in (True, False))
    return right, wrong


def _newton(
    points: Sequence[tuple[float, bool, float]], slope: float, offset: float
) -> tuple[float, float]:
    """Take one step of Newton's method: the inverse Hessian times the gradient."""
    g0 = g1 = h00 = h01 = h11 = 0.0
    for x, right, weight in points:
        expected = 1 / (1 + math.exp(-(slope * x + offset)))
        residual, spread = weight * (right - expected), weight * expected * (1 - expected)
        g0, g1 = g0 + residual, g1 + residual * x
        h00, h01, h11 = h00 + spread, h01 + spread * x, h11 + spread * x * x
    determinant = h00 * h11 - h01 * h01
    return (h00 * g1 - h01 * g0) / determinant, (h11 * g0 - h01 * g1) / determinant
