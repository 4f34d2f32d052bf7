"""A client that never finishes its request is let go; one that is only slow is not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from dispatchers import Running, route
from uvicorn.server import ServerState

from tierwise_router.bounded import LONGEST_HEAD_BYTES, bounded_protocol

Run = Callable[..., Awaitable[Running]]

PATIENCE_S = 30.0
BODY = b'{"model": "sorter"}'
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(BODY)


class Clock:
    """The running event loop, but for its timers, which go off when a test says so."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = 0.0
        self._timers: list[tuple[float, asyncio.Handle]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def call_later(self, seconds: float, what: Callable[[], None]) -> asyncio.Handle:
        handle = asyncio.Handle(what, (), self._loop)
        self._timers.append((self._now + seconds, handle))
        return handle

    def advance(self, seconds: float) -> None:
        self._now += seconds
        due = [timer for timer in self._timers if timer[0] <= self._now]
        self._timers = [timer for timer in self._timers if timer[0] > self._now]
        for _, handle in due:
            if not handle.cancelled():
                handle._run()


class Wire(asyncio.Transport):
    """The server's end of a connection, which only notes that it was closed."""

    closed = False
    reading = True

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass


class Client:
    """A client of one connection, and the clock on the wall."""

    def __init__(self) -> None:
        self.clock, self.wire = Clock(), Wire()
        config = uvicorn.Config(_nobody, ws="none", lifespan="off", log_config=None)
        config.load()
        made = bounded_protocol(PATIENCE_S)
        self.protocol = made(config, ServerState(), {}, _loop=self.clock)  # type: ignore[arg-type]
        self.protocol.connection_made(self.wire)

    def sends(self, data: bytes, then_waits: float = 0.0) -> Client:
        if not self.wire.closed:
            self.protocol.data_received(data)
        self.clock.advance(then_waits)
        return self


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    """An application that reads the request and never answers."""
    while (await receive())["type"] != "http.disconnect":
        pass


@pytest.fixture
async def client() -> Client:
    return Client()


async def test_a_client_that_says_nothing_is_let_go(client: Client) -> None:
    client.clock.advance(PATIENCE_S - 1)
    assert not client.wire.closed
    client.clock.advance(1)
    assert client.wire.closed


async def test_more_of_the_head_buys_no_more_time(client: Client) -> None:
    for byte in HEAD[:31]:
        client.sends(bytes([byte]), then_waits=1)
    assert client.wire.closed


async def test_a_body_that_never_comes_is_let_go(client: Client) -> None:
    client.sends(HEAD + BODY[:5], then_waits=PATIENCE_S)
    assert client.wire.closed


async def test_a_slow_body_is_waited_for_piece_by_piece(client: Client) -> None:
    client.sends(HEAD)
    for byte in BODY:
        client.sends(bytes([byte]), then_waits=PATIENCE_S - 1)
    assert not client.wire.closed


async def test_an_answer_may_take_as_long_as_it_likes(client: Client) -> None:
    client.sends(HEAD + BODY, then_waits=3600)
    assert not client.wire.closed


async def test_a_body_that_we_do_not_read_is_not_the_clients_fault(client: Client) -> None:
    client.sends(HEAD)
    client.protocol.flow.pause_reading()
    client.clock.advance(PATIENCE_S)
    assert not client.wire.closed
    client.protocol.flow.resume_reading()
    client.clock.advance(PATIENCE_S)
    assert client.wire.closed


async def test_a_head_that_is_too_long_is_let_go_at_once(client: Client) -> None:
    client.sends(b"GET /" + b"a" * LONGEST_HEAD_BYTES)
    assert client.wire.closed


async def test_a_listener_lets_a_silent_client_go(run: Run) -> None:
    router = await run(route("sorter"), patience_s=0.01)
    reader, writer = await asyncio.open_connection("127.0.0.1", router.listener.port)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
