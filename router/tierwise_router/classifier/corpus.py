"""The training examples as a sparse matrix: one row a text, one column a term, rows of length 1."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tierwise_router.classifier.features import term_counts

__all__ = ["OUTSIDE", "Corpus", "build_corpus", "idf_of"]

OUTSIDE: Final = -1
"""The label of a text that belongs to no field."""

IDF_POWER: Final = 0.7
RESEMBLES: Final = 0.5


@dataclass(frozen=True, slots=True)
class Corpus:
    """The texts in matrix form, each with its field's number or ``OUTSIDE``.

    ``idf`` weighs each term, the rarer the heavier; ``unknown_idf`` weighs one never seen.
    """

    columns: Mapping[str, int]
    idf: NDArray[np.float64]
    unknown_idf: float
    matrix: Any
    labels: NDArray[np.int64]

    def unknown_alone(self) -> NDArray[np.float64]:
        """Tell of each row how much of its weight would be unknown without this one row."""
        return _weight_of(self.matrix, self._frequency(self.matrix) == 1)

    def unknown_without(self, group: NDArray[np.int64]) -> NDArray[np.float64]:
        """Tell of each row of a group how much of it would be unknown without the whole group."""
        rows = self.matrix[group]
        return _weight_of(rows, self._frequency(self.matrix) == self._frequency(rows))

    def _frequency(self, rows: Any) -> NDArray[np.int64]:
        return np.bincount(rows.indices, minlength=len(self.idf))


def _weight_of(rows: Any, terms: NDArray[np.bool_]) -> NDArray[np.float64]:
    # Rows have length 1, so that squares add up to the share of the whole.
    return np.asarray(rows.multiply(rows) @ terms.astype(np.float64))


def idf_of(texts: int, texts_with_term: float) -> float:
    """Weigh a term by how few of the texts have it.

    A term of one text in a hundred weighs twice what a term of every fourth text does:

    >>> round(idf_of(100, 1), 2), round(idf_of(100, 25), 2)
    (2.74, 1.25)
    """
    return math.pow(math.log((texts + 1) / (texts_with_term + 0.5)), IDF_POWER)


def build_corpus(texts: Sequence[str], labels: Sequence[int], background: Sequence[str]) -> Corpus:
    """Count, weigh and normalise; background that resembles an example of a field is left out."""
    counts = [term_counts(text) for text in (*texts, *background)]
    frequency = Counter(term for row in counts for term in row)
    columns = {term: column for column, term in enumerate(frequency)}
    idf = np.array([idf_of(len(counts), found) for found in frequency.values()])
    matrix = _matrix(counts, columns, idf)
    kept = _unlike_any(matrix, len(texts))
    return Corpus(
        columns=columns,
        idf=idf,
        unknown_idf=idf_of(len(counts), 0),
        matrix=matrix[kept],
        labels=np.array([*labels, *[OUTSIDE] * (len(kept) - len(texts))], dtype=np.int64),
    )


def _matrix(
    counts: Sequence[Mapping[str, float]], columns: Mapping[str, int], idf: NDArray[np.float64]
) -> Any:
    indices = np.array([columns[term] for row in counts for term in row], dtype=np.int32)
    values = np.array([value for row in counts for value in row.values()]) * idf[indices]
    starts = np.cumsum([0, *(len(row) for row in counts)])
    matrix = sparse.csr_matrix((values, indices, starts), shape=(len(counts), len(columns)))
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sparse.diags_array(1.0 / np.maximum(lengths, 1e-12)).tocsr() @ matrix


def _unlike_any(matrix: Any, examples: int) -> NDArray[np.int64]:
    resemblance = np.asarray((matrix[examples:] @ matrix[:examples].T).todense())
    unlike = resemblance.max(axis=1, initial=0.0) < RESEMBLES
    kept = [*range(examples), *(examples + np.flatnonzero(unlike)).tolist()]
    return np.array(kept, dtype=np.int64)
