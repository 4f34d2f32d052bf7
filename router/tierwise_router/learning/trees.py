"""Gradient-boosted symmetric trees: for outcomes that turn at thresholds, and in combinations.

Every level of a tree asks one question of all rows, so that a tree of depth three is three
comparisons and eight values. All models share the questions, and have values of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from tierwise_router.learning.text import Floats

__all__ = ["Trees"]

BINS: Final = 24
DEPTH: Final = 3
RATE: Final = 0.12
SHRINK: Final = 20.0
MOST_ROWS: Final = 40_000

Binned = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tree:
    """The columns asked and the bins from which the answer is yes, then the leaves' values."""

    columns: tuple[int, ...]
    bins: tuple[int, ...]
    values: Floats


@dataclass(frozen=True, slots=True)
class Trees:
    """Trees one after another, each fitted to what those before left over."""

    edges: tuple[Floats, ...]
    offset: Floats
    trees: tuple[Tree, ...]

    @classmethod
    def fit(cls, columns: Floats, targets: Floats, rounds: int, weights: Floats) -> Self:
        """Fit all targets at once by squared error; ``weights`` are 0 where one is not known.

        >>> rows = np.linspace(0, 1, 400)[:, None]
        >>> found = Trees.fit(rows, (rows > 0.7) * 1.0, 60, np.ones((400, 1)))
        >>> found.predict(np.array([[0.2], [0.9]])).ravel().round(1)
        array([0., 1.])
        """
        edges = tuple(_edges(column) for column in columns.T)
        binned = _binned(columns, edges)
        if (weights == weights[:, :1]).all():
            weights = weights[:, :1]  # the same rows are known of every target
        known = np.maximum(weights.sum(axis=0), 1e-9)
        offset = (targets * weights).sum(axis=0) / known
        left = (targets - offset) * weights
        trees = tuple(_grown(binned, left, weights, rounds))
        return cls(edges, offset, trees)

    def predict(self, columns: Floats) -> Floats:
        """Add up the trees for each row."""
        binned = _binned(columns, self.edges)
        told = np.tile(self.offset, (len(columns), 1))
        for tree in self.trees:
            told += tree.values[_leaves(binned, tree)]
        return told


def _edges(column: Floats) -> Floats:
    return np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1]))


def _binned(columns: Floats, edges: tuple[Floats, ...]) -> Binned:
    found = [
        np.searchsorted(edge, column, side="right")
        for edge, column in zip(edges, columns.T, strict=True)
    ]
    return np.asarray(np.stack(found), np.int64)


def _grown(binned: Binned, left: Floats, weights: Floats, rounds: int) -> Iterator[Tree]:
    for _ in range(rounds):
        tree = _tree(binned, left, weights)
        left -= tree.values[_leaves(binned, tree)] * weights
        yield tree


def _tree(binned: Binned, left: Floats, weights: Floats) -> Tree:
    leaves = np.zeros(left.shape[0], np.int64)
    columns: list[int] = []
    bins: list[int] = []
    for depth in range(DEPTH):
        column, at = _split(binned, leaves, left, weights, 1 << depth)
        columns.append(column)
        bins.append(at)
        leaves = 2 * leaves + (binned[column] >= at)
    count = 1 << DEPTH
    sums = _sums(leaves, left, count)
    seen = _sums(leaves, weights, count)
    return Tree(tuple(columns), tuple(bins), RATE * sums / (seen + SHRINK))


def _leaves(binned: Binned, tree: Tree) -> Binned:
    leaves = np.zeros(binned.shape[1], np.int64)
    for column, at in zip(tree.columns, tree.bins, strict=True):
        leaves = 2 * leaves + (binned[column] >= at)
    return leaves


def _split(
    binned: Binned, leaves: Binned, left: Floats, weights: Floats, count: int
) -> tuple[int, int]:
    """Find the column and bin that explain most, over all leaves and targets."""
    best = (-1.0, 0, 1)
    for column, row in enumerate(binned):
        cells = leaves * BINS + row
        sums = _sums(cells, left, count * BINS).reshape(count, BINS, -1)
        seen = _sums(cells, weights, count * BINS).reshape(count, BINS, -1)
        below, under = sums.cumsum(axis=1)[:, :-1], seen.cumsum(axis=1)[:, :-1]
        above = sums.sum(axis=1, keepdims=True) - below
        over = seen.sum(axis=1, keepdims=True) - under
        gains = below**2 / (under + SHRINK) + above**2 / (over + SHRINK)
        total = gains.sum(axis=(0, 2))
        at = int(total.argmax())
        best = max(best, (float(total[at]), column, at + 1))
    return best[1], best[2]


def _sums(cells: Binned, values: Floats, count: int) -> Floats:
    """Add values up by cell; a single column stands for all targets."""
    return np.stack([np.bincount(cells, column, minlength=count) for column in values.T], axis=1)
