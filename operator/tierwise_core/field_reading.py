"""What the classifier makes of a question: its field, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field as dataclass_field

from tierwise_core.swift import dataclass

__all__ = ["FieldReading"]


@dataclass(frozen=True, slots=True)
class FieldReading:
    """What the classifier makes of a question.

    ``field`` is the likeliest field, or None when the question lies outside every field.
    ``probability`` is that field's share among the fields, ``in_domain`` how much the question
    looks like any of the examples at all, both in [0, 1]. ``probabilities`` has every field.
    """

    field: str | None
    probability: float
    in_domain: float
    probabilities: Mapping[str, float] = dataclass_field(default_factory=dict)

    @property
    def confidence(self) -> float:
        """The probability that the question belongs to ``field``; 0 outside every field."""
        return self.probability * self.in_domain if self.field is not None else 0.0
