"""One exchange of a client's connection: its body as it arrives, its answer as it is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tierwise_router.exchange import (
    JSON_TYPE,
    ClientGoneError,
    Exchange,
    is_stream,
    too_large,
)
from tierwise_router.http1.head import CONTINUE, bodiless, head_bytes
from tierwise_router.http1.watch import Watch
from tierwise_router.http1.wire import Wire
from tierwise_router.journal_turn import Turn
from tierwise_router.upstream.response import Headers

__all__ = ["ServedExchange"]

BUFFERED_BYTES = 256 * 1024
COPIED_BYTES = 64 * 1024
FRAMING = frozenset({b"content-length", b"connection"})
UNKNOWN = -1


class ServedExchange(Exchange):
    """A request that arrives on a connection, and its answer.

    The connection feeds the body by :meth:`feed` and :meth:`end`, and tells by :meth:`lost` that
    the client is gone; what is written after that goes nowhere. Nothing here waits unless
    something is missing, and no timer is set.
    """

    __slots__ = (
        "_body", "_chunked", "_connection", "_left_bytes", "_limit_bytes", "_silent",
        "_size_bytes", "_waiter", "arrived", "complete", "gone", "http11", "keep_alive", "task",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913, PLR0917 - what a request's head says
        self,
        connection: Wire,
        method: str,
        path: str,
        query: bytes,
        headers: Headers,
        keep_alive: bool,  # noqa: FBT001 - one call, on the hot path
        http11: bool,  # noqa: FBT001
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.keep_alive = keep_alive
        self.http11 = http11
        self.request_id = b""
        self.extra: Headers = []
        self.status = 0
        self.open = False
        self.tap: list[bytes] | None = None
        self.said: list[bytes] | None = None
        self.before_end: Callable[[], Turn | None] | None = None
        self.arrived = False
        self.complete = False
        self.gone = False
        self.task: asyncio.Task[Any] | None = None
        self._whole: list[bytes] | None = None
        self._connection = connection
        self._body: list[bytes] = []
        self._size_bytes = 0
        self._limit_bytes = BUFFERED_BYTES
        self._chunked = False
        self._silent = False
        self._left_bytes = UNKNOWN
        self._waiter: asyncio.Future[None] | None = None

    @property
    def scope(self) -> dict[str, Any]:  # type: ignore[override]
        """The request's line and headers in ASGI's words."""
        return {
            "type": "http", "method": self.method, "path": self.path,
            "query_string": self.query, "headers": self.headers,
        }  # fmt: skip

    def work(self) -> None:
        """Tell that it is a client's: only requests of our own are somebody's work."""

    # What the connection tells.

    def feed(self, data: bytes) -> None:
        """Take a piece of the body; it is thrown away once the answer is out."""
        if self.complete:
            return
        self._body.append(data)
        self._size_bytes += len(data)
        if self._size_bytes > self._limit_bytes:
            self._connection.pause_reading()
        self._wake()

    @property
    def waiting_body(self) -> bytes:
        """What has arrived of the body and was not taken yet."""
        return b"".join(self._body)

    def end(self) -> None:
        """Learn that the body is complete."""
        self.arrived = True
        self._wake()

    def lost(self) -> None:
        """Learn that the client hung up; who watches for that is cancelled."""
        self.gone = True
        self._wake()
        if self.task is not None:
            self.task.cancel()

    # The request.

    async def read_body(self, limit_bytes: int) -> bytes:
        """Read the whole body; raises RequestError (413) as soon as it is known to be too large."""
        if not self.arrived:
            await self._await_body(limit_bytes)
        if self._size_bytes > limit_bytes:
            raise too_large(limit_bytes)
        return self._take()

    async def _await_body(self, limit_bytes: int) -> None:
        announced = self.header(b"content-length")
        if announced.isdigit() and int(announced) > limit_bytes:
            raise too_large(limit_bytes)
        self._limit_bytes = limit_bytes
        self._ask_for_body()
        while not self.arrived and self._size_bytes <= limit_bytes:
            await self._wait()

    async def _next(self) -> dict[str, Any]:
        self._ask_for_body()
        while not self._body and not self.arrived:
            await self._wait()
        if self.gone:
            raise ClientGoneError
        data = self._take()
        return {"type": "http.request", "body": data, "more_body": not self.arrived}

    def _ask_for_body(self) -> None:
        connection = self._connection
        if not (self.arrived or self._size_bytes or self.status):
            if self.header(b"expect").lower() == b"100-continue":
                connection.write(CONTINUE)
            self._size_bytes = 0
        connection.resume_reading()

    def _take(self) -> bytes:
        body = self._body
        data = body[0] if len(body) == 1 else b"".join(body)
        body.clear()
        self._size_bytes = 0
        return data

    async def _wait(self) -> None:
        if self.gone:
            raise ClientGoneError
        self._waiter = self._connection.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self.gone:
            raise ClientGoneError

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # The answer.

    async def start(self, status: int, headers: Headers) -> None:
        """Write status and headers; the body follows by :meth:`piece`."""
        self.status = status
        if self.open:
            self.open = False
            self._whole = None if is_stream(headers) else []
        else:
            self._connection.write(self._head(status, headers))

    async def piece(self, data: bytes, *, more: bool = True) -> None:
        """Write a piece of the body; waits while the client is slow."""
        if self._whole is not None:
            self._whole.append(data)
            if more:
                return
            data = b"data: %s\n\n" % b"".join(self._whole).replace(b"\n", b" ")
        self._keep(data)
        if not more and self.before_end is not None:
            self._ending()
        self._write(data)
        if not more:
            self._finish()
        elif self._connection.full:
            await self._connection.writable()

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Write an answer at once."""
        if self.open:
            await super().whole(status, headers, body)
            return
        self.status = status
        self._keep(body)
        if self.before_end is not None:
            self._ending()
        head = self._head(status, headers, len(body))
        if self._silent:
            self._connection.write(head)
        elif len(body) <= COPIED_BYTES:
            self._connection.write(head + body)
        else:
            self._connection.write(head)
            self._connection.write(body)
        self._left_bytes = UNKNOWN
        self._finish()

    def _wait_for(self, turn: Turn) -> None:
        self._connection.hold()
        turn.then(self._connection.let_go)

    async def _refuse_body(self, status: int, body: bytes) -> None:
        # The connection goes on reading for a while, and throws away what still comes.
        self.keep_alive = False
        await self.whole(status, [JSON_TYPE], body)

    @property
    def connection_task(self) -> asyncio.Task[None] | None:
        """The task that answers, which is the one that runs."""
        return self._connection.task

    def watch(self) -> Watch:  # type: ignore[override]
        """Cancel the running task when the client hangs up; a context manager."""
        return Watch(self)

    def abandon(self) -> None:
        """End an answer that its maker left unfinished: the client sees that it is cut."""
        if self.complete or self.gone:
            return
        self.keep_alive = False
        if not self.status:
            self.status = 500
            self._connection.write(self._head(500, [], 0))
        self.complete = True
        self._connection.finished(self)

    def _head(self, status: int, headers: Headers, body_bytes: int = UNKNOWN) -> bytes:
        server = self._connection.server
        headers = headers + self.extra
        head = head_bytes(status, headers, server.date)
        for name, value in headers:
            if name not in FRAMING:
                continue
            if name == b"content-length":
                body_bytes = self._left_bytes = int(value)
            elif value == b"close":
                self.keep_alive = False
                head = head.replace(b"connection: close\r\n", b"")
        self._silent = self.method == "HEAD" or bodiless(status)
        if self._left_bytes == UNKNOWN:
            head += self._framing(status, body_bytes)
        if server.draining or not self.keep_alive:
            self.keep_alive = False
            return head + b"connection: close\r\n\r\n"
        return head + (b"\r\n" if self.http11 else b"connection: keep-alive\r\n\r\n")

    def _framing(self, status: int, body_bytes: int) -> bytes:
        if body_bytes != UNKNOWN:
            return b"" if bodiless(status) else b"content-length: %d\r\n" % body_bytes
        if self._silent:
            return b""
        if self.http11:
            self._chunked = True
            return b"transfer-encoding: chunked\r\n"
        self.keep_alive = False  # the end of the connection is the end of the body
        return b""

    def _write(self, data: bytes) -> None:
        if not data or self._silent or self.complete:
            return
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        elif self._left_bytes != UNKNOWN:
            # More than was announced would be taken for the next answer.
            data = data[: self._left_bytes]
            self._left_bytes -= len(data)
        self._connection.write(data)

    def _finish(self) -> None:
        if self.complete:
            return
        if self._chunked:
            self._connection.write(b"0\r\n\r\n")
        elif self._left_bytes > 0 and not self._silent:
            self.keep_alive = False
        self.complete = True
        self._body.clear()
        self._connection.finished(self)
