"""The line to a client: what is written and read on it, and how long it is waited for."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

__all__ = ["LINGER_S", "Line", "Patience"]

LINGER_S: Final = 5.0


class Patience(Protocol):
    """How long a client is waited for, in seconds: :class:`Server` says for what."""

    patience_s: float
    keep_alive_s: float
    stall_s: float


class Line(asyncio.Protocol):
    """A transport, and whether it flows; no timer is set: somebody calls :meth:`look` now and then.

    ``full`` says that the client reads more slowly than we write.
    """

    __slots__ = (
        "_closing_at", "_drain", "_kept", "_patience", "_reading_paused", "_since", "_transport",
        "_unsent_bytes", "full", "loop",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, patience: Patience) -> None:
        self.loop = loop
        self.full = False
        self._patience = patience
        self._transport: asyncio.Transport | None = None
        self._reading_paused = False
        self._drain: asyncio.Future[None] | None = None
        self._kept: list[bytes] | None = None
        self._unsent_bytes = 0
        self._since = 0.0
        self._closing_at = 0.0

    # Writing.

    def pause_writing(self) -> None:
        """Learn that the client reads more slowly than we write."""
        self.full = True

    def resume_writing(self) -> None:
        """Learn that it has caught up."""
        self.full = False
        self._wake()

    def write(self, data: bytes) -> None:
        """Send bytes, unless the client is gone."""
        if self._kept is not None:
            self._kept.append(data)
        elif self._transport is not None:
            self._transport.write(data)

    def hold(self) -> None:
        """Keep what is sent until :meth:`let_go`: something else comes first."""
        self._kept = []

    def let_go(self) -> None:
        """Send what was kept, unless the client is gone by now."""
        kept, self._kept = self._kept or (), None
        for data in kept:
            self.write(data)

    async def writable(self) -> None:
        """Wait until the client has read most of what was sent, or is gone."""
        while self.full and self._transport is not None:
            self._drain = self.loop.create_future()
            await self._drain

    # Reading.

    def pause_reading(self) -> None:
        """Read no more until :meth:`resume_reading`."""
        if not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._since = self.loop.time()
            self._transport.resume_reading()

    def _wake(self) -> None:
        if self._drain is not None and not self._drain.done():
            self._drain.set_result(None)

    # The end.

    def _linger(self, *, say_so: bool) -> None:
        self._closing_at = self.loop.time() + LINGER_S
        self.resume_reading()
        if say_so and self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        """Close once everything is sent; what the client does not take in time is dropped."""
        self._closing_at = self.loop.time() + self._patience.patience_s
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def look(self, now: float) -> None:
        """Close the connection if its client has been waited for long enough."""
        transport = self._transport
        if transport is None:
            return
        if self._closing_at:
            if now >= self._closing_at:
                transport.abort()
            return
        unsent = transport.get_write_buffer_size()
        if unsent != self._unsent_bytes:
            self._unsent_bytes = unsent
            self._since = now
        elif now - self._since >= self._limit_s():
            self.abort() if unsent else self.close()

    def _limit_s(self) -> float:
        """Tell how long nothing may happen now."""
        return self._patience.stall_s if self._unsent_bytes else float("inf")
