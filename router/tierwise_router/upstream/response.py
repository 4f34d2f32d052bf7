"""One answer of an upstream, while it arrives: status and headers, then the body in pieces."""

from __future__ import annotations

import asyncio
from typing import Protocol

from tierwise_router.errors import UpstreamError

__all__ = ["Headers", "Response"]

Headers = list[tuple[bytes, bytes]]

HIGH_WATER_BYTES = 32 * 1024


class Source(Protocol):
    """The connection an answer comes from, as far as its reader needs it."""

    def pause(self) -> None:
        """Stop reading from the network."""

    def resume(self) -> None:
        """Read on."""

    def abort(self) -> None:
        """Drop the connection and with it the request."""


class Response:
    """An answer that is being received.

    The connection fills it, one reader empties it. When more than 32 KiB wait to be read, the
    connection stops reading: a slow client slows its engine down and costs no memory here, and an
    engine that sends as fast as it can has only its part of a turn of the event loop.
    """

    __slots__ = (
        "_buffered_bytes",
        "_chunks",
        "_error",
        "_limit_bytes",
        "_loop",
        "_paused",
        "_source",
        "_waiter",
        "complete",
        "headers",
        "started",
        "status",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, source: Source) -> None:
        self.status = 0
        self.headers: Headers = []
        self.started = False
        self.complete = False
        self._loop = loop
        self._source = source
        self._chunks: list[bytes] = []
        self._buffered_bytes = 0
        self._limit_bytes = HIGH_WATER_BYTES
        self._paused = False
        self._error: UpstreamError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def header(self, name: bytes) -> bytes:
        """Look a header up by its lower-case name; empty when it is not there."""
        for key, value in self.headers:
            if key == name:
                return value
        return b""

    @property
    def failed(self) -> bool:
        """Tell whether its upstream broke off before the end."""
        return self._error is not None

    def news(self) -> asyncio.Future[None]:
        """Give what is done as soon as something has come: the head, a piece, the end.

        Raises UpstreamError when no more will come.
        """
        if self._error is not None:
            raise self._error
        self._waiter = self._loop.create_future()
        return self._waiter

    async def head(self) -> None:
        """Wait for status and headers."""
        while not self.started:
            await self.news()

    async def chunk(self) -> bytes:
        """Take what has arrived of the body, waiting for something; empty at its end."""
        while not self._chunks:
            if self.complete:
                return b""
            await self.news()
        return self.take()

    def take(self) -> bytes:
        """Take what has arrived of the body and was not taken yet; of a whole answer, its rest."""
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._buffered_bytes = 0
        self._unpause()
        return data

    async def settle(self, limit_bytes: int) -> bool:
        """Wait until the whole body is here, or more than ``limit_bytes``; tell which.

        Nothing is taken: :meth:`chunk` returns it afterwards. Until then the upstream may die
        without the client having seen a byte.
        """
        self._limit_bytes = max(limit_bytes, HIGH_WATER_BYTES)
        while not self.complete and self._buffered_bytes <= limit_bytes:
            await self.news()
        self._limit_bytes = HIGH_WATER_BYTES
        return self.complete

    async def read(self, limit_bytes: int) -> bytes | None:
        """Take the whole body, or None when it is larger than ``limit_bytes``."""
        if not await self.settle(limit_bytes) or self._buffered_bytes > limit_bytes:
            return None
        return await self.chunk()

    def abort(self) -> None:
        """Give the answer up: an unfinished one takes its connection along, so the engine stops."""
        if not self.complete and self._error is None:
            self._source.abort()

    def feed_head(self, status: int, headers: Headers) -> None:
        """Take status and headers from the connection."""
        self.status = status
        self.headers = headers
        self.started = True
        self._wake()

    def feed(self, data: bytes) -> None:
        """Take a piece of the body from the connection."""
        self._chunks.append(data)
        self._buffered_bytes += len(data)
        if self._buffered_bytes > self._limit_bytes and not self._paused:
            self._paused = True
            self._source.pause()
        self._wake()

    def take_whole(self, headers: Headers, body: bytes) -> None:
        """Take a whole answer of status 200 from the connection at once."""
        self.status = 200
        self.headers = headers
        self.started = self.complete = True
        if body:
            self._chunks.append(body)
            self._buffered_bytes = len(body)
        self._wake()

    @property
    def waiting_body(self) -> bytes:
        """What has arrived of the body and was not taken yet."""
        return b"".join(self._chunks)

    def finish(self) -> None:
        """Learn that the body is complete."""
        self.complete = True
        self._unpause()
        self._wake()

    def fail(self, error: UpstreamError) -> None:
        """Learn that no more will come; what has arrived can still be read."""
        if not self.complete and self._error is None:
            self._error = error
            self._wake()

    def _unpause(self) -> None:
        if self._paused:
            self._paused = False
            self._source.resume()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
