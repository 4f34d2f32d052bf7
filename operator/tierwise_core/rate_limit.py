"""Staying below a provider's rate limits: buckets that fill with time, and what its answers say."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["Bucket", "reset_seconds", "tokens_asked"]

CHARACTERS_PER_TOKEN: Final = 4
USUAL_ANSWER_TOKENS: Final = 256
MINUTE_S: Final = 60.0
RESET: Final = re.compile(
    r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?"
)
MOST: Final = re.compile(rb'"max_(?:completion_|output_)?tokens"\s*:\s*(\d{1,9})')


class Bucket:
    """What may still be used of a rate limit; it fills evenly and holds a tenth of a minute.

    Taking more than there is leaves a debt, so that whoever comes later waits longer: first come,
    first served. Moments are seconds on any one clock.

    >>> bucket = Bucket(per_minute=60.0, now_s=0.0)  # one a second, six at once
    >>> [bucket.take(1.0, 0.0) for _ in range(8)]
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0]
    >>> bucket.take(1.0, 3.0)  # two were waited for, and one second has passed since
    0.0
    """

    __slots__ = ("_at_s", "_full", "_level", "_per_second")

    def __init__(self, per_minute: float, now_s: float, least: float = 1.0) -> None:
        self._per_second = per_minute / MINUTE_S
        self._full = max(per_minute / 10, least)
        self._level = self._full
        self._at_s = now_s

    def wait_s(self, amount: float, now_s: float) -> float:
        """Say how long one would wait for an amount."""
        self._fill(now_s)
        # An amount above all that it holds would never be there: it goes when the bucket is full.
        return max(0.0, (min(amount, self._full) - self._level) / self._per_second)

    def take(self, amount: float, now_s: float) -> float:
        """Take an amount, and say how long to wait until it is there."""
        wait = self.wait_s(amount, now_s)
        self._level -= amount
        return wait

    def give_back(self, amount: float) -> None:
        """Put back what was taken and not used."""
        self._level = min(self._full, self._level + amount)

    def at_most(self, amount: float, now_s: float) -> None:
        """Learn from the provider that no more than this is left."""
        self._fill(now_s)
        self._level = min(self._level, amount)

    def _fill(self, now_s: float) -> None:
        gained = (now_s - self._at_s) * self._per_second
        self._level = min(self._full, self._level + max(gained, 0.0))
        self._at_s = now_s


def tokens_asked(body: bytes) -> int:
    """Estimate the tokens a provider counts for a request: its prompt, and the most it may answer.

    >>> tokens_asked(b'{"messages": [{"role": "user", "content": "hello"}], "max_tokens": 100}')
    117
    """
    most = MOST.search(body)
    answer = int(most[1]) if most else USUAL_ANSWER_TOKENS
    return len(body) // CHARACTERS_PER_TOKEN + answer


def reset_seconds(text: str) -> float | None:
    """Read how long until a limit is reset, as providers write it; None when it cannot be read.

    >>> [reset_seconds(text) for text in ("1s", "6m0s", "20ms", "1h2m", "12", "soon")]
    [1.0, 360.0, 0.02, 3720.0, 12.0, None]
    """
    text = text.strip()
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    found = RESET.fullmatch(text)
    if not text or found is None:
        return None
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
