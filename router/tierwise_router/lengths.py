"""How long a Specialist's answers are: what a stream's beginning is judged against."""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["AnswerLengths"]

REMEMBERED: Final = 64
ENOUGH: Final = 8
"""Answers that must have been seen before their longest says anything about the next one."""


class AnswerLengths:
    """The lengths of each Specialist's last 64 judged answers, in tokens.

    >>> seen = AnswerLengths()
    >>> for tokens in (4, 5, 11, 6, 4, 7, 5, 9):
    ...     seen.note("demo/sorter", tokens)
    >>> seen.longest("demo/sorter"), seen.longest("demo/frontier")
    (11, None)
    """

    __slots__ = ("_by_key",)

    def __init__(self) -> None:
        self._by_key: dict[str, deque[int]] = {}

    def note(self, key: str, tokens: int) -> None:
        """Remember a whole answer's length; one without counted tokens says nothing."""
        if tokens:
            self._by_key.setdefault(key, deque(maxlen=REMEMBERED)).append(tokens)

    def longest(self, key: str) -> int | None:
        """Give the longest of them, None before eight were seen."""
        lengths = self._by_key.get(key)
        return max(lengths) if lengths is not None and len(lengths) >= ENOUGH else None
