"""The predictor of a replay: tables, clusters, a linear model on text and trees, blended.

Each part predicts every training row from the other folds. What the blend weighs, which penalty
the linear model has and how the whole is calibrated is all decided on those predictions, so that
no row ever judges a model that has seen it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from tierwise_core.query import query_id
from tierwise_router.learning.calibrate import Calibration
from tierwise_router.learning.design import Design
from tierwise_router.learning.log_rows import LogRow
from tierwise_router.learning.parts import PARTS, FittedPart, Part
from tierwise_router.learning.text import Floats

__all__ = ["Predictor", "targets_of"]

FOLDS: Final = 5
Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Predictor:
    """Predicts for every model the probability that its answer is accepted.

    ``held_out`` are the predictions for the training rows, each made without that row; on them
    the threshold is chosen. ``parts_held_out`` are the same of each part alone.
    """

    models: tuple[str, ...]
    design: Design
    parts: tuple[FittedPart, ...]
    weights: Floats
    calibrations: tuple[Calibration, ...]
    held_out: Floats
    parts_held_out: dict[str, Floats]

    @classmethod
    def fit(
        cls, rows: Sequence[LogRow], models: tuple[str, ...], step: Step = lambda _said: None
    ) -> Self:
        """Fit on rows; a row may lack some models' outcomes. ``step`` hears what comes next."""
        step("reading texts")
        design = Design.fit(rows)
        columns = design.columns(rows)
        targets = targets_of(rows, models)
        folds = _folds(rows)
        parts: list[FittedPart] = []
        told: list[Floats] = []
        for part in PARTS:
            step(f"fitting {part.name}")
            chosen = part.chosen(columns, targets, folds)
            told.append(_held_out(chosen, columns, targets, folds))
            parts.append(chosen.fit(columns, targets))
        step("calibrating")
        weights = _blend(told, targets)
        blended = np.clip(np.tensordot(weights, np.stack(told), axes=1), 0.0, 1.0)
        calibrations = tuple(
            Calibration.fit(mine[seen], was[seen])
            for mine, was, seen in zip(blended.T, targets.T, ~np.isnan(targets.T), strict=True)
        )
        return cls(
            models, design, tuple(parts), weights, calibrations, _applied(calibrations, blended),
            {part.name: one for part, one in zip(parts, told, strict=True)},
        )  # fmt: skip

    def predict(self, rows: Sequence[LogRow]) -> Floats:
        """Predict: one row per question, one column per model."""
        told = self.predict_parts(rows)
        blended = np.tensordot(self.weights, np.stack(list(told.values())), axes=1)
        return _applied(self.calibrations, np.clip(blended, 0.0, 1.0))

    def predict_parts(self, rows: Sequence[LogRow]) -> dict[str, Floats]:
        """Predict with each part alone, uncalibrated."""
        columns = self.design.columns(rows)
        return {part.name: part.predict(columns) for part in self.parts}


def targets_of(rows: Sequence[LogRow], models: Sequence[str]) -> Floats:
    """Give the outcomes as numbers, NaN where a row has none of a model."""
    unknown = (np.nan, 0.0)
    return np.array([[row.outcomes.get(name, unknown)[0] for name in models] for row in rows])


def _folds(rows: Sequence[LogRow]) -> NDArray[np.int64]:
    """Deal the rows into folds by what they ask: equal questions come into one fold.

    A log with hardly any different questions is dealt row by row.
    """
    folds = np.array([int(query_id(row.query), 16) % FOLDS for row in rows])
    return folds if len(np.unique(folds)) == FOLDS else np.arange(len(rows)) % FOLDS


def _held_out(part: Part, columns: object, targets: Floats, folds: NDArray[np.int64]) -> Floats:
    told = np.zeros_like(targets)
    for fold in np.unique(folds):
        inside = folds == fold
        fitted = part.fit(columns.take(~inside), targets[~inside])  # type: ignore[attr-defined]
        told[inside] = fitted.predict(columns.take(inside))  # type: ignore[attr-defined]
    return told


def _blend(told: Sequence[Floats], targets: Floats) -> Floats:
    """Weigh the parts: none below zero, together one, least squared error over all models."""
    seen = ~np.isnan(targets)
    mean = np.nanmean(targets, axis=0)
    columns = np.stack([(one - mean)[seen] for one in told], axis=1)
    weights, _ = nnls(columns, (targets - mean)[seen])
    total = float(weights.sum())
    return np.asarray(weights / total) if total > 0.0 else np.full(len(told), 1.0 / len(told))


def _applied(calibrations: Sequence[Calibration], blended: Floats) -> Floats:
    pairs = zip(calibrations, blended.T, strict=True)
    return np.stack([one.apply(column) for one, column in pairs], axis=1)
