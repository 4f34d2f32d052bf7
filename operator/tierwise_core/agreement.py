"""Do two answers say the same? For shadow and dual runs."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

from tierwise_core.query import normalise

__all__ = ["Agreement", "compare"]

NUMBER: Final = re.compile(r"[-+]?\d+(?:[.,]\d+)*(?:[eE][-+]?\d+)?")
WORD: Final = re.compile(r"\w+")
SHORT_WORDS: Final = 12

How = Literal["equal", "json", "numbers", "words"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How alike two answers are, from 0 to 1, and what was compared."""

    score: float
    how: How

    def agrees(self, at: float) -> bool:
        """Tell whether they count as the same answer."""
        return self.score >= at


def compare(one: str, other: str) -> Agreement:
    """Compare two answers.

    Equal after normalising is 1. JSON is compared as values, whatever its spaces and the order of
    its keys. Two answers whose numbers differ disagree, however alike their words are. What is left
    is the share of words they have in common (the F1 of their bags of words); for short answers
    that is all or nothing, since one word of three is the answer itself.

    >>> compare("The answer is 42.", "the answer is 42")
    Agreement(score=1.0, how='equal')
    >>> compare("It is 42", "It is 41")
    Agreement(score=0.0, how='numbers')
    >>> compare('{"a": 1, "b": [2]}', '{"b":[2],"a":1}').score
    1.0
    >>> compare("abcd", "abdc")
    Agreement(score=0.0, how='words')
    """
    left, right = normalise(one), normalise(other)
    if left == right:
        return Agreement(1.0, "equal")
    as_json = _json(one), _json(other)
    if as_json[0] is not None and as_json[1] is not None:
        return Agreement(float(as_json[0] == as_json[1]), "json")
    if _numbers(left) != _numbers(right):
        return Agreement(0.0, "numbers")
    return Agreement(_words(left, right), "words")


def _json(text: str) -> object:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def _numbers(text: str) -> Counter[str]:
    return Counter(NUMBER.findall(text))


def _words(left: str, right: str) -> float:
    one, other = Counter(WORD.findall(left)), Counter(WORD.findall(right))
    total = one.total() + other.total()
    if not total:
        return 0.0
    share = 2 * (one & other).total() / total
    return share if min(one.total(), other.total()) > SHORT_WORDS else float(one == other)
