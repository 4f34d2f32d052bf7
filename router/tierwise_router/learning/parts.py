"""The parts of a predictor, each of which can be fitted on some rows and predict others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tierwise_router.learning.design import Columns, Groups
from tierwise_router.learning.ridge import Ridge
from tierwise_router.learning.tables import GroupTable, best_strength
from tierwise_router.learning.text import Floats, stacked
from tierwise_router.learning.trees import MOST_ROWS, Trees

__all__ = ["CLUSTER_TABLE", "FIELD_TABLE", "PARTS", "FittedPart", "Part"]

FIELD_TABLE: Final = "field table"
CLUSTER_TABLE: Final = "cluster table"
PENALTIES: Final = (3.0, 10.0, 30.0, 100.0)
FIELD_SCALE: Final = 0.5
DENSE_SCALE: Final = 0.1
SHAPE_SCALE: Final = 0.3
ROUNDS: Final = 80
MOST_CROSSED: Final = 64
MOST_SHARES: Final = 6
MOST_MEASURES: Final = 32
TEXT_PENALTY: Final = 30.0


class FittedPart(Protocol):
    """A part that was fitted."""

    @property
    def name(self) -> str:
        """What it is called in the report."""
        ...

    def predict(self, columns: Columns) -> Floats:
        """Predict every model's share of accepted answers."""
        ...


class Part(Protocol):
    """A part to be fitted."""

    @property
    def name(self) -> str:
        """What it is called in the report."""
        ...

    def chosen(self, columns: Columns, targets: Floats, folds: NDArray[np.int64]) -> Part:
        """Choose what is to be chosen, on these rows."""
        ...

    def fit(self, columns: Columns, targets: Floats) -> FittedPart:
        """Fit on some rows; NaN where an outcome is not known."""
        ...


@dataclass(frozen=True, slots=True)
class _Fitted:
    name: str
    how: object
    model: object

    def predict(self, columns: Columns) -> Floats:
        told: Floats = self.how(self.model, columns)  # type: ignore[operator]
        return told


@dataclass(frozen=True, slots=True)
class _Table:
    """Shares by group: by field, or by cluster, coarse or fine."""

    name: str
    by: str
    level: int = 0
    strength: float = 20.0

    def groups(self, columns: Columns) -> tuple[Groups, int]:
        if self.by == "field":
            return columns.fields, columns.counts[0]
        return columns.clusters[self.level], columns.counts[2][self.level]

    def chosen(self, columns: Columns, targets: Floats, _folds: NDArray[np.int64]) -> Part:
        groups, count = self.groups(columns)
        known = groups >= 0
        if not known.any():
            return self
        strength = best_strength(groups[known], targets[known], count)
        return _Table(self.name, self.by, self.level, strength)

    def fit(self, columns: Columns, targets: Floats) -> FittedPart:
        groups, count = self.groups(columns)
        known = groups >= 0
        table = GroupTable.fit(groups[known], targets[known], count, self.strength)
        return _Fitted(self.name, _by_table, (self, table))


def _by_table(model: tuple[_Table, GroupTable], columns: Columns) -> Floats:
    of, table = model
    return table.predict(of.groups(columns)[0])


@dataclass(frozen=True, slots=True)
class _Linear:
    """Ridge regression on terms, measures, field, shape, clusters and fields by measures."""

    name: str = "linear"
    penalty: float = TEXT_PENALTY

    def chosen(self, columns: Columns, targets: Floats, folds: NDArray[np.int64]) -> Part:
        """Choose the penalty on one fold, having fitted on the others."""
        inside = folds == folds[0]
        if inside.all():
            return self
        train, held = columns.take(~inside), columns.take(inside)
        errors = {
            penalty: _squared(_Linear(self.name, penalty).fit(train, targets[~inside])
                              .predict(held), targets[inside])
            for penalty in PENALTIES
        }  # fmt: skip
        return _Linear(self.name, min(PENALTIES, key=errors.__getitem__))

    def fit(self, columns: Columns, targets: Floats) -> FittedPart:
        rows = _linear_rows(columns)
        seen = ~np.isnan(targets)
        if seen.all():
            return _Fitted(self.name, _by_ridge, Ridge.fit(rows, targets, self.penalty))
        singles = [
            Ridge.fit(rows[mine], column[mine, None], self.penalty)
            for column, mine in zip(targets.T, seen.T, strict=True)
        ]
        weights = np.hstack([one.weights for one in singles])
        offset = np.concatenate([one.offset for one in singles])
        return _Fitted(self.name, _by_ridge, Ridge(weights, offset))


def _by_ridge(model: Ridge, columns: Columns) -> Floats:
    return np.clip(model.predict(_linear_rows(columns)), 0.0, 1.0)


def _linear_rows(columns: Columns) -> sparse.csr_matrix:
    fields, shapes, clusters = columns.counts
    blocks = [
        columns.text,
        columns.dense * DENSE_SCALE,
        _one_hot(columns.fields, fields) * FIELD_SCALE,
        _one_hot(columns.shapes, shapes) * SHAPE_SCALE,
        *(
            _one_hot(one, count) * SHAPE_SCALE
            for one, count in zip(columns.clusters, clusters, strict=True)
        ),
    ]
    if fields <= MOST_CROSSED:
        crossed = np.where(columns.fields >= 0, columns.fields * shapes + columns.shapes, -1)
        blocks.append(_one_hot(crossed, fields * shapes) * SHAPE_SCALE)
    return stacked(blocks)


def _one_hot(groups: Groups, count: int) -> sparse.csr_matrix:
    known = groups >= 0
    rows = np.flatnonzero(known)
    return sparse.csr_matrix(
        (np.ones(len(rows)), (rows, groups[known])), shape=(len(groups), count)
    )


def _squared(told: Floats, targets: Floats) -> float:
    return float(np.nansum((told - targets) ** 2))


@dataclass(frozen=True, slots=True)
class _Boosted:
    """Trees on the measures, the shares of field and clusters, and the terms' linear score."""

    name: str = "trees"

    def chosen(self, _columns: Columns, _targets: Floats, _folds: NDArray[np.int64]) -> Part:
        return self

    def fit(self, columns: Columns, targets: Floats) -> FittedPart:
        if len(targets) > MOST_ROWS:
            kept = np.zeros(len(targets), np.bool_)
            kept[np.linspace(0, len(targets) - 1, MOST_ROWS).astype(int)] = True
            columns, targets = columns.take(kept), targets[kept]
        tables = [part.fit(columns, targets) for part in (_FIELDS, *_CLUSTERS)]
        seen = ~np.isnan(targets)
        known = np.where(seen, targets, 0.0)
        trees = Trees.fit(_tree_columns(tables, columns), known, ROUNDS, seen * 1.0)
        return _Fitted(self.name, _by_trees, (tables, trees))


def _by_trees(model: tuple[list[FittedPart], Trees], columns: Columns) -> Floats:
    tables, trees = model
    return np.clip(trees.predict(_tree_columns(tables, columns)), 0.0, 1.0)


def _tree_columns(tables: list[FittedPart], columns: Columns) -> Floats:
    told = [one.predict(columns) for one in tables]
    if told[0].shape[1] > MOST_SHARES:
        # Of many models what they have in common: how hard the field or cluster is.
        told = [one.mean(axis=1, keepdims=True) for one in told]
    return np.hstack([columns.dense[:, :MOST_MEASURES], *told])


_FIELDS: Final = _Table(FIELD_TABLE, "field")
_CLUSTERS: Final = (
    _Table(CLUSTER_TABLE, "cluster", 0),
    _Table("fine cluster table", "cluster", 1),
)
PARTS: Final[tuple[Part, ...]] = (_FIELDS, *_CLUSTERS, _Linear(), _Boosted())
"""Every part, in the order of the report."""
