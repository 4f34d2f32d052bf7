"""Votes of words, added up: the part of the classifier that every request runs through.

Everything a chunk of text adds to a reading is a row of numbers: what it adds to each field's
score by its terms and by its meaning, to the length of the text, to its unknown part and to the
length of its meaning. The numbers of one row are packed into one whole number, so that a single
addition adds all of them: a text of 30 words is read by some 60 additions and no loop in Python.
Chunks are remembered, the commonest words from the beginning; what is remembered is bounded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise, repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tierwise_router.classifier.common import common_words
from tierwise_router.classifier.corpus import MEANING, chunk_meaning, meaning_length
from tierwise_router.classifier.features import END, PAIR_WEIGHT, START, chunk_terms, chunks_of
from tierwise_router.classifier.knowledge import WordKnowledge
from tierwise_router.classifier.lanes import HALF, STEP, Lanes

__all__ = ["Learned", "Votes"]

REMEMBERED_BYTES: Final = 24 << 20
LONGEST_REMEMBERED: Final = 48
OTHERS: Final = 4
"""The lanes behind the fields' two each: length, unknown part, and the lengths of the words'
vectors, plain and squared."""

SQUARED: Final = 1 / 16
"""Squares are packed at a sixteenth, so that those of the longest text stay within their lane."""

Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Learned:
    """What training found: a row per term and pair, or per dimension; a column per field."""

    columns: Mapping[str, int]
    pairs: Mapping[tuple[str, str], int]
    idf: NDArray[np.float64]
    unknown_idf: float
    terms: Singles
    meaning: Singles
    known: WordKnowledge


class _Remembered(dict[str, int]):
    """What each chunk adds, worked out when it is first seen; starts anew when it is full."""

    def __init__(self, votes: Votes, at_first: Mapping[str, int], most: int) -> None:
        super().__init__(at_first)
        self._votes = votes
        self._at_first = at_first
        self._most = max(most, 2 * len(at_first))

    def __missing__(self, chunk: str) -> int:
        added = self._votes.of_chunk(chunk)
        if len(chunk) <= LONGEST_REMEMBERED:
            if len(self) >= self._most:
                self.clear()
                self.update(self._at_first)
            self[chunk] = added
        return added


class Votes:
    """The votes of one trained classifier, ready to be added up."""

    def __init__(self, learned: Learned) -> None:
        self._learned = learned
        self._columns = learned.columns
        self._idf: list[float] = learned.idf.tolist()
        self._fields = learned.terms.shape[1]
        self._nothing = np.zeros(self._fields, dtype=np.float32)
        self._lanes = Lanes(2 * self._fields + OTHERS)
        most = REMEMBERED_BYTES // (self._lanes.size + 200)
        self._chunks = _Remembered(self, {START: 0, END: 0, **self._common(most // 2)}, most)
        self._chunk = self._chunks.__getitem__
        self._pairs = self._pack_pairs()
        self._pair = self._pairs.get
        square = (PAIR_WEIGHT * learned.unknown_idf) ** 2
        row = [*[0.0] * (2 * self._fields), SQUARED * square, SQUARED * square, 0.0, 0.0]
        self._unknown_pair = repeat(self._lanes.pack(row))

    def _pack_pairs(self) -> dict[tuple[str, str], int]:
        learned = self._learned
        if not learned.pairs:
            return {}
        columns = np.fromiter(learned.pairs.values(), dtype=np.int64)
        weights = PAIR_WEIGHT * learned.idf[columns, None]
        rows = np.zeros((len(columns), 2 * self._fields + OTHERS))
        rows[:, : self._fields] = learned.terms[columns] * weights
        rows[:, -OTHERS] = SQUARED * weights[:, 0] ** 2
        return dict(zip(learned.pairs, self._lanes.pack_all(rows), strict=True))

    def _common(self, most: int) -> dict[str, int]:
        """Work out what the commonest words add, all at once."""
        learned = self._learned
        common = common_words(learned.known, most)
        columns = np.array([self._columns.get(term, -1) for term in common.terms], dtype=np.int64)
        idf = np.where(columns >= 0, learned.idf[columns], learned.unknown_idf)
        votes = np.where((columns >= 0)[:, None], learned.terms[columns] * idf[:, None], 0.0)
        rows = np.zeros((len(common.words), 2 * self._fields + OTHERS))
        rows[:, : self._fields] = common.counts @ votes
        rows[:, self._fields : -OTHERS] = common.vectors.astype(np.float32) @ learned.meaning
        rows[:, -4] = SQUARED * (common.squares @ idf**2)
        rows[:, -3] = SQUARED * (common.squares @ np.where(columns >= 0, 0.0, idf**2))
        rows[:, -2] = common.lengths
        rows[:, -1] = common.lengths**2
        return dict(zip(common.words, self._lanes.pack_all(rows), strict=True))

    def of_chunk(self, chunk: str) -> int:
        """Work out what one chunk adds."""
        rows, weights = [], []
        squares = unknown = 0.0
        for term, count in chunk_terms(chunk).items():
            column = self._columns.get(term)
            if column is None:
                unknown += (count * self._learned.unknown_idf) ** 2
            else:
                rows.append(column)
                weights.append(count * self._idf[column])
                squares += weights[-1] ** 2
        terms = self._learned.terms
        votes = np.array(weights, dtype=np.float32) @ terms[rows] if rows else self._nothing
        vector, *lengths = chunk_meaning(chunk, self._learned.known)
        meant = vector @ self._learned.meaning if any(lengths) else self._nothing
        others = (SQUARED * (squares + unknown), SQUARED * unknown, *lengths)
        return self._lanes.pack([*votes.tolist(), *meant.tolist(), *others])

    def read(self, text: str) -> tuple[list[float], float]:
        """Score each field, and tell the share of the text that nobody's examples have."""
        chunks = chunks_of(text)
        pairs = sum(map(self._pair, set(pairwise(chunks)), self._unknown_pair))
        steps = self._lanes.biased(sum(map(self._chunk, set(chunks)), pairs))
        fields = self._fields
        length = max(steps[-4] - HALF, 1)
        by_terms = math.sqrt(SQUARED / (length * STEP))
        meant = meaning_length((steps[-2] - HALF) / STEP, (steps[-1] - HALF) / STEP)
        by_meaning = MEANING / (meant * STEP) if meant else 0.0
        shift = HALF * (by_terms + by_meaning)
        scores = [
            term * by_terms + meaning * by_meaning - shift
            for term, meaning in zip(steps, steps[fields:-OTHERS], strict=False)
        ]
        return scores, (steps[-3] - HALF) / length

    def shares(self, text: str, number: int) -> list[tuple[str, float]]:
        """Tell what each chunk of a text, with the pair that ends in it, adds to one field."""
        chunks = chunks_of(text)
        unknown = next(self._unknown_pair)
        rows = {chunk: self._lanes.unpack(self._chunk(chunk)) for chunk in chunks}
        paired = {pair: self._lanes.unpack(self._pair(pair, unknown)) for pair in pairwise(chunks)}
        every = (*rows.values(), *paired.values())
        length = math.sqrt(sum(row[-4] for row in every) / SQUARED)
        meaning = meaning_length(sum(row[-2] for row in every), sum(row[-1] for row in every))
        told = dict.fromkeys(chunks[1:-1], 0.0)
        for chunk in told:
            meant = MEANING * rows[chunk][self._fields + number] / meaning if meaning else 0.0
            told[chunk] = rows[chunk][number] / length + meant
        for (_, after), row in paired.items():
            if after in told:
                told[after] += row[number] / length
        return list(told.items())
