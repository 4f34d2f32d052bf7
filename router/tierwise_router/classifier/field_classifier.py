"""The classifier that dispatchers use: training when the examples change, prediction in a blink."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from tierwise_core.field_reading import FieldReading
from tierwise_router.classifier.background import BACKGROUND
from tierwise_router.classifier.knowledge import WordKnowledge, shipped_words
from tierwise_router.classifier.training import Step, Trained, train

__all__ = ["FieldClassifier"]

BELONGS: Final = 0.5
NOBODY: Final = FieldReading(None, 0.0, 0.0)
NO_EXTRA: Final[Mapping[str, Sequence[str]]] = {}


@dataclass(frozen=True, slots=True)
class FieldClassifier:
    """Knows the fields by their examples; safe to share between requests.

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
    def train(
        cls,
        examples: Mapping[str, tuple[str, ...]],
        extra: Mapping[str, Sequence[str]] = NO_EXTRA,
        known: WordKnowledge | None = None,
        outside: Sequence[str] = (),
        step: Step = lambda _said: None,
    ) -> Self:
        """Train on the examples of each field; without any example every text is nobody's.

        ``extra`` are recorded questions whose field is known, because an answer of that field was
        accepted; they count like examples. ``known`` is what is known of words, else the table
        that comes with tierwise. ``outside`` are questions of nobody's field, beside those that
        every classifier learns from. ``step`` hears what is under way.
        """
        if not any(examples.values()):
            return cls(examples, None)
        texts = {
            name: tuple(dict.fromkeys((*own, *extra.get(name, ()))))
            for name, own in examples.items()
        }
        step("looking up words")
        known = known or shipped_words()
        return cls(examples, train(texts, (*BACKGROUND, *outside), known, step))

    def read(self, text: str) -> FieldReading:
        """Classify one text, in some ten microseconds."""
        known = self.trained
        if known is None:
            return NOBODY
        scores, unknown = known.votes.read(text)
        highest = max(scores)
        in_domain = known.gate.probability(highest, unknown)
        heat = 1.0 / known.temperature
        raised = [math.exp((score - highest) * heat) for score in scores]
        total = sum(raised)
        shares = [value / total for value in raised]
        best = scores.index(highest)
        name = known.fields[best] if in_domain >= BELONGS else None
        probabilities = dict(zip(known.fields, shares, strict=True))
        return FieldReading(name, shares[best], in_domain, probabilities)

    def why(self, text: str, name: str) -> list[tuple[str, float]]:
        """Tell which words of a text voted for a field and how much, the strongest first."""
        known = self.trained
        if known is None or name not in known.fields:
            return []
        votes = known.votes.shares(text, known.fields.index(name))
        return sorted(votes, key=lambda vote: -abs(vote[1]))
