"""Text as weighted terms: words, pairs of neighbours, and pieces of words.

Pieces let ``alphabetise`` be recognised by someone who has seen ``alphabetically``. Every number
is one and the same word, because which number it is says nothing about the field.
"""

from __future__ import annotations

import re
from typing import Final

from tierwise_core.query import normalise

__all__ = ["term_counts", "words_of"]

WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*|\d+|[^\s\w]|_")
NUMBER: Final = "0"
START, END = "^", "$"
PAIR_WEIGHT: Final = 0.5
READ_AT_EACH_END: Final = 300


def words_of(text: str) -> list[str]:
    """Split a text into words, numbers and signs.

    >>> words_of("What's 17+25?")
    ["what's", '0', '+', '0']
    """
    if len(text) > 2 * READ_AT_EACH_END:
        # People put the question first or last; between them stands the material.
        text = f"{text[:READ_AT_EACH_END]} {text[-READ_AT_EACH_END:]}"
    return [NUMBER if word.isdecimal() else word for word in WORD.findall(normalise(text))]


def term_counts(text: str) -> dict[str, float]:
    """Count a text's terms. A pair holds a space and a piece begins with ``#``, so none collide.

    The pieces of one word weigh as much as the word, however long it is.

    >>> sorted(term_counts("sort 3"))
    ['#<so', '#<sor', '#ort', '#ort>', '#rt>', '#sor', '#sort', '0', '0 $', '^ sort', 'sort', \
'sort 0']
    """
    words = words_of(text)
    counts: dict[str, float] = {}
    before = START
    for word in words:
        counts[word] = counts.get(word, 0.0) + 1.0
        pair = f"{before} {word}"
        counts[pair] = counts.get(pair, 0.0) + PAIR_WEIGHT
        before = word
        if len(word) > 1:
            _count_pieces(word, counts)
    pair = f"{before} {END}"
    counts[pair] = counts.get(pair, 0.0) + PAIR_WEIGHT
    return counts


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
