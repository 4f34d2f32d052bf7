"""What of a question is cheap to see and tells how hard it is: its size, its signs, its words.

Numbers only, no text: they are kept in the journal of outcomes, which holds no prompts. Made once
per request, in a few microseconds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import log
from struct import Struct
from typing import Final, NamedTuple, Self
from zlib import crc32

__all__ = ["FEATURE_NAMES", "LANES", "QueryFeatures", "feature_row", "query_features"]

LANES: Final = 8
"""How many random projections of the words are kept."""

FEATURE_NAMES: Final = (
    "length",
    "words",
    "lines",
    "digits",
    "signs",
    "question",
    "code",
    "choices",
    *(f"sketch{lane}" for lane in range(LANES)),
)
"""What each number of :attr:`QueryFeatures.values` says, in order."""

READ_AT_EACH_END: Final = 600
MOST_SEEN: Final = 2 * READ_AT_EACH_END + 1
OPENING_WORDS: Final = 3
NAMED: Final = 8
COUNT_AT: Final = 3
ASKS, CODE, CHOICES = 1, 2, 4
MOST_CACHED: Final = 20_000
LANE_BITS: Final = 16
DIGITS: Final = "0123456789"
TRAILING: Final = " .!?;,:"
SIGNS: Final = "+-*/=^<>%"
COUNTED: Final = LANES + 2
UNPACK: Final = Struct(f"<{COUNTED}H").unpack
PACKED_BYTES: Final = COUNTED * LANE_BITS // 8
DIGIT_LANE: Final = 1 << LANES * LANE_BITS
SIGN_LANE: Final = DIGIT_LANE << LANE_BITS
SHAPE_LENGTHS: Final = (50, 150, 500, 1500)
MANY_DIGITS: Final = 0.1
# By the count of words, of which twice 600 characters have 601 at the most.
LOGS: Final = tuple(log(count or 1) - 3.0 for count in range(2 * READ_AT_EACH_END + 2))
SCALES: Final = tuple(2.0 / (count or 1) ** 0.5 for count in range(2 * READ_AT_EACH_END + 2))


class QueryFeatures(NamedTuple):
    """The numbers of one question.

    ``values`` are as FEATURE_NAMES says, each about between -3 and 3. ``opening`` names how the
    question begins, its numbers aside: what comes from one template shares it. ``question`` names
    the question itself, so that equal ones share their evidence. ``shape`` is a coarse class of
    size and digits. ``row`` is what all of them are made of: counts, as :func:`feature_row` gives.
    """

    values: tuple[float, ...]
    opening: int
    shape: int
    question: int
    row: Sequence[int]

    @classmethod
    def of(cls, row: Sequence[int]) -> Self:
        """Work them out from what was counted."""
        question, opening, whole, count, lines, signs_seen, digits, signs, *ones = row
        size = 1.0 / (min(whole, MOST_SEEN) or 1)
        middle, scale = count / 2.0, SCALES[count]
        values = (
            log(whole + 1) - 5.0,
            LOGS[count],
            log(lines + 1),
            5.0 * digits * size,
            10.0 * signs * size,
            1.0 if signs_seen & ASKS else 0.0,
            1.0 if signs_seen & CODE else 0.0,
            1.0 if signs_seen & CHOICES else 0.0,
            *[(one - middle) * scale for one in ones],
        )
        shape = 3 * bisect_left(SHAPE_LENGTHS, whole)
        if digits:
            shape += 1 if digits * size < MANY_DIGITS else 2
        return cls(values, opening, shape, question, row)

    @classmethod
    def from_row(cls, row: object) -> Self | None:
        """Read a row of the journal; None for anything else, such as another version's row.

        >>> features = query_features("what is 17+25?")
        >>> QueryFeatures.from_row(feature_row("what is 17+25?")) == features
        True
        """
        if not isinstance(row, Sequence) or len(row) != NAMED + LANES:
            return None
        if not all(isinstance(value, int) and value >= 0 for value in row):
            return None
        return cls.of(row) if row[COUNT_AT] < len(LOGS) else None


def query_features(text: str) -> QueryFeatures:
    """Measure a question. Of a long one the beginning and the end are read, 600 characters each.

    Digits, signs and lines are shares or logarithms, so that a long question's stay comparable:

    >>> features = dict(zip(FEATURE_NAMES, query_features("What is 17+25?").values))
    >>> round(features["digits"], 2), features["question"]
    (1.43, 1.0)

    What differs in case and blanks only is one question; in its numbers only, it begins alike:

    >>> query_features("sort  DBCA").question == query_features("Sort dbca!").question
    True

    >>> query_features("what is 17+25?").opening == query_features("What is 8+9?").opening
    True
    """
    return QueryFeatures.of(feature_row(text))


def feature_row(text: str) -> list[int]:
    """Count what features are made of: for the journal, where nobody needs the features yet.

    The question's name and its opening's, characters, words, lines, what signs there are, digits,
    operators, then the words' projections.

    >>> feature_row("What is 17+25?")[2:8]
    [14, 3, 0, 1, 4, 1]
    """
    # Written in one piece, as every request pays for it.
    whole = len(text)
    if whole >= MOST_SEEN:
        text = f"{text[:READ_AT_EACH_END]} {text[-READ_AT_EACH_END:]}"
    words = text.lower().split()
    *ones, digits, signs = UNPACK(sum(map(_packed, words)).to_bytes(PACKED_BYTES, "little"))
    seen = ASKS if "?" in text else 0
    if "```" in text or "def " in text or "();" in text:
        seen |= CODE
    if "\nB" in text or "(B)" in text:
        seen |= CHOICES
    question = crc32(" ".join(words).rstrip(TRAILING).encode("utf-8", "surrogatepass"))
    opening = _openings[" ".join(words[:OPENING_WORDS])]
    return [question, opening, whole, len(words), text.count("\n"), seen, digits, signs, *ones]


def _crc(text: str) -> int:
    return crc32(text.encode("utf-8", "surrogatepass"))


class _Openings(dict[str, int]):
    """Names of the first words; those with digits in them are one and the same word."""

    def __missing__(self, first: str) -> int:
        if len(self) >= MOST_CACHED:
            self.clear()
        alike = ("0" if any(map(word.__contains__, DIGITS)) else word for word in first.split())
        self[first] = named = _crc(" ".join(alike))
        return named


# Which lanes each value of a byte adds to.
SPREAD: Final = tuple(
    sum((byte >> lane & 1) << (lane * LANE_BITS) for lane in range(LANES)) for byte in range(256)
)


class _Packed(dict[str, int]):
    """Of each word a random bit per lane, its digits and signs, packed in one number.

    Adding such numbers adds all lanes at once.
    """

    def __missing__(self, word: str) -> int:
        if len(self) >= MOST_CACHED:
            self.clear()
        bits = _crc(word)
        packed = SPREAD[bits & 255]
        if not word.isalpha():
            packed += DIGIT_LANE * sum(map(word.count, DIGITS))
            packed += SIGN_LANE * sum(map(word.count, SIGNS))
        self[word] = packed
        return packed


_openings: Final = _Openings()
_packed: Final = _Packed().__getitem__
