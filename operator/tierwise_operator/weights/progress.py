"""Lines for the log of whoever waits for a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tierwise_core.quantities import format_bytes

__all__ = ["Progress"]

LINE_SECONDS: Final = 5.0
PERCENT: Final = 100
MINUTE: Final = 60
HOUR: Final = 3600


@dataclass(slots=True)
class Progress:
    """Counts bytes and says a line now and then.

    Args:
        say: takes a line.
        clock: seconds of a clock that never goes back.
    """

    say: Callable[[str], None]
    clock: Callable[[], float]
    total_bytes: int = 0
    done_bytes: int = 0
    _begun: float | None = None
    _said: float = field(default=float("-inf"))
    _counted: int = 0

    def expect(self, total_bytes: int) -> None:
        """A download of that many bytes begins."""
        self.total_bytes = total_bytes
        self.done_bytes = self._counted = 0
        self._begun = self._said = self.clock()

    def already(self, size_bytes: int) -> None:
        """So many bytes are there from before; they do not count for the rate."""
        self.done_bytes += size_bytes

    def add(self, size_bytes: int) -> None:
        """So many bytes arrived, or, if negative, have to come again."""
        self.done_bytes += size_bytes
        self._counted += max(0, size_bytes)
        if self.clock() - self._said >= LINE_SECONDS:
            self.say(self.line())

    def line(self) -> str:
        """How far it is."""
        self._said = self.clock()
        rate = self._counted / max(1e-9, self._said - (self._begun or 0.0))
        done = min(self.done_bytes, self.total_bytes)
        share = PERCENT * done // max(1, self.total_bytes)
        left = (self.total_bytes - done) / rate if rate else 0.0
        return (
            f"fetched {format_bytes(done)} of {format_bytes(self.total_bytes)} ({share} %), "
            f"{format_bytes(int(rate))}/s, {duration(left)} left"
        )

    def remark(self, line: str, *, every_seconds: float = 0.0) -> None:
        """Say something, unless a line was said that recently."""
        if self.clock() - self._said >= every_seconds:
            self._said = self.clock()
            self.say(line)


def duration(seconds: float) -> str:
    """Seconds for people.

    >>> duration(7.4), duration(71), duration(4000)
    ('7 s', '1 min 11 s', '1 h 6 min')
    """
    whole = int(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
