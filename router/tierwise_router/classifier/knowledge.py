"""What is known of words before any example: which mean something alike, and how common they are.

Twenty examples of a field leave most of its words unseen. A word that was never seen still votes
when it lies beside words that were. The shipped table has 64,000 common English words, distilled
from a small sentence encoder by ``hack/word_vectors.py``; another may be plugged in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["NOTHING", "ShippedWords", "Vector", "WordKnowledge", "shipped_words"]

Vector = NDArray[np.float32]

WORDS: Final = Path(__file__).with_name("words.npz")
VECTORS: Final = Path(__file__).with_name("words.vectors.npy")
"""Lies by itself, so that the processes of a machine share one copy of it in memory."""

LEVELS: Final = 7
ZIPF_SHIFT: Final = 2.7
ZIPF_TOTAL: Final = 13.0
COMMON: Final = 1e-3
"""A word that makes up this share of all text counts half."""


class WordKnowledge(Protocol):
    """A table of word vectors."""

    @property
    def name(self) -> str:
        """Tell the table from others."""
        ...

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has; 0 for a table that knows nothing."""
        ...

    def __hash__(self) -> int: ...

    def vector(self, word: str) -> Vector | None:
        """Give the word's vector, the longer the more the word says; None if it is unknown."""
        ...

    def vectors(self, words: Sequence[str]) -> Vector:
        """Give the vectors of many words that are known, a row each."""
        ...

    def commonest(self, most: int) -> tuple[str, ...]:
        """Name the commonest words that are known, the commonest first."""
        ...


@dataclass(frozen=True, slots=True)
class _Nothing:
    name: str = "none"
    dimensions: int = 0

    def vector(self, word: str) -> Vector | None:  # noqa: ARG002 - it knows none
        return None

    def vectors(self, words: Sequence[str]) -> Vector:
        return np.zeros((len(words), 0), dtype=np.float32)

    def commonest(self, most: int) -> tuple[str, ...]:  # noqa: ARG002 - it knows none
        return ()


NOTHING: Final = _Nothing()


@dataclass(frozen=True, slots=True, eq=False)
class ShippedWords:
    """The table that comes with tierwise."""

    index: Mapping[str, int] = field(repr=False)
    ranks: NDArray[np.uint32] = field(repr=False)
    levels: NDArray[np.uint8] = field(repr=False)
    scales: NDArray[np.float16] = field(repr=False)
    name: str = "minilm-l6-192d"

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        return 2 * int(self.levels.shape[1])

    def vector(self, word: str) -> Vector | None:
        """Unpack a word's vector; how much the word says is in its length."""
        row = self.index.get(word)
        return None if row is None else _unpacked(self.levels[row], self.scales[row])

    def vectors(self, words: Sequence[str]) -> Vector:
        """Unpack the vectors of many words of the table."""
        rows = [self.index[word] for word in words]
        return _unpacked(self.levels[rows], self.scales[rows])

    def weight(self, word: str) -> float:
        """Weigh a word by its rank; one that the table does not have is rare."""
        row = self.index.get(word)
        return 1.0 if row is None else commonness_weight(int(self.ranks[row]))

    def commonest(self, most: int) -> tuple[str, ...]:
        """Name the commonest words of the table."""
        return tuple(islice(self.index, most))


def commonness_weight(rank: int) -> float:
    """Weigh a word by its rank among all words (0 is the commonest), by Zipf's law.

    The smooth inverse frequency of Arora, Liang and Ma (ICLR 2017), ``a / (a + p(word))``:

    >>> round(commonness_weight(0), 3), round(commonness_weight(1000), 3)
    (0.034, 0.929)
    """
    share = 1.0 / (rank + ZIPF_SHIFT) / ZIPF_TOTAL
    return COMMON / (COMMON + share)


PAIRED: Final = np.array(
    [(byte // 16 - LEVELS, byte % 16 - LEVELS) for byte in range(256)], dtype=np.float32
)
"""What the two halves of a byte stand for."""


def _unpacked(levels: NDArray[np.uint8], scales: NDArray[np.float16]) -> Vector:
    both = PAIRED[levels].reshape(*levels.shape[:-1], -1)
    return both * np.asarray(scales, np.float32)[..., None]


@cache
def shipped_words() -> ShippedWords:
    """Open the shipped table, once per process, in some 20 milliseconds."""
    with np.load(WORDS) as table:
        words = table["words"].tobytes().decode().split("\n")
        ranks, scales = table["ranks"], table["scales"]
    index = {word: row for row, word in enumerate(words)}
    return ShippedWords(index, ranks, np.load(VECTORS, mmap_mode="r"), scales)
