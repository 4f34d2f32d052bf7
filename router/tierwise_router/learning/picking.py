"""Picking among any number of models: predicted acceptance less what an answer costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from tierwise_router.learning.text import Floats

__all__ = ["Picked", "Spending", "best_quality", "choose_spending", "pick"]

STEPS: Final = 60
EQUALS: Final = 1e-9
"""The least worth of money: of models that are predicted equal, the cheapest is picked."""


@dataclass(frozen=True, slots=True)
class Spending:
    """How much acceptance a dollar is worth, and what each model's answer costs on average."""

    per_usd: float
    usd: Floats

    def choose(self, predicted: Floats) -> np.ndarray:
        """Choose a model for each question: the highest ``predicted - per_usd * usd``."""
        return np.asarray(np.argmax(predicted - self.per_usd * self.usd, axis=1))


@dataclass(frozen=True, slots=True)
class Picked:
    """What picking gave on the held-out rows, and how often each model was picked."""

    accepted: float
    usd: float
    shares: tuple[float, ...]
    per_usd: float


def pick(predicted: Floats, accepted: Floats, usd: Floats, spending: Spending) -> Picked:
    """Pick by predictions and see what was accepted.

    >>> told = np.array([[0.9, 1.0], [0.1, 1.0]])
    >>> cost = np.array([[0.0, 1.0], [0.0, 1.0]])
    >>> pick(told, np.array([[1.0, 1.0], [0.0, 1.0]]), cost, Spending(0.5, cost.mean(axis=0)))
    Picked(accepted=1.0, usd=0.5, shares=(0.5, 0.5), per_usd=0.5)
    """
    chosen = spending.choose(predicted)
    rows = np.arange(len(chosen))
    shares = np.bincount(chosen, minlength=predicted.shape[1]) / len(chosen)
    return Picked(
        float(accepted[rows, chosen].mean()),
        float(usd[rows, chosen].mean()),
        tuple(float(share) for share in shares),
        spending.per_usd,
    )


def choose_spending(predicted: Floats, accepted: Floats, usd: Floats, goal: float) -> Spending:
    """Choose the least spending whose quality reaches a goal.

    ``predicted`` must be held-out predictions. Where no spending reaches it, whoever is predicted
    best is picked, at whatever cost: of many that all fall short, the one that was accepted most
    often was so by luck, and loses it again on other questions.
    """
    found = list(_tried(predicted, accepted, usd))
    good = [(one, made) for one, made in found if made.accepted >= goal]
    if good:
        return min(good, key=lambda pair: (pair[1].usd, -pair[1].accepted))[0]
    return found[-1][0]


def best_quality(predicted: Floats, accepted: Floats, usd: Floats) -> float:
    """Tell the share of accepted answers that these predictions can pick, at whatever cost."""
    return max(made.accepted for _, made in _tried(predicted, accepted, usd))


def _tried(predicted: Floats, accepted: Floats, usd: Floats) -> Iterator[tuple[Spending, Picked]]:
    cost = usd.mean(axis=0)
    widest = float(cost.max() - cost.min()) or 1.0
    for worth in (*np.geomspace(1.0, 1e-4, STEPS), EQUALS):
        spending = Spending(float(worth) / widest, cost)
        yield spending, pick(predicted, accepted, usd, spending)
