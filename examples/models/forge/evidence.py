"""What one more certain token says about an answer: the constants of the router's confidence.

The router starts from a prediction and moves it, in logits, by ``slope * (logit(lowest token) -
logit(neutral))``, within bounds. The constants that suit the example models best are those with
the least Brier score: the mean squared distance of that confidence from the truth (1 for a right
answer, 0 for a wrong one), over the answers of every model to questions of its own fields and to
everyday ones outside all of them. Every model weighs the same. The slope is at most 1, so that a
token's odds never count for more than they are: beyond, these few small models gain little (0.0781
at 1.5), and other models' tokens would be over-read.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean
from typing import Final

LEAST: Final = 1e-6
MOST_AGAINST: Final = -4.0
MOST_FOR: Final = 2.0
SLOPES: Final = tuple(round(0.4 + 0.1 * step, 1) for step in range(7))
NEUTRALS: Final = tuple(round(0.90 + 0.005 * step, 3) for step in range(20))


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer: whose, its lowest token probability, whether right, how likely that seemed."""

    model: str
    lowest: float
    right: bool
    predicted: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """How the lowest token moves a prediction."""

    slope: float
    neutral: float

    def confidence(self, one: Answered) -> float:
        """Give the confidence that the router would report.

        >>> sure = Answered("sorter", lowest=0.999, right=True, predicted=0.91)
        >>> round(Evidence(slope=0.7, neutral=0.985).confidence(sure), 3)
        0.986
        """
        moved = self.slope * (logit(one.lowest) - logit(self.neutral))
        total = logit(one.predicted) + min(max(moved, MOST_AGAINST), MOST_FOR)
        return 1 / (1 + math.exp(-total))


def logit(probability: float) -> float:
    """Log-odds of a probability, kept finite.

    >>> logit(0.5), round(logit(1.0), 1)
    (0.0, 13.8)
    """
    bounded = min(max(probability, LEAST), 1 - LEAST)
    return math.log(bounded / (1 - bounded))


def brier(evidence: Evidence, answers: Iterable[Answered]) -> float:
    """Mean squared distance of the confidence from the truth; 0 is perfect.

    >>> known = [Answered("a", 0.5, True, 0.5), Answered("a", 0.5, False, 0.5)]
    >>> brier(Evidence(slope=1.0, neutral=0.5), known)
    0.25
    """
    return fmean((evidence.confidence(one) - one.right) ** 2 for one in answers)


def by_model(answers: Iterable[Answered]) -> dict[str, list[Answered]]:
    """Sort answers by who gave them."""
    found: dict[str, list[Answered]] = {}
    for one in answers:
        found.setdefault(one.model, []).append(one)
    return found


def best_evidence(answers: Sequence[Answered]) -> tuple[Evidence, float]:
    """Find the constants with the least Brier score, and that score; the gentler one on a tie."""
    models = by_model(answers)
    scored = (
        (fmean(brier(evidence, some) for some in models.values()), evidence)
        for evidence in (Evidence(*pair) for pair in product(SLOPES, NEUTRALS))
    )
    score, evidence = min(scored, key=lambda found: (found[0], found[1].slope))
    return evidence, score


def passing(evidence: Evidence, answers: Iterable[Answered], floor: float) -> Mapping[bool, float]:
    """Share of right answers (True) and of wrong ones (False) that reach a floor.

    >>> known = [Answered("a", 0.999, True, 0.9), Answered("a", 0.5, False, 0.9)]
    >>> passing(Evidence(0.7, 0.985), known, floor=0.85)
    {True: 1.0, False: 0.0}
    """
    passed: dict[bool, list[bool]] = {True: [], False: []}
    for one in answers:
        passed[one.right].append(evidence.confidence(one) >= floor)
    return {right: sum(some) / max(1, len(some)) for right, some in passed.items()}
