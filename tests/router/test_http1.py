"""The dispatcher's own server speaks HTTP/1.1: pieces, pipelines, framing, offers and ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tierwise_router.exchange import ClientGoneError, Exchange
from tierwise_router.listener import Listener, claim_port

Handler = Callable[[Exchange], Awaitable[None]]


class Application:
    """Whatever a test wants to be served."""

    def __init__(self, handler: Handler) -> None:
        self.answer = handler


class Server:
    """A listener, and raw connections to it."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    async def say(self, *pieces: bytes) -> bytes:
        """Send pieces one after the other, end, and give everything that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.listener.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            async with asyncio.timeout(60):
                return await reader.read()
        finally:
            writer.close()


async def echo(exchange: Exchange) -> None:
    body = await exchange.read_body(1 << 20)
    await exchange.whole(200, [], b"%s %s %s" % (
        exchange.method.encode(), exchange.path.encode(), body
    ))  # fmt: skip


async def in_pieces(exchange: Exchange) -> None:
    await exchange.start(200, [])
    for piece in (b"one", b"", b"two"):
        await exchange.piece(piece)
    await exchange.piece(b"", more=False)


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Handler], Awaitable[Server]]]:
    listeners: list[Listener] = []

    async def start(handler: Handler) -> Server:
        listeners.append(await Listener.open(Application(handler), claim_port("127.0.0.1", 0), 1))
        return Server(listeners[-1])

    yield start
    for listener in listeners:
        await listener.drain()


Serve = Callable[[Handler], Awaitable[Server]]
LAST = b"GET /last HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


def post(path: bytes, body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    head = b"POST %s HTTP/1.1\r\nhost: x\r\n%scontent-length: %d\r\n\r\n"
    return head % (path, lines, len(body)) + body


@given(cuts=st.lists(st.integers(1, 120), max_size=6))
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
async def test_however_a_request_is_cut_it_is_the_same(serve: Serve, cuts: list[int]) -> None:
    server = await serve(echo)
    whole = post(b"/a%20b?x=1", b"hello") + LAST
    at = [0, *sorted({min(cut, len(whole)) for cut in cuts}), len(whole)]

    told = await server.say(*(whole[a:b] for a, b in pairwise(at)))

    assert b"POST /a b hello" in told
    assert told.endswith(b"GET /last ")


async def test_requests_in_a_row_are_answered_in_their_order(serve: Serve) -> None:
    first = asyncio.Event()

    async def slow_at_first(exchange: Exchange) -> None:
        if exchange.path == "/0":
            await first.wait()
        else:
            first.set()
        await echo(exchange)

    asyncio.get_running_loop().call_soon(first.set)
    server = await serve(slow_at_first)

    told = await server.say(b"".join(post(b"/%d" % at, b"b%d" % at) for at in range(20)), LAST)

    places = [told.index(b"POST /%d b%d" % (at, at)) for at in range(20)]
    assert places == sorted(places)
    assert told.endswith(b"GET /last ")


async def test_a_body_in_chunks_is_read_and_trailers_are_dropped(serve: Serve) -> None:
    async def headers(exchange: Exchange) -> None:
        body = await exchange.read_body(1 << 20)
        await exchange.whole(200, [], body + exchange.header(b"x-trailer"))

    server = await serve(headers)
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"

    told = await server.say(head + b"3\r\nabc\r\n2\r\nde\r\n0\r\nx-trailer: no\r\n\r\n", LAST)

    assert b"\r\n\r\nabcde" in told
    assert b"no" not in told.partition(b"abcde")[0].partition(b"\r\n\r\n")[2]


async def test_an_answer_without_a_length_comes_in_chunks(serve: Serve) -> None:
    told = await (await serve(in_pieces)).say(LAST)
    assert told.endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


async def test_an_old_client_gets_it_until_the_connection_ends(serve: Serve) -> None:
    told = await (await serve(in_pieces)).say(b"GET / HTTP/1.0\r\n\r\n")
    assert b"chunked" not in told
    assert told.endswith(b"connection: close\r\n\r\nonetwo")


async def test_head_has_no_body_and_the_connection_goes_on(serve: Serve) -> None:
    told = await (await serve(echo)).say(b"HEAD /h HTTP/1.1\r\nhost: x\r\n\r\n", LAST)
    assert b"HEAD /h" not in told
    assert told.endswith(b"GET /last ")


async def test_whoever_asks_first_is_told_to_go_on(serve: Serve) -> None:
    server = await serve(echo)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.listener.port)
    writer.write(post(b"/", b"hello", b"expect: 100-continue")[:-5])
    async with asyncio.timeout(60):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hello")
        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 OK")
    writer.close()


async def test_an_offer_of_another_protocol_is_passed_by(serve: Serve) -> None:
    offer = (b"connection: Upgrade, HTTP2-Settings", b"upgrade: h2c", b"http2-settings: AAMAAABk")
    told = await (await serve(echo)).say(post(b"/java", b"hello", *offer) + LAST)
    assert b"POST /java hello" in told
    assert told.endswith(b"GET /last ")


@pytest.mark.parametrize(
    "wrong",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\nabc",
        b"CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 300 + b"\r\n",
    ],
)
async def test_what_is_no_http_is_refused_and_ends_the_connection(
    serve: Serve, wrong: bytes
) -> None:
    told = await (await serve(echo)).say(wrong)
    assert told.startswith(b"HTTP/1.1 400 Bad Request")
    assert b"connection: close" in told


async def test_nonsense_behind_a_request_does_not_cost_it_its_answer(serve: Serve) -> None:
    told = await (await serve(echo)).say(post(b"/", b"hello") + b"nonsense\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 200 OK")
    assert b"HTTP/1.1 400 Bad Request" in told


async def test_an_answer_that_its_maker_leaves_is_cut_short(serve: Serve) -> None:
    async def leaves(exchange: Exchange) -> None:
        await exchange.start(200, [])
        await exchange.piece(b"one")

    told = await (await serve(leaves)).say(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    assert told.endswith(b"3\r\none\r\n")


async def test_more_than_was_announced_never_goes_out(serve: Serve) -> None:
    async def lies(exchange: Exchange) -> None:
        await exchange.start(200, [(b"content-length", b"3")])
        await exchange.piece(b"abcdef", more=False)

    told = await (await serve(lies)).say(LAST)
    assert told.endswith(b"\r\n\r\nabc")


async def test_a_client_that_leaves_stops_the_work(serve: Serve) -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def works(exchange: Exchange) -> None:
        try:
            with exchange.watch():
                begun.set()
                await asyncio.Event().wait()
        except ClientGoneError:
            stopped.set()

    server = await serve(works)
    _, writer = await asyncio.open_connection("127.0.0.1", server.listener.port)
    writer.write(LAST)
    await begun.wait()
    writer.close()
    async with asyncio.timeout(60):
        await stopped.wait()
