"""How a rollout divides requests between blue, what serves, and green, the candidate.

Who is drawn for green is a matter of a hash alone: every dispatcher of every router draws alike,
and whoever is green stays green while the share grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

__all__ = ["BLUE", "GREEN", "Split"]

BLUE: Final = "blue"
GREEN: Final = "green"
"""The mark of the candidate's endpoints; those of what serves have none."""

PARTS: Final = 10_000
PER_PERCENT: Final = PARTS // 100
DRAW_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Split:
    """The shares that a Rollout gives its candidate, in percent.

    ``green_percent`` of the sessions are answered by green. ``shadow_percent`` of the requests are
    answered by green a second time, which nobody is shown. ``rollout`` is the Rollout's name.
    """

    rollout: str
    green_percent: float = 0
    shadow_percent: float = 0

    def goes_green(self, key: bytes) -> bool:
        """Tell whether a session (or a request without one, by its decision's id) is green's.

        >>> none, all_of_them = Split("sorter-v2", 0), Split("sorter-v2", 100)
        >>> none.goes_green(b"s-1"), all_of_them.goes_green(b"s-1")
        (False, True)
        >>> some = Split("sorter-v2", 25)
        >>> 200 < sum(some.goes_green(b"s-%d" % number) for number in range(1000)) < 300
        True

        Who was green at five percent is so at fifty:

        >>> few, half = Split("sorter-v2", 5), Split("sorter-v2", 50)
        >>> keys = [b"s-%d" % number for number in range(1000)]
        >>> all(half.goes_green(key) for key in keys if few.goes_green(key))
        True
        """
        return _drawn(self.rollout, key) < self.green_percent * PER_PERCENT

    def is_shadowed(self, decision: bytes) -> bool:
        """Tell whether green answers a decision's request a second time.

        The draw is another one than for green's share: neither follows from the other.

        >>> Split("sorter-v2", shadow_percent=100).is_shadowed(b"d-1")
        True
        """
        drawn = _drawn(f"shadow {self.rollout}", decision) if self.shadow_percent else PARTS
        return drawn < self.shadow_percent * PER_PERCENT


def _drawn(name: str, key: bytes) -> int:
    """Draw a number below 10,000. CRC-32 would draw the same sessions in every rollout."""
    digest = blake2b(b"%s\0%s" % (name.encode(), key), digest_size=DRAW_BYTES).digest()
    return int.from_bytes(digest) % PARTS
