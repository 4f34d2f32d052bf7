"""Text as chunks, and chunks as weighted terms: words, pieces of words, pairs of neighbours.

A chunk is what stands between spaces and stops. Everything that a chunk adds to a reading depends
on the chunk alone, so that prediction may remember it. Pieces let ``alphabetise`` be recognised by
someone who has seen ``alphabetically``. Every number is one and the same word, because which
number it is says nothing about the field.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import Final

__all__ = ["END", "PAIR_WEIGHT", "START", "chunk_terms", "chunks_of", "words_of"]

WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|0+|[^\s\w]|_")
NUMBER: Final = "0"
START, END = "\x02", "\x03"
PAIR_WEIGHT: Final = 0.5
MOST_TIMES: Final = 3.0
"""A rule of eighty dashes says no more than one of three."""

READ_AT_EACH_END: Final = 300
STOPS: Final = '.,;:!?"()[]{}\x02\x03。、「」'
DIGITS: Final = "123456789"
TYPED: Final = str.maketrans(
    {**dict.fromkeys(STOPS, " "), **dict.fromkeys(DIGITS, NUMBER), "\u2019": "'"}
)
TYPED_ASCII: Final = bytes(
    ord(chr(code).casefold().translate(TYPED)) if code < 128 else code  # noqa: PLR2004 - ASCII
    for code in range(256)
)


def chunks_of(text: str) -> list[str]:
    """Cut a text at its spaces and stops, between a mark of its start and one of its end.

    A digit is any digit. Of a long text both ends are read.

    >>> chunks_of("What's 17+25?")[1:-1]
    ["what's", '00+00']
    """
    if len(text) > 2 * READ_AT_EACH_END:
        # People put the question first or last; between them stands the material.
        text = f"{text[:READ_AT_EACH_END]} {text[-READ_AT_EACH_END:]}"
    if text.isascii():
        # One table does the folding, the stops and the digits at once.
        text = text.encode().translate(TYPED_ASCII).decode("ascii")
    else:
        text = unicodedata.normalize("NFKC", text).casefold().translate(TYPED)
    return [START, *text.split(), END]


def words_of(chunk: str) -> list[str]:
    """Split a chunk into words, numbers and signs.

    >>> words_of("00+00")
    ['0', '+', '0']
    """
    return [NUMBER if word.isdecimal() else word for word in WORD.findall(chunk)]


def chunk_terms(chunk: str) -> dict[str, float]:
    """Count a chunk's terms. A pair holds a space and a piece begins with ``#``, so none collide.

    The pieces of one word weigh as much as the word, however long it is. What a chunk repeats
    counts three times at most.

    >>> sorted(chunk_terms("sort"))
    ['#<so', '#<sor', '#ort', '#ort>', '#rt>', '#sor', '#sort', 'sort']
    """
    words = words_of(chunk)
    counts: dict[str, float] = {}
    for word in words:
        counts[word] = counts.get(word, 0.0) + 1.0
        if len(word) > 1:
            _count_pieces(word, counts)
    for before, after in pairwise(words):
        pair = f"{before} {after}"
        counts[pair] = counts.get(pair, 0.0) + PAIR_WEIGHT
    return {term: min(count, MOST_TIMES) for term, count in counts.items()}


def _count_pieces(word: str, counts: dict[str, float]) -> None:
    padded = f"<{word}>"
    # Scripts without an alphabet say in two characters what takes four letters.
    sizes = (3, 4) if word.isascii() else (2, 3)
    pieces = [
        "#" + padded[start : start + size]
        for size in sizes
        for start in range(len(padded) - size + 1)
    ]
    share = len(pieces) ** -0.5
    for piece in pieces:
        counts[piece] = counts.get(piece, 0.0) + share
