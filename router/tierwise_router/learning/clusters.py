"""Clusters of texts: spherical k-means on their terms, projected to a few numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tierwise_router.learning.text import Floats

__all__ = ["Clusters"]

PROJECTED: Final = 48
POWER_STEPS: Final = 2
ROUNDS: Final = 12
STARTS: Final = 2
MOST_FITTED: Final = 20_000


@dataclass(frozen=True, slots=True)
class Clusters:
    """Directions in the space of terms, and the middles of the clusters among them."""

    directions: Floats
    middles: Floats

    @classmethod
    def fit(cls, rows: sparse.csr_matrix, count: int, seed: int = 0) -> Self:
        """Find clusters; the same rows and seed give the same ones.

        The terms are projected onto the 48 directions along which the texts differ most
        (randomised, Halko et al. 2011), then k-means runs on the lengths-free projections.
        """
        chance = np.random.default_rng(seed)
        if rows.shape[0] > MOST_FITTED:
            rows = rows[np.sort(chance.choice(rows.shape[0], MOST_FITTED, replace=False))]
        directions = _directions(rows, min(PROJECTED, rows.shape[0]), chance)
        points = _unit(np.asarray(rows @ directions))
        count = min(count, len(points))
        found = [_middles(points, count, chance) for _ in range(STARTS)]
        return cls(directions, max(found, key=lambda one: _closeness(points, one)))

    def of(self, rows: sparse.csr_matrix) -> NDArray[np.int64]:
        """Tell the nearest cluster of each text."""
        return np.asarray(
            np.argmax(_unit(np.asarray(rows @ self.directions)) @ self.middles.T, axis=1)
        )


def _directions(rows: sparse.csr_matrix, count: int, chance: np.random.Generator) -> Floats:
    across = rows.T.tocsr()
    basis = np.asarray(rows @ (across @ chance.standard_normal((rows.shape[0], count))))
    for _ in range(POWER_STEPS):
        basis, _ = np.linalg.qr(basis)
        basis = np.asarray(rows @ (across @ basis))
    basis, _ = np.linalg.qr(basis)
    directions = np.asarray(across @ basis)
    # A direction's own length is how much the texts differ along it; that weight is wanted once.
    return np.asarray(directions / np.maximum(np.linalg.norm(directions, axis=0), 1e-12))


def _unit(points: Floats) -> Floats:
    return np.asarray(points / np.maximum(np.linalg.norm(points, axis=1), 1e-12)[:, None])


def _middles(points: Floats, count: int, chance: np.random.Generator) -> Floats:
    middles = points[_spread(points, count, chance)]
    for _ in range(ROUNDS):
        nearest = np.argmax(points @ middles.T, axis=1)
        sums = sparse.csr_matrix(
            (np.ones(len(points)), (nearest, np.arange(len(points)))), shape=(count, len(points))
        )
        moved = np.asarray(sums @ points)
        empty = np.abs(moved).sum(axis=1) == 0.0
        moved[empty] = middles[empty]
        middles = _unit(moved)
    return middles


def _spread(points: Floats, count: int, chance: np.random.Generator) -> list[int]:
    """Choose first middles far from each other (k-means++)."""
    chosen = [int(chance.integers(len(points)))]
    nearest = 1.0 - points @ points[chosen[0]]
    while len(chosen) < count:
        weights = np.maximum(nearest, 0.0) ** 1 + 1e-12
        chosen.append(int(chance.choice(len(points), p=weights / weights.sum())))
        nearest = np.minimum(nearest, 1.0 - points @ points[chosen[-1]])
    return chosen


def _closeness(points: Floats, middles: Floats) -> float:
    return float((points @ middles.T).max(axis=1).sum())
