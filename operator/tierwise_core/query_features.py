"""What of a question is cheap to see and tells how hard it is: its size, its signs, its words.

Numbers only, no text: they are kept in the journal of outcomes, which holds no prompts. Made once
per request, in about three microseconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, Self
from zlib import crc32

__all__ = ["FEATURE_NAMES", "LANES", "QueryFeatures", "query_features"]

LANES: Final = 16
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
OPENING_WORDS: Final = 3
MOST_CACHED: Final = 50_000
LANE_BITS: Final = 16
SIGNS: Final = "+-*/=^<>%"
DIGITS: Final = "0123456789"
UNPACK: Final = Struct(f"<{LANES}H").unpack
PACKED_BYTES: Final = LANES * LANE_BITS // 8
SHAPE_LENGTHS: Final = (4.0, 5.0, 6.0, 7.0)


@dataclass(frozen=True, slots=True)
class QueryFeatures:
    """The numbers of one question.

    ``values`` are as FEATURE_NAMES says, each about between -3 and 3. ``opening`` names how the
    question begins, its numbers aside: what comes from one template shares it. ``shape`` is a
    coarse class of size and digits.
    """

    values: tuple[float, ...]
    opening: int = 0
    shape: int = 0

    def row(self) -> list[float | int]:
        """Turn it into a row of JSON: opening, shape, then the values to three digits.

        >>> features = query_features("what is 17+25?")
        >>> again = QueryFeatures.from_row(features.row())
        >>> again is not None and again.opening == features.opening
        True
        """
        return [self.opening, self.shape, *(round(value, 3) for value in self.values)]

    @classmethod
    def from_row(cls, row: object) -> Self | None:
        """Read what :meth:`row` wrote; None for anything else, such as another version's row."""
        if not isinstance(row, Sequence) or len(row) != len(FEATURE_NAMES) + 2:
            return None
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in row):
            return None
        return cls(tuple(float(value) for value in row[2:]), int(row[0]), int(row[1]))


def query_features(text: str) -> QueryFeatures:
    """Measure a question. Of a long one the beginning and the end are read, 600 characters each.

    Digits, signs and lines are shares or logarithms, so that a long question's stay comparable:

    >>> features = dict(zip(FEATURE_NAMES, query_features("What is 17+25?").values))
    >>> round(features["digits"], 2), features["question"]
    (1.43, 1.0)

    What differs in its numbers only begins alike:

    >>> query_features("what is 17+25?").opening == query_features("What is 8+9?").opening
    True
    """
    whole = len(text)
    if whole > 2 * READ_AT_EACH_END:
        text = f"{text[:READ_AT_EACH_END]} {text[-READ_AT_EACH_END:]}"
    words = text.lower().split()
    seen = len(text) or 1
    counted = text.count
    digits = sum(map(counted, DIGITS)) / seen
    length = math.log(whole + 1)
    dense = (
        length - 5.0,
        math.log(len(words) + 1) - 3.0,
        math.log(counted("\n") + 1),
        min(5.0 * digits, 3.0),
        min(10.0 * sum(map(counted, SIGNS)) / seen, 3.0),
        1.0 if "?" in text else 0.0,
        1.0 if "```" in text or "def " in text or "();" in text else 0.0,
        1.0 if "\nB" in text or "(B)" in text else 0.0,
    )
    return QueryFeatures(dense + _sketch(words), _opening(words), _shape(length, digits))


def _shape(length: float, digits: float) -> int:
    return 3 * sum(length > bound for bound in SHAPE_LENGTHS) + (digits > 0.0) + (digits > 0.1)  # noqa: PLR2004


def _opening(words: Sequence[str]) -> int:
    """Name the first words; those with digits in them are one and the same word."""
    first = ["0" if _has_digit(word) else word for word in words[:OPENING_WORDS]]
    return crc32(" ".join(first).encode("utf-8", "surrogatepass"))


def _has_digit(word: str) -> bool:
    return not word.isalpha() and any(map(word.__contains__, DIGITS))


class _Packed(dict[str, int]):
    """Of each word a random sign per lane, packed in one number: adding words is adding numbers."""

    def __missing__(self, word: str) -> int:
        if len(self) >= MOST_CACHED:
            self.clear()
        bits = crc32(word.encode("utf-8", "surrogatepass"))
        packed = sum((bits >> lane & 1) << (lane * LANE_BITS) for lane in range(LANES))
        self[word] = packed
        return packed


_packed: Final = _Packed()


def _sketch(words: Sequence[str]) -> tuple[float, ...]:
    count = len(words)
    if not count:
        return (0.0,) * LANES
    ones = UNPACK(sum(map(_packed.__getitem__, words)).to_bytes(PACKED_BYTES, "little"))
    scale = 2.0 / math.sqrt(count)
    middle = count / 2.0
    return tuple([(one - middle) * scale for one in ones])
