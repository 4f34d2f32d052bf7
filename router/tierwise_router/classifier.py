"""Which field a question belongs to, and whether it belongs to any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from tierwise_core.query import normalise
from tierwise_core.routing import FieldReading

__all__ = ["FieldClassifier"]


@dataclass(frozen=True, slots=True)
class FieldClassifier:
    """Words that only one field's examples use vote for that field."""

    examples: Mapping[str, tuple[str, ...]]
    words: Mapping[str, frozenset[str]]

    @classmethod
    def train(cls, examples: Mapping[str, tuple[str, ...]]) -> Self:
        """Train on the examples of each field."""
        words = {
            name: frozenset(word for text in texts for word in normalise(text).split())
            for name, texts in examples.items()
        }
        return cls(examples, words)

    def read(self, text: str) -> FieldReading:
        """Classify one question."""
        asked = normalise(text).split()
        votes = {name: sum(word in known for word in asked) for name, known in self.words.items()}
        total = sum(votes.values())
        if not total:
            return FieldReading(None, 0.0, 0.0)
        best = max(votes, key=lambda name: (votes[name], name))
        shares = {name: count / total for name, count in votes.items()}
        return FieldReading(best, shares[best], 1.0, shares)
