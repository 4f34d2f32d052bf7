"""From outcomes to the frozen model that dispatchers predict with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from tierwise_core.acceptance import AcceptanceModel, Known
from tierwise_core.confidence import Record
from tierwise_core.curves import brier, calibration_error
from tierwise_core.policy_learning import LearningPolicy
from tierwise_core.query_features import FEATURE_NAMES
from tierwise_router.learning.calibrate import platt
from tierwise_router.learning.cells import STRENGTH, Weighed, table_of
from tierwise_router.learning.outcomes import Outcome
from tierwise_router.learning.text import Floats

__all__ = ["fit"]

MOST_GATE_WEIGHT: Final = 5.0
LEAST_FOR_WEIGHTS: Final = 80.0
LEAST_OF_EACH_KIND: Final = 15.0
LEAST_FOR_CALIBRATION: Final = 60.0
PENALTY: Final = 1.5
STEPS: Final = 12
HELD_OUT: Final = 0.25
BOUND: Final = 1e-3


def fit(
    outcomes: Iterable[Outcome], policy: LearningPolicy, now: float, version: str
) -> AcceptanceModel:
    """Fit what is known of every Specialist at every revision that has outcomes.

    ``now`` in seconds since the epoch: an outcome's weight halves with every half-life.
    """
    weighed = sorted(_weighed(outcomes, policy, now), key=lambda one: one.of)
    known: dict[tuple[str, str], Known] = {}
    figures: dict[str, Any] = {}
    for route, group in groupby(weighed, key=lambda one: one.of[0]):
        mine = sorted(group, key=lambda one: one.outcome.at)
        known.update(_known_of(route, mine))
        figures[route] = _figures(mine)
    return AcceptanceModel(known, policy.initial_floor, version, figures)


def _weighed(outcomes: Iterable[Outcome], policy: LearningPolicy, now: float) -> list[Weighed]:
    """Weigh each outcome by its source and age; what the gate says is bounded altogether."""
    weights = {
        "feedback": 1.0, "verifier": policy.verifier_weight, "gate": policy.gate_weight,
    }  # fmt: skip
    found = []
    gates: dict[tuple[str, str], float] = {}
    for one in outcomes:
        age = max(0.0, now - one.at)
        weight = weights[one.source] * 0.5 ** (age / policy.half_life_seconds)
        if weight <= 0.0 or one.accepted != one.accepted:
            continue
        found.append(Weighed(one, weight))
        if one.source == "gate":
            gates[one.specialist, one.revision] = gates.get(found[-1].of, 0.0) + weight
    return [
        Weighed(one.outcome, one.weight * min(1.0, MOST_GATE_WEIGHT / gates[one.of]))
        if one.outcome.source == "gate"
        else one
        for one in found
    ]


def _known_of(route: str, mine: Sequence[Weighed]) -> dict[tuple[str, str], Known]:
    """Fit one Specialist: a table per revision, then what moves all of them alike.

    A revision without outcomes of its own gets what the others say, at the strength of a few
    outcomes and with no record: its floor starts anew.
    """
    judged = [one for one in mine if one.outcome.source != "gate"]
    weights = _feature_weights(judged, mine)
    scale, shift = _calibration(judged, mine)
    revisions = sorted({one.outcome.revision for one in mine})
    known = {}
    for revision in (*revisions, ""):
        if (route, revision) in known:
            continue
        whole, beyond, cells = table_of(mine, revision)
        record = _record([one for one in judged if one.outcome.revision == revision])
        known[route, revision] = Known(record, whole, cells, weights, scale, shift, beyond)
    return known


def _record(judged: Sequence[Weighed]) -> Record:
    return Record(
        accepted=sum(one.weight * one.outcome.accepted for one in judged),
        rejected=sum(one.weight * (1.0 - one.outcome.accepted) for one in judged),
    )


def _base(fitted: Sequence[Weighed], asked: Sequence[Weighed], *, without: bool) -> Floats:
    """Predict by the tables alone; ``without``: each as if its own outcome were unknown."""
    tables = {one.outcome.revision: None for one in asked}
    told = np.empty(len(asked))
    made = {revision: table_of(fitted, revision) for revision in tables}
    for number, one in enumerate(asked):
        whole, beyond, cells = made[one.outcome.revision]
        cell = one.cell(whole, beyond, cells)
        mean = cell.mean
        if without:
            total = cell.support + STRENGTH
            mean = (mean * total - one.counted * one.outcome.accepted) / (total - one.counted)
        told[number] = one.outcome.share * min(max(mean, 0.0), 1.0)
    return np.clip(told, BOUND, 1.0 - BOUND)


def _feature_weights(judged: Sequence[Weighed], fitted: Sequence[Weighed]) -> tuple[float, ...]:
    """Fit how features move the logit, where both kinds of outcomes are many enough."""
    asked = [one for one in judged if one.outcome.features is not None]
    record = _record(asked)
    if record.accepted + record.rejected < LEAST_FOR_WEIGHTS:
        return ()
    if min(record.accepted, record.rejected) < LEAST_OF_EACH_KIND:
        return ()
    rows = np.array([one.outcome.features.values for one in asked])  # type: ignore[union-attr]
    accepted, weights = _columns(asked)
    found = _logistic(rows, accepted, weights, logit(_base(fitted, asked, without=True)))
    return tuple(round(float(value), 5) for value in found)


def _logistic(rows: Floats, accepted: Floats, weights: Floats, offset: Floats) -> Floats:
    """Fit a logistic model around an offset, by Newton's steps; weights are pulled to zero."""
    found = np.zeros(rows.shape[1])
    penalty = PENALTY * np.eye(rows.shape[1])
    for _ in range(STEPS):
        told = expit(offset + rows @ found)
        slope = rows.T @ (weights * (accepted - told)) - PENALTY * found
        bend = (rows * (weights * told * (1.0 - told))[:, None]).T @ rows + penalty
        step = np.linalg.solve(bend, slope)
        found += step / max(1.0, float(np.abs(step).max()) / 2.0)
        if float(np.abs(step).max()) < 1e-4:  # noqa: PLR2004
            break
    return found


def _calibration(judged: Sequence[Weighed], fitted: Sequence[Weighed]) -> tuple[float, float]:
    """Fit the last map on the newest quarter, predicted from what was known before it."""
    if sum(one.weight for one in judged) < LEAST_FOR_CALIBRATION:
        return 1.0, 0.0
    newest = judged[int(len(judged) * (1.0 - HELD_OUT)) :]
    before = [one for one in fitted if one.outcome.at < newest[0].outcome.at]
    earlier = [one for one in before if one.outcome.source != "gate"]
    if not earlier:
        return 1.0, 0.0
    told = logit(_base(before, newest, without=False))
    moved = _feature_weights(earlier, before)
    if moved:
        told = told + np.array([_along(one, moved) for one in newest])
    accepted, weights = _columns(newest)
    scale, shift = platt(np.asarray(expit(told)), accepted, weights)
    return round(scale, 5), round(shift, 5)


def _along(one: Weighed, weights: tuple[float, ...]) -> float:
    features = one.outcome.features
    if features is None or len(features.values) != len(FEATURE_NAMES):
        return 0.0
    return float(np.dot(weights, features.values))


def _columns(found: Sequence[Weighed]) -> tuple[Floats, Floats]:
    accepted: NDArray[np.float64] = np.array([one.outcome.accepted for one in found])
    return accepted, np.array([one.weight for one in found])


def _figures(mine: Sequence[Weighed]) -> dict[str, Any]:
    """Tell how many outcomes there are of which kind, and how good the predictions made then were.

    Those predictions were made before the answers, so that no outcome has judged its own.
    """
    said: dict[str, Any] = {}
    for source in ("feedback", "verifier", "gate"):
        said[source] = sum(one.outcome.source == source for one in mine)
    judged = [
        one.outcome
        for one in mine
        if one.outcome.source != "gate" and one.outcome.predicted is not None
    ]
    if judged:
        told = [min(max(one.predicted or 0.0, 0.0), 1.0) for one in judged]
        was = [one.accepted for one in judged]
        said["judged"] = len(judged)
        said["brier"] = round(brier(told, was), 5)
        said["ece"] = round(calibration_error(told, was), 5)
        said["accepted"] = round(sum(was) / len(was), 5)
    return said
