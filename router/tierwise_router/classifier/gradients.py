"""Ridge regression of very many texts, by conjugate gradients: products and no matrix of its own.

The kernel of n texts would have n x n numbers. A product with it is two products with the sparse
matrix of the texts, all fields at once; some forty of them are enough, because the ridge keeps the
eigenvalues within a factor of a few hundred.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["solve_by_gradients"]

MOST_STEPS: Final = 60
CLOSE_ENOUGH: Final = 3e-3
"""Of the targets' length: what is left over changes no third digit of a score."""

Singles = NDArray[np.float32]


def solve_by_gradients(matrix: Any, meaning: Singles, targets: Singles, ridge: float) -> Singles:
    """Solve ``(X X' + M M' + ridge) dual = targets`` for every column of the targets.

    >>> from scipy import sparse
    >>> one = sparse.csr_matrix(np.eye(2, dtype=np.float32))
    >>> none = np.zeros((2, 0), dtype=np.float32)
    >>> solve_by_gradients(one, none, np.eye(2, dtype=np.float32), 1.0).tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """
    turned = matrix.T.tocsr()

    def product(dual: Singles) -> Singles:
        by_terms = np.asarray(matrix @ (turned @ dual))
        total: Singles = by_terms + meaning @ (meaning.T @ dual) + np.float32(ridge) * dual
        return total

    dual = np.zeros_like(targets)
    left = targets.copy()
    way = left.copy()
    size = np.sum(left * left, axis=0)
    enough = CLOSE_ENOUGH**2 * np.maximum(size, 1e-12)
    for _ in range(MOST_STEPS):
        if np.all(size <= enough):
            break
        moved = product(way)
        step = size / np.maximum(np.sum(way * moved, axis=0), 1e-12)
        dual += step * way
        left -= step * moved
        next_size = np.sum(left * left, axis=0)
        way = left + (next_size / np.maximum(size, 1e-12)) * way
        size = next_size
    return dual
