"""Ridge regression on sparse rows, several targets and several penalties at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from scipy import sparse

from tierwise_router.learning.text import Floats

__all__ = ["Ridge"]

STEPS: Final = 40
CLOSE: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Ridge:
    """A linear model per target: ``rows @ weights + offset``."""

    weights: Floats
    offset: Floats

    @classmethod
    def fit(cls, rows: sparse.csr_matrix, targets: Floats, penalty: float) -> Self:
        """Fit every column of ``targets``: least squares plus ``penalty`` times squared weights.

        Solved in the dual by conjugate gradients, so that it costs a few passes over the rows and
        never a matrix of rows by rows. What is not converged after 40 steps is smoother than it
        might be, which for a ridge is no harm.

        >>> rows = sparse.csr_matrix(np.eye(3))
        >>> Ridge.fit(rows, np.array([[1.0], [0.0], [0.5]]), 1.0).predict(rows).ravel().round(2)
        array([0.75, 0.25, 0.5 ])
        """
        if not len(targets):
            return cls(np.zeros((rows.shape[1], targets.shape[1])), np.full(targets.shape[1], 0.5))
        offset = targets.mean(axis=0)
        dual = _solve(rows, targets - offset, penalty)
        return cls(np.asarray(rows.T @ dual), offset)

    def predict(self, rows: sparse.csr_matrix) -> Floats:
        """Predict every target for each row."""
        return np.asarray(rows @ self.weights) + self.offset


def _solve(rows: sparse.csr_matrix, right: Floats, penalty: float) -> Floats:
    """Solve ``(rows @ rows.T + penalty) x = right``, each column with steps of its own."""
    across = rows.T.tocsr()
    solution = np.zeros_like(right)
    residual = right.copy()
    direction = residual.copy()
    squared = (residual**2).sum(axis=0)
    goal = squared * CLOSE**2
    for _ in range(STEPS):
        if (squared <= goal).all():
            break
        moved = rows @ (across @ direction) + penalty * direction
        step = squared / np.maximum((direction * moved).sum(axis=0), 1e-300)
        solution += step * direction
        residual -= step * moved
        before, squared = squared, (residual**2).sum(axis=0)
        direction = residual + squared / np.maximum(before, 1e-300) * direction
    return solution
