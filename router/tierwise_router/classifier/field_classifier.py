"""The classifier that dispatchers use: training when the examples change, prediction in a blink."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np

from tierwise_core.routing import FieldReading
from tierwise_router.classifier.background import BACKGROUND
from tierwise_router.classifier.features import term_counts
from tierwise_router.classifier.training import Trained, train

__all__ = ["FieldClassifier"]

BELONGS: Final = 0.5
NOBODY: Final = FieldReading(None, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class FieldClassifier:
    """Knows the fields by their examples; immutable and safe to share between requests.

    >>> sorting = ("sort dbca", "sort the letters of qca", "put the letters xab in order")
    >>> adding = ("17+25", "what is 3+4", "add 3 and 4")
    >>> classifier = FieldClassifier.train({"sorting": sorting, "arithmetic": adding})
    >>> classifier.read("sort the letters of cab").field
    'sorting'
    >>> classifier.read("where do owls live?").field is None
    True
    """

    examples: Mapping[str, tuple[str, ...]] = field(repr=False)
    trained: Trained | None = field(repr=False)

    @classmethod
    def train(cls, examples: Mapping[str, tuple[str, ...]]) -> Self:
        """Train on the examples of each field; without any example every text is nobody's."""
        some = any(examples.values())
        return cls(examples, train(examples, BACKGROUND) if some else None)

    def read(self, text: str) -> FieldReading:
        """Classify one text, in tens of microseconds."""
        known = self.trained
        if known is None:
            return NOBODY
        scores, unknown = _scores(known, text)
        in_domain = known.gate.probability(max(scores), unknown)
        shares = _softmax(scores, known.temperature)
        probabilities = dict(zip(known.fields, shares, strict=True))
        best = max(known.fields, key=probabilities.__getitem__)
        name = best if in_domain >= BELONGS else None
        return FieldReading(name, probabilities[best], in_domain, probabilities)


def _scores(known: Trained, text: str) -> tuple[list[float], float]:
    """Score each field, and tell which share of the text is unknown to all of them."""
    rows: list[int] = []
    counts: list[float] = []
    seen = unseen = 0.0
    for term, count in term_counts(text).items():
        row = known.columns.get(term)
        if row is None:
            unseen += (count * known.unknown_idf) ** 2
        else:
            rows.append(row)
            counts.append(count)
            seen += (count * known.idf[row]) ** 2
    length = seen + unseen
    votes = np.array(counts, dtype=np.float32) @ known.votes[rows]
    scores: list[float] = (votes / math.sqrt(length)).tolist()
    return scores, unseen / length


def _softmax(scores: list[float], temperature: float) -> list[float]:
    highest = max(scores)
    raised = [math.exp((score - highest) / temperature) for score in scores]
    total = sum(raised)
    return [value / total for value in raised]
