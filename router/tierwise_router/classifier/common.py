"""The commonest words with their terms, laid out once per process: no reading starts cold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tierwise_router.classifier.features import chunk_terms
from tierwise_router.classifier.knowledge import WordKnowledge

__all__ = ["CommonWords", "common_words"]

MOST: Final = 24_000


@dataclass(frozen=True, slots=True)
class CommonWords:
    """Words by rank: the counts of their terms (a column a term), their vectors and lengths.

    The vectors are kept in half precision, which halves what a process keeps of them.
    """

    words: tuple[str, ...]
    terms: tuple[str, ...]
    counts: Any
    squares: Any
    vectors: NDArray[np.float16]
    lengths: NDArray[np.float32]


@cache
def common_words(known: WordKnowledge, most: int) -> CommonWords:
    """Lay out the commonest words that are known, in about half a second."""
    words = known.commonest(min(most, MOST))
    columns: dict[str, int] = {}
    indices, values, starts = [], [], [0]
    for word in words:
        for term, count in chunk_terms(word).items():
            indices.append(columns.setdefault(term, len(columns)))
            values.append(count)
        starts.append(len(indices))
    shape = (len(words), len(columns))
    counts = sparse.csr_matrix((values, indices, starts), shape=shape, dtype=np.float64)
    vectors = known.vectors(words)
    lengths = np.sqrt(np.einsum("wd,wd->w", vectors, vectors))
    kept = vectors.astype(np.float16)
    return CommonWords(words, tuple(columns), counts, counts.power(2), kept, lengths)
