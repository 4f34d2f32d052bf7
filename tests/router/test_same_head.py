"""Heads that come again are read as the parser reads them, whatever comes instead of them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise_core.policy_resilience import Timeouts
from tierwise_router.http1.connection import MOST_UNLIKE, ClientConnection
from tierwise_router.http1.served import ServedExchange
from tierwise_router.same_head import KnownHead, learn_head
from tierwise_router.upstream import connection as upstream
from tierwise_router.upstream.connection import Connection

LENGTH_NAMES = st.sampled_from([b"content-length", b"Content-Length", b"CONTENT-LENGTH"])
ODD_LINES = st.sampled_from(
    [
        b"x: y", b"X:  z ", b"content-length: 1", b"transfer-encoding: chunked", b"expect: no",
        b"connection: close", b"connection: keep-alive", b"upgrade: h2c", b"x-content-length: 9",
        b"x: content-length: 9",
    ]
)  # fmt: skip
LINES = st.lists(ODD_LINES, max_size=3)
STARTS = st.sampled_from(
    [b"POST /v1/a HTTP/1.1", b"POST /v1/a HTTP/1.0", b"GET /b?c=1 HTTP/1.1", b"HEAD / HTTP/1.1"]
)
STATUSES = st.sampled_from(
    [b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 404 No", b"HTTP/1.1 204 None"]
)
SEPARATORS = st.sampled_from([b": ", b": ", b":", b":  "])
BODIES = st.one_of(st.binary(max_size=12), st.just(b"\r\n\r\nab"))
FAULTS = st.sampled_from([b"", b"", b"", b"", b"x", b"\r\n", b"short"])


@st.composite
def messages(draw: st.DrawFn, starts: st.SearchStrategy[bytes]) -> list[bytes]:
    """Draw messages of which most have the head of the one before, one after the other."""
    sent, head = [], b""
    for _ in range(draw(st.integers(2, 6))):
        if not head or draw(st.integers(0, 3)) == 0:
            lines = draw(LINES)
            lines.insert(
                draw(st.integers(0, len(lines))), draw(LENGTH_NAMES) + draw(SEPARATORS) + b"%d"
            )
            head = b"\r\n".join((draw(starts), *lines)) + b"\r\n\r\n"
        body, fault = draw(BODIES), draw(FAULTS)
        whole = head.replace(b"%d", b"%d" % len(body)) + body
        sent.append(whole[:-1] if fault == b"short" else whole + fault)
    return sent


class Wire(asyncio.Transport):
    """A transport that goes nowhere."""

    closed = False

    def write(self, data: object) -> None:
        """Throw it away."""

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""

    def write_eof(self) -> None:
        """Nothing follows."""

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


class Host:
    """Whose connections they are; keeps what it is to answer."""

    patience_s = keep_alive_s = stall_s = 60.0
    draining = False
    date = b""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.connections: set[ClientConnection] = set()
        self.asked: list[ServedExchange] = []

    def serve(self, exchange: ServedExchange) -> Coroutine[Any, Any, None]:
        self.asked.append(exchange)
        return self._answer(exchange)

    async def _answer(self, exchange: ServedExchange) -> None:
        await exchange.whole(200, [], b"")

    def forget(self, connection: ClientConnection) -> None:
        self.connections.discard(connection)


async def read_by_server(sent: list[bytes], unlike: int) -> list[object]:
    """Tell what a server makes of requests, each of which is answered before the next comes."""
    host, wire = Host(), Wire()
    connection = ClientConnection(cast("Any", host))
    connection._unlike = unlike
    connection.connection_made(wire)
    told: list[object] = []
    for data in sent:
        connection.data_received(data)
        told += [
            (one.method, one.path, one.query, one.headers, one.waiting_body, one.arrived,
             one.keep_alive, one.http11)
            for one in host.asked
        ]  # fmt: skip
        host.asked.clear()
        for _ in range(3):
            await asyncio.sleep(0)
        told.append((wire.closed, connection._refusal is not None))
    connection.connection_lost(None)
    return told


@settings(max_examples=150)
@given(messages(STARTS))
def test_a_server_reads_a_repeated_head_as_its_parser_does(sent: list[bytes]) -> None:
    remembering = asyncio.run(read_by_server(sent, 0))

    assert remembering == asyncio.run(read_by_server(sent, MOST_UNLIKE))


async def read_by_client(sent: list[bytes], unlike: int) -> list[object]:
    """Tell what the client of an engine makes of its answers."""
    idle: list[Connection] = []
    room, wire = memoryview(bytearray(1)), Wire()
    connection = Connection(asyncio.get_running_loop(), "http://pod", idle.append, room)
    connection._unlike = unlike
    connection.connection_made(wire)
    told: list[object] = []
    for data in sent:
        if wire.closed:
            break
        response = connection.send(b"", b"", Timeouts())
        connection.data_received(data)
        told.append(
            (response.status, response.headers, response.waiting_body, response.complete,
             response.failed, len(idle), connection.usable, wire.closed)
        )  # fmt: skip
        if not response.complete:
            break
    connection.connection_lost(None)
    return told


@settings(max_examples=150)
@given(messages(STATUSES))
def test_a_client_reads_a_repeated_head_as_its_parser_does(sent: list[bytes]) -> None:
    remembering = asyncio.run(read_by_client(sent, 0))

    assert remembering == asyncio.run(read_by_client(sent, upstream.MOST_UNLIKE))


def test_the_second_of_two_equal_heads_needs_no_parser() -> None:
    async def ask() -> tuple[KnownHead[Any] | None, list[ServedExchange]]:
        host = Host()
        connection = ClientConnection(cast("Any", host))
        connection.connection_made(Wire())
        head = b"POST /v1/a HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
        connection.data_received(head % 2 + b"ab")
        await asyncio.sleep(0)
        connection._parser = None
        connection.data_received(head % 3 + b"abc")
        await asyncio.sleep(0)
        return connection._known, host.asked

    known, asked = asyncio.run(ask())

    assert known is not None
    assert [one.headers[1] for one in asked] == [
        (b"content-length", b"2"),
        (b"content-length", b"3"),
    ]


def test_a_head_that_says_its_length_twice_is_not_remembered() -> None:
    data = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na"

    assert learn_head(data, b"a", [(b"content-length", b"1")] * 2, None) is None


def test_a_connection_whose_heads_always_differ_looks_no_more() -> None:
    async def ask() -> int:
        connection = ClientConnection(cast("Any", Host()))
        connection.connection_made(Wire())
        for number in range(2 * MOST_UNLIKE):
            head = b"GET / HTTP/1.1\r\nx-trace: %d\r\ncontent-length: 0\r\n\r\n" % number
            connection.data_received(head)
            await asyncio.sleep(0)
        return connection._unlike

    assert asyncio.run(ask()) == MOST_UNLIKE
