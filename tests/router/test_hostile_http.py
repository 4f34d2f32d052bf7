"""What is no honest HTTP is refused, never guessed at, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from dispatchers import Running, route, until
from fake_engine import FakeEngine, Script, answers, until_hung_up
from raw_http import CHAT, Answered, asked_of, get, nothing_is_left, posted, raw, talk

from tierwise_router.settings import Settings

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]

BODY = asked_of()
SMUGGLED = get(b"/v1/smuggled")
HEAD = b"POST %s HTTP/1.1\r\nhost: x\r\n" % CHAT


def chunked(body: bytes, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    return b"%x%s\r\n%s\r\n0\r\n%s\r\n" % (len(body), extension, body, trailer)


AMBIGUOUS = {
    "content-length and transfer-encoding": HEAD
    + b"content-length: %d\r\ntransfer-encoding: chunked\r\n\r\n" % len(BODY)
    + chunked(BODY),
    "transfer-encoding and content-length": HEAD
    + b"transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n"
    + chunked(BODY),
    "two lengths that differ": HEAD
    + b"content-length: %d\r\ncontent-length: 3\r\n\r\n" % len(BODY)
    + BODY,
    "two lengths in one line": HEAD + b"content-length: %d, 3\r\n\r\n" % len(BODY) + BODY,
    "a length with a sign": HEAD + b"content-length: +%d\r\n\r\n" % len(BODY) + BODY,
    "a negative length": HEAD + b"content-length: -1\r\n\r\n" + BODY,
    "a length beyond 64 bits": HEAD + b"content-length: 184467440737095516160\r\n\r\n" + BODY,
    "a length in hexadecimal": HEAD + b"content-length: 0x10\r\n\r\n" + BODY,
    "a folded header": HEAD + b"x-a: b\r\n c: d\r\ncontent-length: 0\r\n\r\n",
    "a space before the colon": HEAD + b"content-length : %d\r\n\r\n" % len(BODY) + BODY,
    "a header without a name": HEAD + b": x\r\n\r\n",
    "a null byte in a value": HEAD + b"x-a: b\x00c\r\ncontent-length: 0\r\n\r\n",
    "a null byte in a name": HEAD + b"x-\x00a: b\r\ncontent-length: 0\r\n\r\n",
    "a bare carriage return": HEAD + b"x-a: b\rx-b: c\r\ncontent-length: 0\r\n\r\n",
    "lines that end in a bare line feed": b"POST %s HTTP/1.1\nhost: x\n\n" % CHAT,
    "an unknown coding": HEAD + b"transfer-encoding: gzip\r\n\r\n" + BODY,
    "a coding behind chunked": HEAD + b"transfer-encoding: chunked, gzip\r\n\r\n" + chunked(BODY),
    "a coding that looks like chunked": HEAD + b"transfer-encoding: xchunked\r\n\r\n" + BODY,
    "a chunk's size that is no number": HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    "a chunk longer than its size": HEAD
    + b"transfer-encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",
    "a chunk's size beyond 64 bits": HEAD
    + b"transfer-encoding: chunked\r\n\r\n%s\r\n" % (b"f" * 17),
    "a tab in the request line": b"POST\t%s HTTP/1.1\r\nhost: x\r\n\r\n" % CHAT,
    "no version": b"GET /healthz\r\nhost: x\r\n\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another version": b"GET /healthz HTTP/3.7\r\nhost: x\r\n\r\n",
    "an unknown method": b"STEAL /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)),
    "nothing but zeros": bytes(300),
}


@pytest.mark.parametrize("sent", AMBIGUOUS.values(), ids=AMBIGUOUS)
async def test_an_ambiguous_request_is_refused_and_its_connection_closed(
    engine: Engine, run: Run, sent: bytes
) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))

    got = await talk(router, sent + SMUGGLED)

    assert [answer.status // 100 for answer in got] == [4]
    assert not pod.requests
    await nothing_is_left(router)


def one(got: list[Answered]) -> Answered:
    (answer,) = got
    return answer


GOOD = {
    "chunks": HEAD + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n" + chunked(BODY),
    "a chunk's extension": HEAD
    + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    + chunked(BODY, b';name="value"'),
    "trailers": HEAD
    + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    + chunked(BODY, trailer=b"x-sum: 1\r\nauthorization: Bearer x\r\n"),
    "capitals": HEAD + b"Transfer-Encoding: Chunked\r\nConnection: Close\r\n\r\n" + chunked(BODY),
    "an absolute target": posted(BODY, path=b"http://router.example:80" + CHAT),
    "a query behind the path": posted(BODY, path=CHAT + b"?beta=true&x=%00"),
    "an escaped path": posted(BODY, path=b"/v1/chat%2Fcompletions"),
    "HTTP/1.0": b"POST %s HTTP/1.0\r\ncontent-length: %d\r\n\r\n%s" % (CHAT, len(BODY), BODY),
    "an offer of another protocol": posted(
        BODY, b"upgrade: h2c", b"connection: upgrade, close", b"http2-settings: x", close=False
    ),
    "bytes that are no ASCII": posted(BODY, b"x-name: J\xf6rg \xe4\xbd\xa0"),
    "two lengths that agree": posted(BODY, b"x-length: 3"),
}


@pytest.mark.parametrize("sent", GOOD.values(), ids=GOOD)
async def test_an_unusual_request_is_understood(engine: Engine, run: Run, sent: bytes) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))

    got = one(await talk(router, sent))

    assert got.status == 200
    assert b"abcd" in got.body
    assert [request.body for request in pod.requests] == [BODY]
    assert "authorization" not in pod.requests[0].headers
    await nothing_is_left(router)


async def test_a_request_in_single_bytes_is_a_request(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))

    got = one(await talk(router, *(bytes([byte]) for byte in posted(BODY))))

    assert got.status == 200


async def test_pipelined_requests_are_answered_in_their_order(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))
    requests = [
        posted(BODY, b"x-request-id: a", close=False),
        get(b"/healthz", b"x-request-id: b", close=False),
        posted(b"{", b"x-request-id: c", close=False),
        posted(BODY, b"x-request-id: d"),
    ]

    got = await talk(router, b"".join(requests))

    assert [(one.headers or {})["x-request-id"] for one in got] == ["a", "b", "c", "d"]
    assert [one.status for one in got] == [200, 200, 400, 200]
    await nothing_is_left(router)


async def test_what_follows_the_last_request_is_not_read(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))

    got = await talk(router, posted(BODY) + SMUGGLED * 3)

    assert [answer.status for answer in got] == [200]


@pytest.mark.parametrize("count", [1_000, 20_000])
async def test_too_many_headers_are_refused(run: Run, count: int) -> None:
    router = await run(route("sorter"))

    got = one(await talk(router, get(b"/healthz", *(b"x-%d: y" % at for at in range(count)))))

    assert got.status in {400, 431}
    await nothing_is_left(router)


async def test_endless_extensions_of_chunks_are_cut_off(run: Run) -> None:
    router = await run(route("sorter"))
    tiny = b"1;" + b"a" * 1000 + b"\r\n{\r\n"

    got = one(await talk(router, HEAD + b"transfer-encoding: chunked\r\n\r\n", *([tiny] * 2000)))

    assert got.status in {400, 413, 431}
    await nothing_is_left(router)


async def test_endless_trailers_are_cut_off(run: Run) -> None:
    router = await run(route("sorter"))
    begun = HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n"

    got = await talk(router, begun, *([b"x-more: " + b"a" * 1000 + b"\r\n"] * 2000))

    assert [answer.status // 100 for answer in got] in ([], [4])
    await nothing_is_left(router)


@pytest.mark.parametrize("length", [2_000_000, 1 << 62])
async def test_an_announced_giant_is_refused_before_it_comes(run: Run, length: int) -> None:
    router = await run(route("sorter"), settings=Settings(max_body_bytes=1000))

    got = one(await talk(router, HEAD + b"content-length: %d\r\n\r\n" % length))

    assert got.status == 413


async def test_a_client_that_asks_first_is_told_to_go_on(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))
    reader, writer = await asyncio.open_connection("127.0.0.1", router.listener.port)
    request = posted(BODY, b"expect: 100-continue")

    writer.write(request.removesuffix(BODY))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(BODY)

    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
    assert "expect" not in pod.requests[0].headers
    writer.close()


async def test_an_expectation_nobody_knows_changes_nothing(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))

    got = one(await talk(router, posted(BODY, b"expect: 200-maybe")))

    assert got.status in {200, 417}


@pytest.mark.parametrize("path", [b"/healthz", b"/v1/models", b"/metrics", b"/nowhere", CHAT])
async def test_head_has_get_s_head_and_no_body(run: Run, path: bytes) -> None:
    router = await run(route("sorter"))

    got = await raw(router, get(path, method=b"HEAD"))
    full = one(await talk(router, get(path)))

    head, _, body = got.partition(b"\r\n\r\n")
    assert body == b""
    assert head.startswith(b"HTTP/1.1 %d " % full.status)


@pytest.mark.parametrize("target", [b"*", b"/", b"//", b"/v1/../healthz", b"/%00", b"/%ff%fe%zz"])
@pytest.mark.parametrize("method", [b"OPTIONS", b"GET", b"TRACE", b"DELETE"])
async def test_an_odd_target_is_answered(run: Run, method: bytes, target: bytes) -> None:
    router = await run(route("sorter"))

    got = one(await talk(router, get(target, method=method)))

    assert got.status in {400, 404, 405}
    assert b"error" in got.body
    await nothing_is_left(router)


async def test_connect_makes_no_tunnel(run: Run) -> None:
    router = await run(route("sorter"))

    got = one(await talk(router, b"CONNECT db.example:5432 HTTP/1.1\r\nhost: db.example\r\n\r\n"))

    assert got.status in {400, 404, 405}


async def test_what_belongs_to_the_connection_is_not_passed_on(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))
    lines = [
        *(b"connection: close, x-hop", b"x-hop: 1", b"te: trailers", b"trailer: x-sum"),
        *(b"proxy-authorization: Basic x", b"keep-alive: timeout=9", b"x-kept: 1"),
        *(b"cookie: a=b", b"authorization: Bearer k", b"x-api-key: k"),
    ]

    one(await talk(router, posted(BODY, *lines, close=False)))

    passed_on = set(pod.requests[0].headers)
    assert "x-kept" in passed_on
    assert not passed_on & {
        *("connection", "x-hop", "te", "trailer", "proxy-authorization", "keep-alive", "cookie"),
        *("authorization", "x-api-key", "transfer-encoding"),
    }


async def test_a_head_that_is_left_unfinished_is_forgotten(run: Run) -> None:
    router = await run(route("sorter"))
    for size in (1, 20, len(HEAD)):
        _, writer = await asyncio.open_connection("127.0.0.1", router.listener.port)
        writer.write(HEAD[:size])
        await writer.drain()
        writer.transport.abort()

    await nothing_is_left(router)


async def test_a_body_that_is_left_unfinished_reaches_no_pod(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))
    _, writer = await asyncio.open_connection("127.0.0.1", router.listener.port)
    writer.write(posted(BODY)[:-5])
    await until(lambda: router.dispatcher.tally.in_flight == 1)

    writer.transport.abort()

    await nothing_is_left(router)
    assert not pod.requests


async def test_clients_that_leave_while_the_pod_thinks_leave_nothing(
    engine: Engine, run: Run
) -> None:
    pod = await engine(answers("abcd"))
    pod.script = until_hung_up(lambda: pod)
    router = await run(route("sorter", pod.url))
    before = len(asyncio.all_tasks())
    writers = []
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", router.listener.port)
        writer.write(posted(BODY))
        writers.append(writer)
    await until(lambda: len(pod.requests) == 20)

    for writer in writers:
        writer.transport.abort()

    await nothing_is_left(router)
    await until(lambda: len(asyncio.all_tasks()) <= before)
