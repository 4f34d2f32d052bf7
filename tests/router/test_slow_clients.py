"""A client that never finishes its request is let go; one that is only slow is not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from dispatchers import Running, route

from tierwise_router.exchange import Exchange
from tierwise_router.http1.connection import LONGEST_HEAD_BYTES
from tierwise_router.http1.line import LINGER_S
from tierwise_router.http1.server import KEEP_ALIVE_S, STALL_S, Server

Run = Callable[..., Awaitable[Running]]

PATIENCE_S = 30.0
BODY = b'{"model": "sorter"}'
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(BODY)


class Clock:
    """The running event loop, but for the time, which a test tells."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.now = 1000.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def time(self) -> float:
        return self.now


class Wire(asyncio.Transport):
    """The server's end of a connection, which notes what is done with it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.unsent = 0
        self.closed = self.aborted = False
        self.reading = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def write_eof(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return self.unsent


class Client:
    """A client of one connection, and the clock on the wall."""

    def __init__(self, handler: Callable[[Exchange], Awaitable[None]]) -> None:
        self.clock, self.wire = Clock(), Wire()
        self.server = Server(handler, PATIENCE_S)
        self.server.loop = self.clock  # type: ignore[assignment]
        self.protocol = self.server.connect()
        self.protocol.connection_made(self.wire)

    async def sends(self, data: bytes, then_waits: float = 0.0) -> Client:
        if not self.wire.closed:
            self.protocol.data_received(data)
        for _ in range(5):  # what it has asked for begins
            await asyncio.sleep(0)
        self.waits(then_waits)
        return self

    def waits(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.clock.now += 1
            self.server.look(self.clock.now)


async def _nobody(exchange: Exchange) -> None:
    """An application that reads the request and never answers."""
    await exchange.read_body(1 << 20)
    await asyncio.Event().wait()


async def _hello(exchange: Exchange) -> None:
    await exchange.read_body(1 << 20)
    await exchange.whole(200, [], b"hello")


async def _never_reads(exchange: Exchange) -> None:
    await exchange.whole(404, [], b"nothing here")


@pytest.fixture
async def client() -> Client:
    return Client(_nobody)


async def test_a_client_that_says_nothing_is_let_go(client: Client) -> None:
    client.waits(PATIENCE_S - 1)
    assert not client.wire.closed
    client.waits(1)
    assert client.wire.closed


async def test_more_of_the_head_buys_no_more_time(client: Client) -> None:
    for byte in HEAD[:31]:
        await client.sends(bytes([byte]), then_waits=1)
    assert client.wire.closed


async def test_a_body_that_never_comes_is_let_go(client: Client) -> None:
    await client.sends(HEAD + BODY[:5], then_waits=PATIENCE_S)
    assert client.wire.closed


async def test_a_slow_body_is_waited_for_piece_by_piece(client: Client) -> None:
    await client.sends(HEAD)
    for byte in BODY:
        await client.sends(bytes([byte]), then_waits=PATIENCE_S - 1)
    assert not client.wire.closed


async def test_an_answer_may_take_as_long_as_it_likes(client: Client) -> None:
    await client.sends(HEAD + BODY, then_waits=3600)
    assert not client.wire.closed


async def test_a_body_that_we_do_not_read_is_not_the_clients_fault(client: Client) -> None:
    await client.sends(HEAD)
    client.protocol.pause_reading()
    client.waits(PATIENCE_S)
    assert not client.wire.closed
    client.protocol.resume_reading()
    client.waits(PATIENCE_S)
    assert client.wire.closed


async def test_a_kept_connection_may_be_idle_for_longer() -> None:
    client = Client(_hello)
    await client.sends(HEAD + BODY)
    assert client.wire.sent.endswith(b"hello")
    client.waits(KEEP_ALIVE_S - 1)
    assert not client.wire.closed
    client.waits(1)
    assert client.wire.closed


async def test_a_client_that_takes_nothing_of_its_answer_is_dropped_in_the_end() -> None:
    client = Client(_hello)
    client.wire.unsent = 100_000
    await client.sends(HEAD + BODY, then_waits=STALL_S - 1)
    client.wire.unsent = 90_000  # it does read, if slowly
    client.waits(STALL_S)
    assert not client.wire.aborted
    client.waits(1)
    assert client.wire.aborted


async def test_an_answer_before_the_body_is_whole_is_not_torn_off() -> None:
    client = Client(_never_reads)
    await client.sends(HEAD + BODY[:5])
    assert client.wire.sent.startswith(b"HTTP/1.1 404")
    assert not client.wire.closed
    await client.sends(BODY[5:] + HEAD + BODY)
    assert client.wire.sent.count(b"HTTP/1.1 404") == 2
    assert not client.wire.closed


async def test_a_client_that_goes_on_sending_after_its_answer_is_let_go() -> None:
    client = Client(_never_reads)
    await client.sends(HEAD + BODY[:5], then_waits=LINGER_S)
    assert client.wire.aborted


async def test_a_head_that_is_too_long_is_refused_at_once(client: Client) -> None:
    await client.sends(b"GET /" + b"a" * LONGEST_HEAD_BYTES)
    assert client.wire.sent.startswith(b"HTTP/1.1 431")
    client.waits(LINGER_S)
    assert client.wire.closed


async def test_a_body_of_nearly_nothing_but_framing_is_refused(client: Client) -> None:
    await client.sends(b"POST /x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
    for _ in range(20):
        await client.sends(b"1;padding=%s\r\na\r\n" % (b"p" * 5000))
    assert client.wire.sent.startswith(b"HTTP/1.1 431")


async def test_a_listener_lets_a_silent_client_go(run: Run) -> None:
    router = await run(route("sorter"), patience_s=0.01)
    reader, writer = await asyncio.open_connection("127.0.0.1", router.listener.port)
    async with asyncio.timeout(60):
        assert await reader.read() == b""
    writer.close()
