"""Predict whether a Specialist's answer to a question will be accepted, before asking for it.

The base is a table of outcomes that grows finer where there are more of them: the Specialist, its
revision, the field, the shape of the question, how it begins. Each level shrinks towards the one
above it as a Beta distribution does, so that a thin record says little. Where there is enough
evidence, a logistic model on the question's features moves the base, and a calibration the whole.

An :class:`AcceptanceModel` is frozen. It is fitted elsewhere, off the path of requests, and
replaced as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import mul
from typing import Any, Final, NamedTuple, Self

from tierwise_core.confidence import GENERALIST_PRIOR, SPECIALIST_PRIOR, Record
from tierwise_core.query_features import QueryFeatures

__all__ = [
    "INITIAL_FLOOR",
    "AcceptanceModel",
    "Cell",
    "Known",
    "Prediction",
    "floor_after",
    "lower_bound",
]

INITIAL_FLOOR: Final = 0.85
"""The floor of a Specialist without a record."""

NO_OUTCOMES: Final = Record()
DEVIATIONS: Final = 1.2816
PRIOR_WORTH: Final = 2.0
LEAST: Final = 1e-6
LARGEST_LOGIT: Final = 13.8
LARGEST_EXPONENT: Final = 700.0


class Prediction(NamedTuple):
    """What is expected of an answer.

    ``probability`` that it will be accepted; ``lower``, under which the truth lies with a chance of
    one in ten; ``support``, how many outcomes (weights allowed) that rests on.
    """

    probability: float
    support: float

    @property
    def lower(self) -> float:
        """The lower bound: the prior counts as two outcomes, however sure it sounds."""
        variance = self.probability * (1.0 - self.probability)
        spread = math.sqrt(variance / (self.support + PRIOR_WORTH + 1.0))
        return max(0.0, self.probability - DEVIATIONS * spread)


class Cell(NamedTuple):
    """The share of accepted answers in one cell of the table, shrunk, and the outcomes in it."""

    mean: float
    support: float


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one Specialist at one revision.

    ``record`` counts its outcomes, old ones for less. ``cells`` are the table: by field, by (field,
    shape), by (field, opening, "opening") and by (field, question, "question"). What no cell says,
    ``whole`` says in its own field and ``beyond`` (None: the same) where it takes over from others.
    ``weights`` move the logit by the features; none where there is too little evidence. ``scale``
    and ``shift`` calibrate: ``logit' = scale * logit + shift``. ``utility`` is the share of its
    answers that were accepted, None without a record.
    """

    record: Record
    whole: Cell
    cells: Mapping[object, Cell] = field(default_factory=dict)
    weights: tuple[float, ...] = ()
    scale: float = 1.0
    shift: float = 0.0
    beyond: Cell | None = None
    lower: float = field(init=False)
    moves: bool = field(init=False)
    utility: float | None = field(init=False)

    def __post_init__(self) -> None:
        """Work out once what every request asks for."""
        object.__setattr__(self, "lower", lower_bound(self.record))
        moves = bool(self.weights) or self.scale != 1.0 or self.shift != 0.0
        object.__setattr__(self, "moves", moves)
        accepted, count = self.record.accepted, self.record.accepted + self.record.rejected
        object.__setattr__(self, "utility", (accepted + 1.0) / (count + 2.0) if count else None)


@dataclass(frozen=True, slots=True)
class AcceptanceModel:
    """Everything that was learned from outcomes, for prediction in a few microseconds.

    ``known`` is by (route key, revision); the revision ``""`` stands for those not seen yet. Where
    ``reads_features`` is False, a question need not be measured to be predicted.
    """

    known: Mapping[tuple[str, str], Known] = field(default_factory=dict)
    initial_floor: float = INITIAL_FLOOR
    version: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict, repr=False)
    reads_features: bool = field(init=False)

    def __post_init__(self) -> None:
        """Work out once whether any prediction depends on a question's features."""
        reads = any(
            known.weights or any(isinstance(key, tuple) for key in known.cells)
            for known in self.known.values()
        )
        object.__setattr__(self, "reads_features", reads)

    @classmethod
    def empty(cls) -> Self:
        """Know nothing: every prediction is the prior's, as ``predicted_confidence`` says.

        >>> from types import SimpleNamespace
        >>> reading = SimpleNamespace(probabilities={"sorting": 0.99}, in_domain=0.97)
        >>> model = AcceptanceModel.empty()
        >>> round(model.predict("demo/sorter", "", reading, None, "sorting").probability, 3)
        0.912
        """
        return cls()

    def predict(
        self,
        route_key: str,
        revision: str,
        reading: Any,
        features: QueryFeatures | None,
        own_field: str | None,
    ) -> Prediction:
        """Predict for one Specialist; ``reading`` is the classifier's FieldReading.

        ``own_field`` is the Specialist's field, or None where it takes over from others: then it
        has no field to be outside of, and a generalist's prior holds.
        """
        # Written in one piece: each call of a function would cost a twentieth of the whole.
        table = self.known
        known = table.get((route_key, revision)) or table.get((route_key, ""))
        field_name = own_field
        if own_field is None:
            share, field_name = 1.0, reading.field
        else:
            share = reading.probabilities.get(own_field, 0.0) * reading.in_domain
        if known is None:
            prior = NEW_GENERALIST if own_field is None else NEW_SPECIALIST
            return Prediction(share * prior.mean, 0.0)
        cells = known.cells
        if features is None:
            cell = cells.get(
                field_name, (known.beyond if own_field is None else None) or known.whole
            )
        else:
            cell = (
                cells.get((field_name, features.question, "question"))
                or cells.get((field_name, features.opening, "opening"))
                or cells.get((field_name, features.shape))
                or cells.get(field_name)
                or (known.beyond if own_field is None else None)
                or known.whole
            )
        probability = share * cell.mean
        if known.moves:
            logit = _logit(probability)
            if features is not None:
                logit += sum(map(mul, known.weights, features.values))
            logit = known.scale * logit + known.shift
            probability = 1.0 / (1.0 + math.exp(-logit)) if logit > -LARGEST_EXPONENT else 0.0
        return Prediction(probability, cell.support)

    def record(self, route_key: str, revision: str) -> Record:
        """Tell how many answers of a Specialist's revision were accepted and rejected."""
        known = self.known.get((route_key, revision))
        return known.record if known is not None else NO_OUTCOMES

    def floor_for(
        self, route_key: str, revision: str, floor: float, loosened: float | None
    ) -> float:
        """Give the floor of a Specialist: ``floor`` to begin with, less as its record grows.

        ``loosened`` is what its tier asks of a Specialist that has proven itself; None where the
        owner has set the floor, which then stays.

        >>> AcceptanceModel.empty().floor_for("demo/sorter", "", 0.85, 0.70)
        0.85
        """
        if loosened is None:
            return floor
        known = self.known.get((route_key, revision))
        return floor_after(known.lower if known else 0.0, self.initial_floor, loosened)


NEW_SPECIALIST: Final = Cell(
    SPECIALIST_PRIOR.accepted / (SPECIALIST_PRIOR.accepted + SPECIALIST_PRIOR.rejected), 0.0
)
NEW_GENERALIST: Final = Cell(
    GENERALIST_PRIOR.accepted / (GENERALIST_PRIOR.accepted + GENERALIST_PRIOR.rejected), 0.0
)


def floor_after(lower: float, initial: float, loosened: float) -> float:
    """Loosen a floor by a record's lower bound: from ``initial`` to ``loosened``, never beyond.

    The bound is what the share of accepted answers is at the least, with a confidence of nine in
    ten (:func:`lower_bound`). Up to ``loosened`` it changes nothing; from there to ``initial`` the
    floor falls evenly. So a Specialist earns its tier's floor by as good a record as the initial
    floor asks for.

    Nothing known; 18 of 20; 60 of 64; then 60 of 100:

    >>> records = (Record(), Record(18, 2), Record(60, 4), Record(60, 40))
    >>> [round(floor_after(lower_bound(record), 0.85, 0.70), 3) for record in records]
    [0.85, 0.768, 0.7, 0.85]
    """
    initial = max(initial, loosened)
    if initial == loosened:
        return loosened
    earned = (lower - loosened) / (initial - loosened)
    return initial - (initial - loosened) * min(max(earned, 0.0), 1.0)


def lower_bound(record: Record) -> float:
    """Bound the share of accepted answers from below (Wilson's score interval, nine in ten).

    >>> [round(lower_bound(Record(*counts)), 3) for counts in ((0, 0), (9, 1), (90, 10))]
    [0.0, 0.718, 0.855]
    """
    count = record.accepted + record.rejected
    if count <= 0.0:
        return 0.0
    share = record.accepted / count
    squared = DEVIATIONS * DEVIATIONS
    middle = share + squared / (2.0 * count)
    spread = DEVIATIONS * math.sqrt((share * (1.0 - share) + squared / (4.0 * count)) / count)
    return max(0.0, (middle - spread) / (1.0 + squared / count))


def _logit(probability: float) -> float:
    if probability <= LEAST:
        return -LARGEST_LOGIT
    if probability >= 1.0 - LEAST:
        return LARGEST_LOGIT
    return math.log(probability / (1.0 - probability))
