"""Whatever bytes come, as HTTP or as JSON in it: an answer in OpenAI's words, and nothing left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator

import httpx
from dispatchers import Running, general, route
from fake_engine import FakeEngine, Turn
from hypothesis import given
from hypothesis import settings as run_with
from hypothesis import strategies as st
from openai_engine import OpenAIEngine
from raw_http import Answered, answers_in, asked_of, nothing_is_left, raw

from tierwise_router.openapi import document
from tierwise_router.settings import Settings

PATIENCE_S = 0.1
CLIENT_PATIENCE_S = 0.5
POSTS = sorted(path for path, methods in document()["paths"].items() if "post" in methods)
BODY = asked_of()

# JSON: the names that are looked at, with values that nobody expects there.

NAMES = st.sampled_from([
    "model", "messages", "role", "content", "stream", "stream_options", "include_usage", "prompt",
    "logprobs", "top_logprobs", "n", "user", "tools", "max_tokens", "max_completion_tokens",
    "include", "input", "query", "context", "field", "confidence_floor", "session_id", "type",
    "text", "decision", "accepted", "comment", "echo", "background", "store", "documents",
])  # fmt: skip
WORDS = st.sampled_from(
    ["auto", "sorter", "frontier", "demo/sorter", "sorter:x", "user", "sort dbca", "", "\x00", "🜁"]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, -1, 2**31, 2**63, -(2**63), 2**64, 10**30, 0.5, -0.0, 1e308]),
    WORDS,
    st.text(max_size=20),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=8)
NEARLY_RIGHT = st.builds(
    lambda odd: {"model": "auto", "messages": [{"role": "user", "content": "sort dbca"}], **odd},
    st.dictionaries(NAMES.filter(lambda name: name != "model"), VALUES, max_size=3),
)
TORN = st.sampled_from([
    b"NaN", b"Infinity", b"1e999", b'"\\ud800"', b'"\xff"', b"[" * 600 + b"]" * 600,
    b"[" * 5000, b'{"a":1,"a":2}', b"\xef\xbb\xbf{}", b"", b"\x00", b"9" * 5000, b"truefalse",
])  # fmt: skip


def spliced(body: dict[str, object], at: int, odd: bytes) -> bytes:
    """A body with something odd in the place of one of its values."""
    text = json.dumps(body).encode()
    places = [place for place, byte in enumerate(text) if byte == ord(":")]
    if not places:
        return odd
    place = places[at % len(places)] + 1
    return text[:place] + odd + text[text.find(b",", place) :]


BODIES = st.one_of(
    OBJECTS.map(lambda body: json.dumps(body).encode()),
    NEARLY_RIGHT.map(lambda body: json.dumps(body).encode()),
    st.builds(spliced, NEARLY_RIGHT, st.integers(0, 99), TORN),
    TORN,
    st.binary(max_size=60),
)


async def tolerant(turn: Turn) -> None:
    """An engine that refuses what it cannot read, as a real one does."""
    try:
        await OpenAIEngine()(turn)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        await turn.whole(400, b'{"error":{"message":"bad","code":400}}')


@contextlib.asynccontextmanager
async def a_router(patience_s: float = 30.0) -> AsyncIterator[Running]:
    pod, frontier = await FakeEngine.start(tolerant), await FakeEngine.start(tolerant)
    routes = route("sorter", pod.url), general("frontier", frontier.url)
    folder = tempfile.TemporaryDirectory(prefix="tierwise-fuzz-")
    settings = Settings(files_dir=folder.name)
    router = await Running.start(*routes, settings=settings, patience_s=patience_s)
    before = len(asyncio.all_tasks())
    try:
        yield router
        await router.client.aclose()
        await nothing_is_left(router)
        assert len(asyncio.all_tasks()) <= before + 2  # the two pods' own, until they are stopped
    finally:
        await router.stop()
        await pod.stop()
        await frontier.stop()
        folder.cleanup()


def is_told_right(reply: httpx.Response) -> None:
    assert reply.status_code < 500, reply.text
    if reply.status_code >= 400:
        assert reply.json()["error"]["message"]


@run_with(max_examples=12)
@given(asked=st.lists(st.tuples(st.sampled_from(POSTS), BODIES), min_size=20, max_size=40))
def test_no_body_is_too_odd(asked: list[tuple[str, bytes]]) -> None:
    async def go() -> None:
        async with a_router() as router:
            for path, body in asked:
                is_told_right(await router.client.post(path, content=body))

    asyncio.run(go())


# HTTP: requests put together from parts that are right, odd and wrong.

LINES = st.sampled_from([
    b"host: x", b"host: y", b"connection: close", b"connection: keep-alive", b"connection: upgrade",
    b"upgrade: websocket", b"upgrade: h2c", b"content-length: 5", b"content-length: 67",
    b"content-length: 0", b"content-length: -1", b"content-length: 99999999999999999999",
    b"content-length: 5, 5", b"transfer-encoding: chunked", b"transfer-encoding: gzip, chunked",
    b"transfer-encoding: identity", b"expect: 100-continue", b"te: trailers", b"x-request-id: \xff",
    b"x-tierwise-when-asleep: maybe", b" folded", b"\tfolded", b"no-colon", b": no-name",
    b"x-long: " + b"a" * 20_000, b"x-nul: \x00", b"content-type: application/json",
    b"content-type: multipart/form-data; boundary=x", b"x-session-id: s", b"accept: */*",
    b"authorization: Bearer " + b"k" * 300, b"x-tierwise-latency-class: never",
])  # fmt: skip
TARGETS = st.sampled_from([
    b"/v1/chat/completions", b"/query", b"/v1/models", b"/v1/models/%2e%2e", b"/healthz", b"*",
    b"/metrics", b"http://h/healthz", b"//", b"/%", b"/%00", b"/\xff", b"/a b", b"",
    b"/v1/models/" + b"m" * 5000, b"/openapi.json?x=" + b"y" * 100, b"http://[::1", b"?",
])  # fmt: skip
METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"OPTIONS", b"DELETE", b"PATCH", b"X", b"get"])
VERSIONS = st.sampled_from([b" HTTP/1.1", b" HTTP/1.0", b" HTTP/2.0", b"", b" HTTP/1.1 "])
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"])
TAILS = st.sampled_from([
    BODY, b"", b"{", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n", b"zz\r\n", b"\r\n\r\n",
    b"%x\r\n%s\r\n0\r\nx-t: y\r\n\r\n" % (len(BODY), BODY), b"fffffffffffffffff\r\n", b"1;a=b\r\n",
])  # fmt: skip


def request(  # noqa: PLR0917 - the parts of a request, in their order
    method: bytes, target: bytes, version: bytes, lines: list[bytes], end: bytes, tail: bytes
) -> bytes:
    head = [b"%s %s%s" % (method, target, version), *lines, b"", b""]
    return end.join(head) + tail


REQUESTS = st.builds(request, METHODS, TARGETS, VERSIONS, st.lists(LINES, max_size=5), ENDS, TAILS)
WIRES = st.lists(REQUESTS | st.binary(max_size=40), min_size=1, max_size=3).map(b"".join)


async def until_well(router: Running) -> None:
    """Ask until it answers: on a busy machine we may be slower than its brief patience allows."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(httpx.TransportError):
                assert (await router.client.get("/healthz")).status_code == 200
                return


@run_with(max_examples=12)
@given(wires=st.lists(st.tuples(WIRES, st.integers(1, 400)), min_size=16, max_size=32))
def test_no_bytes_are_too_odd(wires: list[tuple[bytes, int]]) -> None:
    async def ask(router: Running, wire: bytes, size: int) -> list[Answered]:
        pieces = [wire[at : at + size] for at in range(0, len(wire), size)][:200]
        return answers_in(await raw(router, *pieces, patience_s=CLIENT_PATIENCE_S))

    async def go() -> None:
        async with a_router(PATIENCE_S) as router:
            for answers in await asyncio.gather(*(ask(router, *wire) for wire in wires)):
                assert not [one for one in answers if one.status >= 500], answers
            await until_well(router)

    asyncio.run(go())
