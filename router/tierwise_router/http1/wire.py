"""What an exchange needs of the connection that it came on."""

from __future__ import annotations

import asyncio
from typing import Protocol

__all__ = ["Answered", "Listening", "Wire"]


class Listening(Protocol):
    """What an answer's head needs to know of the listener."""

    draining: bool
    date: bytes


class Answered(Protocol):
    """An exchange whose answer is out; ``keep_alive`` says whether another one may follow."""

    keep_alive: bool


class Wire(Protocol):
    """The connection of an exchange."""

    loop: asyncio.AbstractEventLoop
    task: asyncio.Task[None] | None
    full: bool

    @property
    def server(self) -> Listening:
        """Whose connection it is."""

    def pause_reading(self) -> None:
        """Read no more for now."""

    def resume_reading(self) -> None:
        """Read on."""

    def write(self, data: bytes) -> None:
        """Send bytes, unless the client is gone."""

    def hold(self) -> None:
        """Keep what is sent from now on."""

    def let_go(self) -> None:
        """Send what was kept."""

    async def writable(self) -> None:
        """Wait until the client has read most of what was sent."""

    def finished(self, exchange: Answered) -> None:
        """Learn that the answer is out."""
