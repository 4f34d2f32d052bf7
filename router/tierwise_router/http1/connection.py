"""A client's connection: parses its requests and has them answered, one after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, Final, Protocol, cast

import httptools
import orjson

from tierwise_router.errors import ErrorAnswer
from tierwise_router.exchange import JSON_TYPE
from tierwise_router.http1.head import BadTargetError, head_bytes, read_target
from tierwise_router.http1.line import Line, Patience
from tierwise_router.http1.served import ServedExchange
from tierwise_router.http1.wire import Answered
from tierwise_router.same_head import KnownHead, learn_head
from tierwise_router.upstream.response import Headers

__all__ = ["LONGEST_HEAD_BYTES", "ClientConnection", "Host"]

LONGEST_HEAD_BYTES: Final = 64 * 1024
"""How long a head may be; what frames a body may be as long, and the body's length on top."""

MOST_HEADERS: Final = 256
MOST_UNLIKE: Final = 4
"""After so many heads in a row that differ from the one before, a connection looks no more."""

VERSIONS: Final = ("1.1", "1.0")


class Host(Patience, Protocol):
    """Whose connections these are: what all of them share, and who answers."""

    loop: asyncio.AbstractEventLoop
    connections: set[ClientConnection]
    draining: bool
    date: bytes

    def serve(self, exchange: ServedExchange) -> Coroutine[Any, Any, None]:
        """Have a request answered."""

    def forget(self, connection: ClientConnection) -> None:
        """Learn that a connection has ended."""


class ClientConnection(Line):
    """Reads requests and starts an answer to each as soon as its head is here.

    A request that comes before the one in front of it is answered (pipelining) waits, and nothing
    more is read until then. No timer is set per request: the server looks at all connections now
    and then, see :meth:`look`.
    """

    __slots__ = (
        "_answered", "_arriving", "_excess_bytes", "_headers", "_held", "_in_head", "_known",
        "_parser", "_queue", "_raw_left", "_refusal", "_running", "_target", "_unlike", "_used",
        "server", "task",
    )  # fmt: skip

    def __init__(self, server: Host) -> None:
        super().__init__(server.loop, server)
        self.server = server
        self.task: asyncio.Task[None] | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._running: ServedExchange | None = None
        self._arriving: ServedExchange | None = None
        self._answered: Answered | None = None
        self._queue: deque[ServedExchange] = deque()
        self._held = b""
        self._target = b""
        self._headers: Headers = []
        self._in_head = False
        self._used = False
        self._excess_bytes = 0
        self._raw_left = 0
        self._refusal: ErrorAnswer | None = None
        self._known: KnownHead[tuple[str, str, bytes]] | None = None
        self._unlike = 0

    # What asyncio tells us.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._since = self.loop.time()
        self.server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """Stop what nobody waits for any more."""
        self._transport = None
        self.server.forget(self)
        self._queue.clear()
        self._wake()
        if self._running is not None:
            self._running.lost()

    def data_received(self, data: bytes) -> None:
        """Read on; what comes while an answer is being made is kept for after it."""
        if self._refusal is not None:
            return
        if self._running is not None and self._arriving is None:
            self._held += data
            self.pause_reading()
        elif self._running is not None or self._in_head or self._unlike >= MOST_UNLIKE:
            self._read(data)
        elif not self._read_known(data):
            self._read(data)
            self._learn(data)

    # Reading.

    def _read_known(self, data: bytes) -> bool:
        """Read a request whose head is the one before it, but for the length; False for others."""
        known = self._known
        found = known.match(data) if known is not None else None
        if known is None or found is None:
            return False
        headers, body = found
        method, path, query = known.read
        self._since = self.loop.time()
        self._unlike = 0
        exchange = ServedExchange(self, method, path, query, headers, True, True)  # noqa: FBT003
        exchange.feed(body)
        exchange.arrived = True
        self._run(exchange)
        return True

    def _learn(self, data: bytes) -> None:
        """Remember the head of the request that was just read, if it may come again."""
        self._unlike += 1
        self._known = None
        running = self._running
        if running is None or not running.arrived or self._queue or self._in_head:
            return
        if running.keep_alive and running.http11 and not self._parser.should_upgrade():
            read = running.method, running.path, running.query
            self._known = learn_head(data, running.waiting_body, running.headers, read)

    def _read(self, data: bytes) -> None:
        try:
            if self._raw_left:
                data = self._read_raw(data)
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # Clients that would like HTTP/2 offer it this way; we stay with HTTP/1.1.
            if rest := self._read_raw(data[upgrade.args[0] :]):
                self._read(rest)
                return
        except httptools.HttpParserError as error:
            self._refuse(400, f"this is no valid HTTP/1.1 ({error.__context__ or error})")
            return
        if self._in_head or self._arriving is not None:
            self._wait_for_rest(len(data))

    def _read_raw(self, data: bytes) -> bytes:
        """Take the body behind a refused upgrade, which the parser leaves to us."""
        body = data[: self._raw_left]
        self._raw_left -= len(body)
        if body:
            self.on_body(body)
        if not self._raw_left and self._arriving is not None:
            self.on_message_complete()
        return data[len(body) :]

    def _wait_for_rest(self, read_bytes: int) -> None:
        self._excess_bytes += read_bytes
        if self._arriving is not None:
            self._since = self.loop.time()
        if self._excess_bytes > LONGEST_HEAD_BYTES:
            self._refuse(431, f"a request's head may have {LONGEST_HEAD_BYTES} bytes")

    def on_message_begin(self) -> None:
        """Note that a head has begun."""
        self._in_head = True
        self._target = b""
        self._excess_bytes = 0
        self._since = self.loop.time()

    def on_url(self, target: bytes) -> None:
        """Collect the target, which may come in parts."""
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header, its name in lower case; trailers are dropped."""
        if self._in_head:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Have the request answered, or queue it behind the one before."""
        parser = self._parser
        headers, self._headers = self._headers, []
        self._in_head = False
        if len(headers) > MOST_HEADERS:
            raise BadTargetError(f"more than {MOST_HEADERS} headers")
        if (version := parser.get_http_version()) not in VERSIONS:
            raise BadTargetError(f"its version is {version}; speak HTTP/1.1")
        path, query = read_target(self._target)
        exchange = self._arriving = ServedExchange(
            self, parser.get_method().decode(), path, query, headers,
            parser.should_keep_alive(), version == "1.1",
        )  # fmt: skip
        if parser.should_upgrade():
            self._raw_left = _announced_bytes(exchange)
        if self._running is None:
            self._run(exchange)
        else:
            self._queue.append(exchange)

    def on_body(self, data: bytes) -> None:
        """Hand a piece of the body over."""
        self._excess_bytes -= 2 * len(data)
        if self._arriving is not None:
            self._arriving.feed(data)

    def on_message_complete(self) -> None:
        """Hand the end of the body over."""
        exchange = self._arriving
        if exchange is None or self._raw_left:
            return
        self._arriving = None
        exchange.end()
        if exchange.complete:  # it was answered before it was whole
            self._closing_at = 0.0
            self.finished(exchange)

    # Answering.

    def _run(self, exchange: ServedExchange) -> None:
        # The task begins after the data at hand has been read, mostly to the request's end.
        self._running = exchange
        self.task = self.loop.create_task(self.server.serve(exchange))

    def finished(self, exchange: Answered) -> None:
        """Go on after an answer: with the next request, or to the end of the connection."""
        if self._kept is not None:
            self._answered = exchange
        elif self._arriving is exchange:
            # It still sends a body that nobody reads. Closing now would reset the connection, and
            # the client might never see the answer; so it is listened to for a while.
            self._linger(say_so=not exchange.keep_alive)
        elif not exchange.keep_alive or self.server.draining:
            self.close()
        else:
            self._running = None
            self._since = self.loop.time()
            self._used = True
            if self._queue or self._held or self._reading_paused or self._refusal is not None:
                self._go_on()

    def let_go(self) -> None:
        """Send what was kept; go on where an answer is out by that."""
        super().let_go()
        answered, self._answered = self._answered, None
        if answered is not None:
            self.finished(answered)

    def _go_on(self) -> None:
        if self._queue:
            self._run(self._queue.popleft())
        elif self._refusal is not None:
            self._tell_refusal(self._refusal)
        elif self._held:
            self.loop.call_soon(self._read_held)
        else:
            self.resume_reading()

    def _read_held(self) -> None:
        data, self._held = self._held, b""
        if self._transport is not None:
            self._read(data)
            if self._running is None:
                self.resume_reading()

    def _refuse(self, status: int, message: str) -> None:
        self._refusal = ErrorAnswer(status, message, code="invalid_http")
        running = self._running
        if running is None:
            self._tell_refusal(self._refusal)
        elif running is self._arriving:
            begun = running.status
            running.lost()
            self._running = None
            if begun:
                self.close()
            else:
                self._tell_refusal(self._refusal)

    def _tell_refusal(self, refusal: ErrorAnswer) -> None:
        body = orjson.dumps(refusal.body())
        length = (b"content-length", b"%d" % len(body))
        head = head_bytes(refusal.status, [JSON_TYPE, length], self.server.date)
        self.write(head + b"connection: close\r\n\r\n" + body)
        self._linger(say_so=True)

    # The end.

    def drain(self) -> None:
        """Close unless there is a request to be answered first."""
        if self._running is None and not self._in_head:
            self.close()

    def _limit_s(self) -> float:
        server = self.server
        if self._unsent_bytes:
            return super()._limit_s()
        if self._running is not None:
            waiting = self._arriving is not None and not self._reading_paused
            return server.patience_s if waiting else float("inf")
        return server.patience_s if self._in_head or not self._used else server.keep_alive_s


def _announced_bytes(exchange: ServedExchange) -> int:
    if exchange.header(b"transfer-encoding"):
        raise BadTargetError("a body in chunks cannot follow an upgrade")
    return int(exchange.header(b"content-length") or 0)
