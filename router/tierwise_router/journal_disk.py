"""Whether a disk makes its writers wait, told by how long their writes take and why."""

from __future__ import annotations

import resource
from typing import Final

__all__ = ["DiskWatch", "waits"]

SLOW_WRITE_S: Final = 0.05
SLOW_IN_A_ROW: Final = 2
LEFT_ALONE_S: Final = 1.0


class DiskWatch:
    """Leaves a slow disk alone for a while; times are seconds of one clock.

    One slow write says little: another process may have had the processor. So after one it is
    counted how often the thread gave the processor up by itself, as a write does that waits for a
    disk (:func:`waits`); a write that was merely pushed aside counts for nothing.

    >>> disk = DiskWatch()
    >>> disk.note(0.0, 0.1); disk.is_slow(0.1), disk.wary
    (False, True)
    >>> disk.note(0.2, 0.3, waited=False); disk.is_slow(0.3)
    False
    >>> disk.note(0.4, 0.5); disk.is_slow(0.5), disk.is_slow(1.5)
    (True, False)
    """

    __slots__ = ("_in_a_row", "_until")

    def __init__(self) -> None:
        self._in_a_row = 0
        self._until = 0.0

    @property
    def wary(self) -> bool:
        """Whether the last write was slow, so that the next one's waits should be counted."""
        return self._in_a_row > 0

    def note(self, began_at: float, ended_at: float, *, waited: bool = True) -> None:
        """Take note of one write; ``waited`` says whether it gave the processor up by itself."""
        if ended_at - began_at <= SLOW_WRITE_S:
            self._in_a_row = 0
        elif waited:
            self._in_a_row += 1
        if self._in_a_row >= SLOW_IN_A_ROW:
            self._in_a_row = 0
            self._until = ended_at + LEFT_ALONE_S

    def is_slow(self, now: float) -> bool:
        """Tell whether writers should leave it alone now."""
        return now < self._until


def waits() -> int:
    """Count how often this thread has given the processor up by itself since it began."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
