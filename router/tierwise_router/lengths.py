"""What was seen of a Specialist's tokens: how long its answers are, how dense its prompts."""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["AnswerLengths", "Densities"]

REMEMBERED: Final = 64
ENOUGH: Final = 8
"""How many must have been seen before they say anything about the next one."""

HELD_BACK: Final = 0.75


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


class Densities:
    """How many bytes of text a token of each Specialist's prompts has had, at the least.

    Prompts whose tokens were counted tell; below eight of them nothing is presumed but that a token
    has a byte. A quarter is held back, for prompts of another kind.

    >>> seen = Densities()
    >>> for _ in range(8):
    ...     seen.note("demo/writer", text_bytes=4000, tokens=1000)
    >>> seen.least("demo/writer"), seen.least("demo/sorter")
    (3.0, 1.0)
    """

    __slots__ = ("_by_key",)

    def __init__(self) -> None:
        self._by_key: dict[str, deque[float]] = {}

    def note(self, key: str, text_bytes: int, tokens: int) -> None:
        """Remember a prompt that was counted."""
        if tokens > 0 and text_bytes > 0:
            seen = self._by_key.setdefault(key, deque(maxlen=REMEMBERED))
            seen.append(text_bytes / tokens)

    def least(self, key: str) -> float:
        """Give the fewest bytes that a token is presumed to have on average."""
        seen = self._by_key.get(key)
        if seen is None or len(seen) < ENOUGH:
            return 1.0
        return max(1.0, HELD_BACK * min(seen))
