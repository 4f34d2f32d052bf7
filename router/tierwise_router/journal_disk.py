"""Whether a disk makes its writers wait, told by how long their writes take."""

from __future__ import annotations

from typing import Final

__all__ = ["DiskWatch"]

SLOW_WRITE_S: Final = 0.05
SLOW_IN_A_ROW: Final = 2
LEFT_ALONE_S: Final = 1.0


class DiskWatch:
    """Leaves a slow disk alone for a while; times are seconds of one clock.

    One slow write says little: another process may have had the processor.

    >>> disk = DiskWatch()
    >>> disk.note(0.0, 0.1); disk.is_slow(0.1)
    False
    >>> disk.note(0.2, 0.3); disk.is_slow(0.3), disk.is_slow(1.3)
    (True, False)
    """

    __slots__ = ("_in_a_row", "_until")

    def __init__(self) -> None:
        self._in_a_row = 0
        self._until = 0.0

    def note(self, began_at: float, ended_at: float) -> None:
        """Take note of one write."""
        self._in_a_row = self._in_a_row + 1 if ended_at - began_at > SLOW_WRITE_S else 0
        if self._in_a_row >= SLOW_IN_A_ROW:
            self._in_a_row = 0
            self._until = ended_at + LEFT_ALONE_S

    def is_slow(self, now: float) -> bool:
        """Tell whether writers should leave it alone now."""
        return now < self._until
