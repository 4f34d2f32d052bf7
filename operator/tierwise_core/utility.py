"""What a Specialist is worth: U = w_e E + w_c C + w_k K, every term from 0 to 1.

Cost is not in it: where routing weighs cost against utility, it subtracts a term of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log1p, sqrt
from typing import Final

__all__ = [
    "UtilityWeights",
    "confidence_term",
    "curiosity",
    "efficacy",
    "noticeable_change",
    "utility",
]

BASE_CHANGE: Final = 0.05
LEAST_PENALTY: Final = 1.0
TOLERANCE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class UtilityWeights:
    """How much each term counts in a field; together 1, or ValueError."""

    efficacy: float = 0.6
    confidence: float = 0.35
    curiosity: float = 0.05

    def __post_init__(self) -> None:
        """Refuse weights that would take U out of [0, 1]."""
        weights = (self.efficacy, self.confidence, self.curiosity)
        if min(weights) < 0.0 or abs(sum(weights) - 1.0) > TOLERANCE:
            raise ValueError(
                f"weights are efficacy {self.efficacy:g}, confidence {self.confidence:g}, "
                f"curiosity {self.curiosity:g}; give three of 0 or more that sum to 1"
            )


def efficacy(accepted: float, judged: float) -> float:
    """E: the share of judged answers that were accepted, smoothed as if two more had come.

    One of the two was accepted (Laplace's rule), so that the first answer decides nothing. Nothing
    known; one accepted of one; 88 of 100:

    >>> efficacy(0, 0), round(efficacy(1, 1), 3), round(efficacy(88, 100), 3)
    (0.5, 0.667, 0.873)
    """
    return (accepted + 1.0) / (judged + 2.0)


def confidence_term(mean_confidence: float, contradiction_rate: float, penalty: float) -> float:
    """C: what was claimed, less what contradicted something, as often as the field makes it worse.

    ``penalty`` is the field's penaltyMultiplier. Sure at 0.90 and contradicting in 3 of 100; the
    same where a wrong answer counts double:

    >>> round(confidence_term(0.90, 0.03, 1.0), 3), round(confidence_term(0.90, 0.03, 2.0), 3)
    (0.87, 0.84)
    """
    return min(max(mean_confidence - penalty * contradiction_rate, 0.0), 1.0)


def curiosity(tried: int, field_total: int) -> float:
    """K: a bonus for whom a field has seldom tried, that fades as evidence comes.

    ``sqrt(ln(1 + field_total) / (1 + tried))``, 1 at the most: the width of an upper confidence
    bound (Auer et al., "Finite-time Analysis of the Multiarmed Bandit Problem", 2002). Of a
    thousand answers of a field, 20 were its own, then all:

    >>> curiosity(0, 0), round(curiosity(20, 1000), 3), round(curiosity(1000, 1000), 3)
    (0.0, 0.574, 0.083)
    """
    return min(sqrt(log1p(field_total) / (1.0 + tried)), 1.0)


def utility(weights: UtilityWeights, efficacy: float, confidence: float, curiosity: float) -> float:
    """U: the weighted sum of the three terms.

    Accepted at 0.873, sure at 0.84, bonus 0.083, as code is judged:

    >>> round(utility(UtilityWeights(0.6, 0.35, 0.05), 0.873, 0.84, 0.083), 4)
    0.8219
    """
    return (
        weights.efficacy * efficacy
        + weights.confidence * confidence
        + weights.curiosity * curiosity
    )


def noticeable_change(penalty: float) -> float:
    """Tell from which change of U on something is done: 0.05 / penaltyMultiplier.

    Software engineering, general, creative:

    >>> [noticeable_change(penalty) for penalty in (2.0, 1.25, 1.0)]
    [0.025, 0.04, 0.05]
    """
    return BASE_CHANGE / max(penalty, LEAST_PENALTY)
