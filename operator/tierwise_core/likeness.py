"""A sketch of a question's words: near-duplicates have nearly the same one.

Of the words' hashes the smallest eight are kept (a bottom-k sketch). How many of the eight smallest
of two questions together both have estimates which share of all their words both have (Jaccard's
index; Broder 1997, "On the resemblance and containment of documents"). A question of at most eight
different words is compared exactly. The order of words does not count, nor how often one is said:
``take 2 from 3`` and ``take 3 from 2`` are near each other, and different questions all the same.
So what is near may be looked at together, and is never taken for equal: that is the query id's.
"""

from __future__ import annotations

from struct import Struct
from typing import Final
from zlib import crc32

__all__ = ["NEAR", "likeness", "near", "similarity_id"]

KEPT: Final = 8
WORDS: Final = 16
DIGITS: Final = 8
PACKED: Final = tuple(Struct(f">{count}I") for count in range(KEPT + 1))
LONGEST: Final = 200
NEAR: Final = 0.7
"""From this likeness on two questions are near-duplicates: three words of four, and a bit."""


def similarity_id(question: str) -> str:
    """Sketch a question that has its canonical form; 8 hexadecimal digits for each kept word.

    Of a long one its first 16 words count: so it takes two to three microseconds at most.

    >>> similarity_id("sort dbca") == similarity_id("dbca sort sort")
    True
    >>> similarity_id("")
    ''
    """
    words = question[:LONGEST].encode("utf-8", "replace").split()
    kept = sorted(set(map(crc32, words[:WORDS])))[:KEPT]
    return PACKED[len(kept)].pack(*kept).hex()


def likeness(one: str, other: str) -> float:
    """Estimate which share of their words two questions have in common, by their sketches.

    Four words, three of them in both, five in all:

    >>> first = similarity_id("sort the letters dbca")
    >>> likeness(first, similarity_id("sort the letters zyx"))
    0.6
    >>> likeness(first, first), likeness(first, similarity_id("add 2"))
    (1.0, 0.0)
    """
    mine, theirs = _words(one), _words(other)
    smallest = sorted(mine | theirs)[: min(KEPT, max(len(mine | theirs), 1))]
    if not smallest:
        return 1.0
    return sum(word in mine and word in theirs for word in smallest) / len(smallest)


def near(one: str, other: str) -> bool:
    """Tell whether two questions are near-duplicates.

    >>> near(*map(similarity_id, ("how do i reset my password", "how do i reset the password")))
    True
    """
    return likeness(one, other) >= NEAR


def _words(sketch: str) -> set[str]:
    return {sketch[at : at + DIGITS] for at in range(0, len(sketch), DIGITS)}
