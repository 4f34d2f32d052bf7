"""How often a stream that began too early turns doubtful: what the router's policy rests on.

A stream flows after some tokens when most of the doubt that the floor allows is gone. The first
tokens of an answer say little about the rest: a model that is wrong is often sure of the beginning.
So every answer of the example models is walked through, token by token, as the router would see it.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from forge.evidence import Evidence, logit

EVIDENCE: Final = Evidence(slope=1.0, neutral=0.98)
SHORT: Final = 16
"""Tokens up to which evidence counts in full; beyond, it shrinks with the square."""
TOKENS: Final = (1, 2, 4, 6, 8)
SHARES: Final = (1.0, 0.5, 0.25, 0.1)


@dataclass(frozen=True, slots=True)
class Walked:
    """One answer: its tokens' probabilities, whether right, what was predicted, and the floor."""

    probabilities: tuple[float, ...]
    right: bool
    predicted: float
    floor: float

    def confidence(self, tokens: int) -> float:
        """Give the confidence after so many tokens, as the router would report it.

        >>> walked = Walked((0.999, 0.999, 0.5), right=False, predicted=0.91, floor=0.85)
        >>> round(walked.confidence(2), 2), round(walked.confidence(3), 2)
        (0.99, 0.17)
        """
        seen = self.probabilities[:tokens]
        moved = logit(min(seen)) - logit(EVIDENCE.neutral)
        weight = min(1.0, SHORT / len(seen)) ** 2
        total = logit(self.predicted) + weight * min(max(moved, -4.0), 2.0)
        return 1 / (1 + math.exp(-total))

    def begins(self, tokens: int, share: float) -> int | None:
        """Say after how many tokens the stream begins, None when only the whole answer decides.

        >>> Walked((0.999,) * 9, right=True, predicted=0.91, floor=0.85).begins(4, share=0.25)
        4
        """
        for seen in range(tokens, len(self.probabilities)):
            if 1 - self.confidence(seen) <= (1 - self.floor) * share:
                return seen
        return None

    @property
    def accepted(self) -> bool:
        """Tell whether the whole answer reaches the floor."""
        return self.confidence(len(self.probabilities)) >= self.floor


@dataclass(frozen=True, slots=True)
class Beginning:
    """What one setting leads to: streams that began, of those who fell, of those who were wrong."""

    tokens: int
    share: float
    begun: int
    fell: int
    wrong: int

    def __str__(self) -> str:
        rate = self.fell / max(1, self.begun)
        return (
            f"after {self.tokens} tokens, {self.share:.2f} of the doubt: {self.begun:>5} began, "
            f"{self.fell:>4} fell below the floor later ({rate:.1%}), {self.wrong} of them wrong"
        )


def beginnings(walked: Sequence[Walked]) -> Iterator[Beginning]:
    """Try every setting.

    >>> fell = Walked((0.999,) * 4 + (0.5,), right=False, predicted=0.91, floor=0.85)
    >>> next(iter(beginnings([fell])))
    Beginning(tokens=1, share=1.0, begun=1, fell=1, wrong=1)
    """
    for share, tokens in product(SHARES, TOKENS):
        begun = [one for one in walked if one.begins(tokens, share) is not None]
        fell = [one for one in begun if not one.accepted]
        yield Beginning(tokens, share, len(begun), len(fell), _wrong(fell))


def _wrong(walked: Iterable[Walked]) -> int:
    return sum(not one.right for one in walked)
