"""Tables of outcomes: the share of accepted answers by group, shrunk towards the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from tierwise_router.learning.text import Floats

__all__ = ["GroupTable"]

Groups = NDArray[np.int64]
STRENGTHS: Final = (2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 300.0)


@dataclass(frozen=True, slots=True)
class GroupTable:
    """A row per group and a column per model; groups not seen get the models' overall share."""

    shares: Floats
    overall: Floats

    @classmethod
    def fit(cls, groups: Groups, targets: Floats, count: int, strength: float) -> Self:
        """Count accepted answers (NaN: not known) and shrink as ``strength`` outcomes would.

        Two answers accepted of two, in a whole of two of four, with a strength of two:

        >>> table = GroupTable.fit(np.array([0, 0, 1, 1]), np.array([[1.0], [1], [0], [0]]), 3, 2.0)
        >>> table.shares.ravel()
        array([0.75, 0.25, 0.5 ])
        """
        seen = ~np.isnan(targets)
        values = np.where(seen, targets, 0.0)
        overall = values.sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        sums, counts = _by_group(groups, values, count), _by_group(groups, seen * 1.0, count)
        return cls((sums + strength * overall) / (counts + strength), overall)

    def predict(self, groups: Groups) -> Floats:
        """Give each row its group's shares; a group of -1 is one that was not seen."""
        known = groups >= 0
        return np.where(known[:, None], self.shares[np.where(known, groups, 0)], self.overall)


def best_strength(groups: Groups, targets: Floats, count: int) -> float:
    """Choose the strength that predicts each outcome best from the others of its group."""
    return min(STRENGTHS, key=lambda strength: _left_out_error(groups, targets, count, strength))


def _left_out_error(groups: Groups, targets: Floats, count: int, strength: float) -> float:
    seen = ~np.isnan(targets)
    values = np.where(seen, targets, 0.0)
    overall = values.sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    sums = _by_group(groups, values, count)[groups] - values
    counts = _by_group(groups, seen * 1.0, count)[groups] - seen
    told = (sums + strength * overall) / (counts + strength)
    return float((((told - values) ** 2) * seen).sum())


def _by_group(groups: Groups, values: Floats, count: int) -> Floats:
    return np.stack(
        [np.bincount(groups, column, minlength=count)[:count] for column in values.T], axis=1
    )
