"""HTTP by hand: bytes out, answers in, and what is left of it afterwards."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final

import httptools
from dispatchers import Running, until

PATIENCE_S: Final = 60
CHAT: Final = b"/v1/chat/completions"


@dataclass(slots=True)
class Answered:
    """One answer of the router."""

    status: int = 0
    headers: dict[str, str] | None = None
    body: bytes = b""
    whole: bool = False


class _Reader:
    """Takes a stream of answers apart; the answers to HEAD are not among them."""

    def __init__(self) -> None:
        self.answers: list[Answered] = []
        self._parser = httptools.HttpResponseParser(self)
        self._now = Answered()

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._now = Answered(headers={})

    def on_header(self, name: bytes, value: bytes) -> None:
        assert self._now.headers is not None
        self._now.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._now.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._now.body += body

    def on_message_complete(self) -> None:
        self._now.whole = True
        if self._now.status >= 200:
            self.answers.append(self._now)


def answers_in(data: bytes) -> list[Answered]:
    """The whole answers in what a router sent; fails when it is no valid HTTP."""
    reader = _Reader()
    reader.feed(data)
    return reader.answers


async def raw(router: Running, *pieces: bytes, patience_s: float = 0) -> bytes:
    """Send pieces and read until the router closes the connection; fails if it does not.

    With a patience the client leaves by itself after that time.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", router.listener.port)
    try:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        data = bytearray()
        try:
            async with asyncio.timeout(patience_s or PATIENCE_S):
                await _read_into(data, reader)
        except TimeoutError:
            assert patience_s, f"the router keeps the connection open after {bytes(data)!r}"
        return bytes(data)
    finally:
        writer.transport.abort()


async def _read_into(data: bytearray, reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65536):
            data += piece


async def talk(router: Running, *pieces: bytes) -> list[Answered]:
    """Send pieces and take the answers apart, up to the end of the connection."""
    return answers_in(await raw(router, *pieces))


def posted(body: bytes, *lines: bytes, path: bytes = CHAT, close: bool = True) -> bytes:
    """A request with a body of a known length."""
    closing = (b"connection: close",) if close else ()
    head = [b"POST %s HTTP/1.1" % path, b"host: x", b"content-length: %d" % len(body)]
    return b"\r\n".join([*head, *closing, *lines, b"", b""]) + body


def asked_of(model: bytes = b"sorter") -> bytes:
    """The body of a good request."""
    return b'{"model":"%s","messages":[{"role":"user","content":"sort dbca"}]}' % model


def get(path: bytes, *lines: bytes, method: bytes = b"GET", close: bool = True) -> bytes:
    """A request without a body."""
    closing = (b"connection: close",) if close else ()
    head = [b"%s %s HTTP/1.1" % (method, path), b"host: x"]
    return b"\r\n".join([*head, *closing, *lines, b"", b""])


async def nothing_is_left(router: Running) -> None:
    """Wait until the router holds nothing of what was asked of it; fails when it goes on to."""
    dispatcher = router.dispatcher
    await until(lambda: dispatcher.tally.in_flight == 0)
    await until(lambda: dispatcher.balancer.in_flight() == 0)
    await until(lambda: router.listener.connections == 0)
    assert not any(dispatcher.tally.held.values())
