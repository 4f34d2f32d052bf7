"""Texts as sparse rows: words, pairs of neighbours and pieces of words, hashed and weighted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tierwise_core.query_features import FEATURE_NAMES, LANES, query_features

__all__ = ["Floats", "TextSpace", "dense_features", "hashed_counts"]

Floats = NDArray[np.float64]

COLUMNS: Final = 1 << 18
READ_AT_EACH_END: Final = 2000
WORD: Final = re.compile(r"[^\W\d_]+|\d+|[^\s\w]|_")
PIECES: Final = (3, 4, 5)
MOST_CACHED: Final = 200_000
DENSE: Final = len(FEATURE_NAMES) - LANES
LEAST_DOCUMENTS: Final = 2


def hashed_counts(texts: Iterable[str]) -> sparse.csr_matrix:
    """Count each text's terms, by the hash of the term: one row of 2**18 columns per text.

    Of a long text the first and the last 2,000 characters are read. Counts are dampened: a word
    that stands there ten times says little more than one that stands there three times.

    >>> hashed_counts(["a b", "a b"]).shape
    (2, 262144)
    """
    words = _Words()
    columns = [_columns(words, text) for text in texts]
    ends = np.cumsum([0, *(len(row) for row in columns)])
    flat = np.concatenate([*columns, np.empty(0, np.int32)])
    ones = np.ones(len(flat), np.float32)
    counts = sparse.csr_matrix((ones, flat, ends), shape=(len(columns), COLUMNS))
    counts.sum_duplicates()
    counts.data = 1.0 + np.log(counts.data)
    return counts


def _columns(words: _Words, text: str) -> NDArray[np.int32]:
    if len(text) > 2 * READ_AT_EACH_END:
        text = f"{text[:READ_AT_EACH_END]} {text[-READ_AT_EACH_END:]}"
    found = WORD.findall(text.lower())
    parts = [words[word] for word in found]
    if not parts:
        return np.empty(0, np.int32)
    # The first number of a word is its own hash; two neighbours' make the hash of the pair.
    own = np.array([part[0] for part in parts], np.int64)
    pairs = (own[:-1] * 31 + own[1:] * 17 + 7) % COLUMNS
    return np.concatenate([*parts, pairs.astype(np.int32)])


class _Words(dict[str, NDArray[np.int32]]):
    """The columns of each word: its own, then its pieces'."""

    def __missing__(self, word: str) -> NDArray[np.int32]:
        if len(self) >= MOST_CACHED:
            self.clear()
        padded = f"<{word}>"
        pieces = [
            padded[start : start + size]
            for size in PIECES
            for start in range(len(padded) - size + 1)
        ]
        terms = [word, *(f"#{piece}" for piece in pieces)]
        self[word] = columns = np.array([_column(term) for term in terms], np.int32)
        return columns


def _column(term: str) -> int:
    return crc32(term.encode("utf-8", "surrogatepass")) % COLUMNS


def dense_features(texts: Iterable[str]) -> Floats:
    """Measure each text as the router does: length, words, lines, digits, signs and so on."""
    return np.array([query_features(text).values[:DENSE] for text in texts]).reshape(-1, DENSE)


@dataclass(frozen=True, slots=True)
class TextSpace:
    """What terms weigh, learned from the training texts: the rarer, the more; rows of length 1."""

    idf: Floats

    @classmethod
    def fit(cls, counts: sparse.csr_matrix) -> Self:
        """Learn the weights; a term of one text alone says nothing of others and weighs nothing."""
        documents = np.bincount(counts.indices, minlength=COLUMNS)
        idf = np.log((1.0 + counts.shape[0]) / (1.0 + documents)) + 1.0
        idf[documents < LEAST_DOCUMENTS] = 0.0
        return cls(idf)

    def rows(self, counts: sparse.csr_matrix) -> sparse.csr_matrix:
        """Weigh the terms of texts."""
        rows = counts.copy()
        rows.data = (rows.data * self.idf[rows.indices]).astype(np.float32)
        rows.eliminate_zeros()
        lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
        rows.data /= np.repeat(np.maximum(lengths, 1e-9), np.diff(rows.indptr)).astype(np.float32)
        return rows


def stacked(blocks: Sequence[sparse.spmatrix | Floats]) -> sparse.csr_matrix:
    """Put blocks of columns beside each other."""
    return sparse.hstack([sparse.csr_matrix(block) for block in blocks]).tocsr()
