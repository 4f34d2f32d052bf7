"""The training examples as matrices: one row a text, its terms and the meaning of its words.

A chunk or pair counts once, however often a text repeats it. The length of a row is that of its
chunks and pairs added up, not of the row itself, so that a reading can add it up as well. The
meaning is the sum of the words' vectors over the length that such a sum would have in any text:
that, too, is made of sums.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tierwise_router.classifier.features import PAIR_WEIGHT, chunk_terms, chunks_of, words_of
from tierwise_router.classifier.knowledge import WordKnowledge

__all__ = [
    "MEANING",
    "OUTSIDE",
    "Corpus",
    "build_corpus",
    "chunk_meaning",
    "idf_of",
    "meaning_length",
]

OUTSIDE: Final = -1
"""The label of a text that belongs to no field."""

MEANING: Final = 0.45
"""What the words' vectors weigh beside the terms."""

LIKENESS: Final = 0.05
"""The cosine between two words of one text; 0.03 to 0.06 in eleven public sets of questions."""

LEAST_LENGTH: Final = 1e-4
IDF_POWER: Final = 0.7
RESEMBLES: Final = 0.5
MOST_PAIRS: Final = 40_000
"""The commonest pairs are kept, for each costs a dispatcher some 300 bytes."""

MOST_TERMS: Final = 150_000

Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Corpus:
    """The texts in matrix form, each with its field's number or ``OUTSIDE``.

    ``idf`` weighs each term, the rarer the heavier; ``unknown_idf`` weighs one never seen. The
    pairs of neighbours are the last columns; ``pairs`` names them.
    """

    columns: Mapping[str, int]
    pairs: Mapping[tuple[str, str], int]
    idf: NDArray[np.float64]
    unknown_idf: float
    matrix: Any
    meaning: Singles
    labels: NDArray[np.int64]
    unknown: NDArray[np.float64]

    def unknown_alone(self) -> NDArray[np.float64]:
        """Tell of each row how much of its weight would be unknown without this one row."""
        return self._weight_of(np.arange(len(self.labels)), self._frequency(self.matrix) == 1)

    def unknown_without(self, group: NDArray[np.int64]) -> NDArray[np.float64]:
        """Tell of each row of a group how much of it would be unknown without the whole group."""
        mine = self._frequency(self.matrix[group])
        return self._weight_of(group, self._frequency(self.matrix) == mine)

    def rows(self, chosen: NDArray[np.int64]) -> Corpus:
        """Keep some rows, with the weights of all."""
        return Corpus(
            self.columns,
            self.pairs,
            self.idf,
            self.unknown_idf,
            self.matrix[chosen],
            self.meaning[chosen],
            self.labels[chosen],
            self.unknown[chosen],
        )

    def _frequency(self, rows: Any) -> NDArray[np.int64]:
        return np.bincount(rows.indices, minlength=len(self.idf))

    def _weight_of(self, group: NDArray[np.int64], terms: NDArray[np.bool_]) -> NDArray[np.float64]:
        rows = self.matrix[group]
        squares = rows.multiply(rows)
        whole = np.asarray(squares.sum(axis=1)).ravel() + self.unknown[group]
        lost = np.asarray(squares @ terms.astype(np.float64)) + self.unknown[group]
        return np.asarray(lost / np.maximum(whole, 1e-12))


def idf_of(texts: int, texts_with_term: float) -> float:
    """Weigh a term by how few of the texts have it.

    A term of one text in a hundred weighs twice what a term of every fourth text does:

    >>> round(idf_of(100, 1), 2), round(idf_of(100, 25), 2)
    (2.74, 1.25)
    """
    return math.pow(math.log((texts + 1) / (texts_with_term + 0.5)), IDF_POWER)


def meaning_length(lengths: float, squares: float) -> float:
    """Tell how long a sum of vectors is in general, from their added lengths and squared lengths.

    Two vectors with cosine c make ``|a + b|^2 = |a|^2 + |b|^2 + 2 c |a| |b|``; with the same cosine
    between any two, ``(1 - c) * squares + c * lengths^2``. One word is as long as it is; a hundred
    words of length 1 are as long as 24, because they share their topic:

    >>> round(meaning_length(1.0, 1.0), 3), round(meaning_length(100.0, 100.0), 1)
    (1.0, 24.4)
    """
    return math.sqrt((1 - LIKENESS) * squares + LIKENESS * lengths**2)


def chunk_meaning(chunk: str, known: WordKnowledge) -> tuple[Singles, float, float]:
    """Add up the vectors of a chunk's words, their lengths, and the squares of those."""
    total = np.zeros(known.dimensions, dtype=np.float32)
    lengths = squares = 0.0
    for word in words_of(chunk) if known.dimensions else ():
        vector = known.vector(word)
        if vector is not None:
            total += vector
            square = float(vector @ vector)
            lengths += math.sqrt(square)
            squares += square
    return total, lengths, squares


def build_corpus(
    texts: Sequence[str],
    labels: Sequence[int],
    background: Sequence[str],
    known: WordKnowledge,
) -> Corpus:
    """Count, weigh and normalise; background that resembles an example of a field is left out."""
    rows = [chunks_of(text) for text in (*texts, *background)]
    chunks = {chunk: number for number, chunk in enumerate({c: None for row in rows for c in row})}
    counted = _counted([[chunks[chunk] for chunk in row] for row in rows], len(chunks))
    terms, columns = _terms_of(chunks, counted)
    pairs = _pairs_of(rows)
    paired = _counted([[pairs[p] for p in pairwise(row) if p in pairs] for row in rows], len(pairs))
    weights = sparse.hstack([counted @ terms, paired * PAIR_WEIGHT]).tocsr()
    texts_with = np.bincount(weights.indices, minlength=weights.shape[1])
    idf = np.array([idf_of(len(rows), found) for found in texts_with])
    unknown_idf = idf_of(len(rows), 0)
    own = terms.multiply(idf[: len(columns)]).power(2).sum(axis=1)
    pair_squares = (PAIR_WEIGHT * idf[len(columns) :]) ** 2
    distinct = np.array([len(set(pairwise(row))) for row in rows])
    dropped = distinct - np.asarray(paired.sum(axis=1)).ravel()
    unknown = dropped * (PAIR_WEIGHT * unknown_idf) ** 2
    squares = counted @ np.asarray(own).ravel() + paired @ pair_squares + unknown
    lengths = np.sqrt(np.maximum(squares, 1e-12))
    matrix = (sparse.diags_array(1 / lengths) @ weights @ sparse.diags_array(idf)).tocsr()
    kept = _unlike_any(matrix, len(texts))
    corpus = Corpus(
        columns,
        {pair: len(columns) + number for pair, number in pairs.items()},
        idf,
        unknown_idf,
        matrix.astype(np.float32),
        _meaning_of(list(chunks), counted, known),
        np.array([*labels, *[OUTSIDE] * len(background)], dtype=np.int64),
        unknown / np.maximum(squares, 1e-12),
    )
    return corpus if len(kept) == len(rows) else corpus.rows(kept)


def _counted(rows: Sequence[Sequence[int]], columns: int) -> Any:
    once = [dict.fromkeys(row) for row in rows]
    indices = np.array([column for row in once for column in row], dtype=np.int32)
    starts = np.cumsum([0, *(len(row) for row in once)])
    return sparse.csr_matrix((np.ones(len(indices)), indices, starts), shape=(len(rows), columns))


def _terms_of(chunks: Mapping[str, int], counted: Any) -> tuple[Any, Mapping[str, int]]:
    """Give the terms of each chunk; of very many the ones that most chunks of most texts have."""
    counts = [chunk_terms(chunk) for chunk in chunks]
    often = np.asarray((counted > 0).sum(axis=0)).ravel().tolist()
    found: Counter[str] = Counter()
    for row, times in zip(counts, often, strict=True):
        for term in row:
            found[term] += times
    columns = {term: number for number, (term, _) in enumerate(found.most_common(MOST_TERMS))}
    kept = [{term: value for term, value in row.items() if term in columns} for row in counts]
    indices = np.array([columns[term] for row in kept for term in row], dtype=np.int32)
    values = np.array([value for row in kept for value in row.values()])
    starts = np.cumsum([0, *(len(row) for row in kept)])
    return sparse.csr_matrix((values, indices, starts), shape=(len(kept), len(columns))), columns


def _pairs_of(rows: Sequence[Sequence[str]]) -> dict[tuple[str, str], int]:
    found = Counter(pair for row in rows for pair in set(pairwise(row)))
    return {pair: number for number, (pair, _) in enumerate(found.most_common(MOST_PAIRS))}


def _meaning_of(chunks: Sequence[str], counted: Any, known: WordKnowledge) -> Singles:
    if known.dimensions == 0:
        return np.zeros((counted.shape[0], 0), dtype=np.float32)
    found = (chunk_meaning(chunk, known) for chunk in chunks)
    vectors, lengths, squares = map(np.array, zip(*found, strict=True))
    sums = zip(counted @ lengths, counted @ squares, strict=True)
    whole = np.array([max(meaning_length(*both), LEAST_LENGTH) for both in sums])
    return np.asarray(MEANING * (counted @ vectors) / whole[:, None], dtype=np.float32)


def _unlike_any(matrix: Any, examples: int) -> NDArray[np.int64]:
    resemblance = (matrix[examples:] @ matrix[:examples].T).max(axis=1).toarray().ravel()
    unlike = resemblance < RESEMBLES
    kept = [*range(examples), *(examples + np.flatnonzero(unlike)).tolist()]
    return np.array(kept, dtype=np.int64)
