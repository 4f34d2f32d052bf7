"""The fields as an embedding model sees them: ridge regression on the vectors of the examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tierwise_core.field_reading import FieldReading
from tierwise_router.classifier.calibration import DomainGate
from tierwise_router.classifier.corpus import OUTSIDE, Corpus
from tierwise_router.classifier.training import train_exactly

__all__ = ["EmbeddedFields", "joined"]

Singles = NDArray[np.float32]
MOST_EACH: Final = 200
"""Examples of one field that are embedded: an endpoint's time costs."""

BELONGS: Final = 0.5
LEAST: Final = 1e-6


@dataclass(frozen=True, slots=True)
class EmbeddedFields:
    """What was learned from the vectors of examples; a column of ``weights`` per field."""

    fields: tuple[str, ...]
    weights: Singles = field(repr=False)
    centre: Singles = field(repr=False)
    temperature: float
    gate: DomainGate

    @classmethod
    def train(
        cls, fields: Sequence[str], labels: Sequence[int], vectors: Singles
    ) -> EmbeddedFields:
        """Train on a vector per example; the label is its field's number, or OUTSIDE."""
        marks = np.array(labels, dtype=np.int64)
        centre = vectors[marks != OUTSIDE].mean(axis=0)
        meaning = _directions(vectors - centre)
        rows = len(marks)
        corpus = Corpus(
            columns={},
            pairs={},
            idf=np.zeros(0),
            unknown_idf=0.0,
            matrix=sparse.csr_matrix((rows, 0), dtype=np.float32),
            meaning=meaning,
            labels=marks,
            unknown=np.zeros(rows),
        )
        dual, temperature, gate = train_exactly(corpus, len(fields))
        return cls(tuple(fields), meaning.T @ dual, centre, temperature, gate)

    def read(self, vector: Singles) -> FieldReading:
        """Read the vector of one text."""
        scores = (_directions((vector - self.centre)[None, :]) @ self.weights)[0]
        raised = np.exp((scores - scores.max()) / self.temperature)
        shares = (raised / raised.sum()).tolist()
        in_domain = self.gate.probability(float(scores.max()), 0.0)
        return _reading(dict(zip(self.fields, shares, strict=True)), in_domain)


def _directions(vectors: Singles) -> Singles:
    lengths = np.sqrt(np.einsum("rd,rd->r", vectors, vectors))
    return np.asarray(vectors / np.maximum(lengths, 1e-9)[:, None], dtype=np.float32)


def joined(one: FieldReading, other: FieldReading, weight: float) -> FieldReading:
    """Join two opinions: shares as weighted geometric means, the domain in logits.

    >>> sure = FieldReading("a", 0.9, 0.9, {"a": 0.9, "b": 0.1})
    >>> unsure = FieldReading(None, 0.5, 0.5, {"a": 0.5, "b": 0.5})
    >>> both = joined(unsure, sure, 0.5)
    >>> both.field, round(both.probability, 2), round(both.in_domain, 2)
    ('a', 0.75, 0.75)
    """
    raised = {
        name: max(share, LEAST) ** (1 - weight)
        * max(other.probabilities.get(name, 0.0), LEAST) ** weight
        for name, share in one.probabilities.items()
    }
    total = sum(raised.values())
    logit = (1 - weight) * _logit(one.in_domain) + weight * _logit(other.in_domain)
    shares = {name: value / total for name, value in raised.items()}
    return _reading(shares, 1.0 / (1.0 + math.exp(-logit)))


def _logit(probability: float) -> float:
    held = min(max(probability, LEAST), 1 - LEAST)
    return math.log(held / (1 - held))


def _reading(shares: Mapping[str, float], in_domain: float) -> FieldReading:
    best = max(shares, key=shares.__getitem__)
    name = best if in_domain >= BELONGS else None
    return FieldReading(name, shares[best], in_domain, shares)


def chosen_examples(examples: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Choose an even selection of each field's examples, at most 200; fields without are left out.

    >>> [len(texts) for texts in chosen_examples({"a": ["x"] * 1000, "b": ["y"], "c": []}).values()]
    [200, 1]
    """
    return {
        name: [texts[number * len(texts) // most] for number in range(most)]
        for name, texts in examples.items()
        if (most := min(len(texts), MOST_EACH))
    }
