"""Scores into probabilities, fitted on examples that were left out of training.

Two numbers come out: how sure the field is among the fields (a softmax with one temperature), and
how likely the question belongs to any field at all (a logistic curve of the best score and of the
share of the text that nobody's examples have).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["DomainGate", "fit_temperature"]

Floats = NDArray[np.float64]

TEMPERATURES: Final = tuple(0.02 * 1.25**step for step in range(16))
DEFAULT_TEMPERATURE: Final = 0.10
OUTSIDERS: Final = 1 / 3
"""The share of questions of nobody's field that is assumed of the traffic."""

NEWTON_STEPS: Final = 25
CONVERGED: Final = 1e-6
PRIOR_STRENGTH: Final = 4.0
PRIOR_GATE: Final = (-5.0, 14.0, -3.0)


def fit_temperature(scores: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """Find the temperature at which the softmax of left-out scores explains the labels best.

    The default counts as eight more examples, so that a handful cannot make it overconfident.
    """
    if len(labels) == 0 or scores.shape[1] < 2:  # noqa: PLR2004 - one field needs no softmax
        return DEFAULT_TEMPERATURE
    centred = scores - scores.max(axis=1, keepdims=True)
    own = centred[np.arange(len(labels)), labels]
    losses = [
        np.sum(np.log(np.exp(centred / heat).sum(axis=1)) - own / heat)
        + 8.0 * np.log(heat / DEFAULT_TEMPERATURE) ** 2
        for heat in TEMPERATURES
    ]
    return float(TEMPERATURES[int(np.argmin(losses))])


@dataclass(frozen=True, slots=True)
class DomainGate:
    """The logistic curve ``sigmoid(bias + per_score * best score + per_unknown * unknown share)``.

    >>> gate = DomainGate(-4.0, 14.0, -1.0)
    >>> round(gate.probability(0.5, 0.2), 3), round(gate.probability(0.1, 0.8), 3)
    (0.943, 0.032)
    """

    bias: float
    per_score: float
    per_unknown: float

    def probability(self, best_score: float, unknown_share: float) -> float:
        """Give the probability that a text belongs to any field."""
        raised = self.bias + self.per_score * best_score + self.per_unknown * unknown_share
        return 1.0 / (1.0 + math.exp(-raised))

    @classmethod
    def fit(cls, insiders: Floats, outsiders: Floats) -> Self:
        """Fit to rows of (best score, unknown share), both sides weighing the same.

        Newton's method on the logistic loss, with a pull towards a curve that suits many tables:
        where there are few rows, that one is the answer.
        """
        prior = np.array(PRIOR_GATE)
        rows = np.vstack([insiders, outsiders])
        if len(insiders) == 0 or len(outsiders) == 0:
            return cls(*PRIOR_GATE)
        design = np.column_stack([np.ones(len(rows)), rows])
        target = np.r_[np.ones(len(insiders)), np.zeros(len(outsiders))]
        weight = np.r_[
            np.full(len(insiders), (1 - OUTSIDERS) * len(rows) / len(insiders)),
            np.full(len(outsiders), OUTSIDERS * len(rows) / len(outsiders)),
        ]
        return cls(*_newton(design, target, weight, prior).tolist())


def _newton(design: Floats, target: Floats, weight: Floats, prior: Floats) -> Floats:
    precision = PRIOR_STRENGTH / np.maximum(prior**2, 1.0)

    def loss(gate: Floats) -> float:
        raised = design @ gate
        fit = weight @ (np.logaddexp(0.0, raised) - target * raised)
        return float(fit + 0.5 * precision @ (gate - prior) ** 2)

    gate = prior.copy()
    for _ in range(NEWTON_STEPS):
        probability = 1.0 / (1.0 + np.exp(-np.clip(design @ gate, -30, 30)))
        slope = design.T @ (weight * (probability - target)) + precision * (gate - prior)
        spread = weight * probability * (1 - probability)
        step = np.linalg.solve((design * spread[:, None]).T @ design + np.diag(precision), slope)
        # A full step may overshoot where the curve is flat; the loss is convex, so halving ends.
        while np.abs(step).max() > CONVERGED and loss(gate - step) > loss(gate):
            step = step / 2
        gate = gate - step
        if np.abs(step).max() <= CONVERGED:
            break
    return gate
