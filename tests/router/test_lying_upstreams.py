"""An upstream that lies gets nobody else's request wrong, and is never believed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any

import pytest
from dispatchers import Running, general, route, until
from fake_engine import FakeEngine, Script, Turn, answers, chat, sse
from lying_engines import (
    GOOD,
    HEAD,
    PIECE,
    bomb,
    endless_body,
    endless_head,
    endless_interims,
    never_ends,
    says,
    sends,
    sized,
    with_logprobs,
)
from raw_http import asked_of, nothing_is_left, posted, talk

from tierwise_core.policy_resilience import ResiliencePolicy, Timeouts, TimeoutsFor

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]

BOUNDED = ResiliencePolicy(timeouts=Timeouts(first_byte_s=20.0, idle_s=20.0, whole_s=20.0))
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
OTHER = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsmuggled"
USAGE = {"prompt_tokens": "many", "completion_tokens": None, "total_tokens": -5}

# What no client may be given as an answer, however it asks.
BROKEN: dict[str, Script] = {
    "too few bytes": sends(sized(GOOD, len(GOOD) + 100), closes=True),
    "two lengths": sends(HEAD + b"content-length: 3\r\ncontent-length: 5\r\n\r\nabc", closes=True),
    "length and chunks": sends(
        HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    ),
    "no status": sends(b"HTTP/1.1 OK\r\n\r\n", closes=True),
    "a chunk cut in the middle": sends(CHUNKED + b"fff\r\n" + GOOD, closes=True),
    "a chunk's size that is no number": sends(CHUNKED + b"xyz\r\n", closes=True),
    "a header cut by a line": sends(HEAD + b"x-a: b\r\n\rc: d\r\n\r\n", closes=True),
    "nothing": sends(b"", closes=True),
    "an answer to another protocol": sends(b"\x16\x03\x01\x02\x00", closes=True),
    "an endless head": endless_head,
    "endless interim answers": endless_interims,
    "a place to go instead": sends(
        b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://10.0.0.9/\r\n"
        b"content-length: 0\r\n\r\n"
    ),
}

# What passes byte for byte by name, where nobody looks into it, and is no answer for `auto`.
NONSENSE: dict[str, Script] = {
    "no JSON": sends(sized(b"<html>It works!</html>")),
    "half a JSON": sends(sized(GOOD[:-40])),
    "not UTF-8": sends(sized(GOOD.replace(b"abcd", b"\xff\xfe"))),
    "a lone surrogate": sends(sized(GOOD.replace(b"abcd", b"\\ud800"))),
    "deep nesting": sends(sized(b"[" * 5000 + b"]" * 5000)),
    "an error as a success": says({"error": {"message": "out of memory", "code": 500}}),
    "a list": says([1, 2]),
    "nothing at all": says(None),
    "no choices": says({"choices": []}),
    "choices that are null": says({"choices": None}),
    "a choice that is null": says({"choices": [None]}),
    "a choice that is a word": says({"choices": ["abcd"]}),
    "a message that is null": says({"choices": [{"index": 0, "message": None}]}),
    "a message that is a list": says({"choices": [{"message": [1]}]}),
    "NaN": says(with_logprobs(math.nan)),
    "an infinity": says(with_logprobs(-math.inf)),
    "compressed, though nobody asked": sends(sized(bomb(1 << 20), None, b"content-encoding: gzip")),
}

# Wrong in what only a judge reads: the answer itself may be used, if it is judged with care.
ODD: dict[str, Script] = {
    "a log-probability above zero": says(with_logprobs(3.5)),
    "a log-probability that is null": says(with_logprobs(None, -0.001)),
    "a log-probability that is a word": says(with_logprobs("high")),
    "a log-probability that is true": says(with_logprobs(*[True])),
    "a log-probability that is a list": says(with_logprobs([-0.1])),
    "log-probabilities that are a word": says(
        {"choices": [{**chat("abcd")["choices"][0], "logprobs": {"content": "abcd"}}]}
    ),
    "tokens that are null": says(
        {"choices": [{**chat("abcd")["choices"][0], "logprobs": {"content": [None, 5]}}]}
    ),
    "a content that is a number": says({"choices": [{"message": {"content": 42}}]}),
    "a usage of words": says({**chat("abcd", [-0.001]), "usage": USAGE}),
    "a usage beyond all numbers": sends(
        sized(GOOD.replace(b'"completion_tokens": 3', b'"completion_tokens": 1e308'))
    ),
    "a usage that is a list": says({**chat("abcd", [-0.001]), "usage": [1]}),
    "a finish that is an object": says(
        {"choices": [{**chat("abcd")["choices"][0], "finish_reason": {}, "index": "x"}]}
    ),
    "more than was announced": sends(sized(GOOD) + b"trailing bytes that nobody announced"),
    "another answer behind it": sends(sized(GOOD) + OTHER),
    "an interim answer first": sends(b"HTTP/1.1 103 Early Hints\r\nx-a: b\r\n\r\n" + sized(GOOD)),
    "headers of ours": sends(
        sized(GOOD, None, b"x-tierwise-confidence: 1.0", b"set-cookie: a=b", b"connection: x-a")
    ),
    "no length at all": sends(HEAD + b"\r\n" + GOOD, closes=True),
}

WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "by name": ("/v1/chat/completions", {"model": "sorter"}),
    "by name, streamed": ("/v1/chat/completions", {"model": "sorter", "stream": True}),
    "auto": ("/v1/chat/completions", {"model": "auto"}),
    "auto, streamed": ("/v1/chat/completions", {"model": "auto", "stream": True}),
    "query": ("/query", {}),
}


async def ask(router: Running, way: str) -> tuple[int, bytes]:
    """Ask in one of the ways; a torn answer has status 0."""
    path, fields = WAYS[way]
    question = "sort dbca"
    body = {"query": question} if path == "/query" else {
        "messages": [{"role": "user", "content": question}], **fields,
    }  # fmt: skip
    try:
        reply = await router.client.post(path, json=body)
    except Exception:  # noqa: BLE001 - cut short, as it should be when it has begun
        return 0, b""
    return reply.status_code, reply.content


async def is_still_well(router: Running, pod: FakeEngine) -> None:
    """The next request is answered right, on whatever connection it goes."""
    pod.script = answers("abcd")
    for _ in range(3):
        reply = await router.chat("sort dbca", "sorter")
        assert (reply.status_code, reply.json()["choices"][0]["message"]["content"]) == (
            200,
            "abcd",
        )
    await router.client.aclose()
    await nothing_is_left(router)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lie", BROKEN)
async def test_a_broken_answer_is_a_bad_gateway(
    engine: Engine, run: Run, lie: str, way: str
) -> None:
    pod = await engine(BROKEN[lie])
    router = await run(route("sorter", pod.url), policy=BOUNDED)

    status, body = await ask(router, way)

    assert status in {0, 502, 504}, body
    assert b"smuggled" not in body


@pytest.mark.parametrize("way", ["auto", "auto, streamed", "query"])
@pytest.mark.parametrize("lie", NONSENSE)
async def test_nonsense_is_no_answer_to_who_leaves_the_choice_to_us(
    engine: Engine, run: Run, lie: str, way: str
) -> None:
    pod, backup = await engine(NONSENSE[lie]), await engine(answers("backup"))
    router = await run(route("sorter", pod.url), general("frontier", backup.url), policy=BOUNDED)

    status, body = await ask(router, way)

    assert status == 200, body
    assert b"backup" in body or b"b" in body
    await is_still_well(router, pod)


@pytest.mark.parametrize("way", ["auto", "query"])
@pytest.mark.parametrize("lie", NONSENSE)
async def test_nonsense_from_the_last_one_is_a_bad_gateway(
    engine: Engine, run: Run, lie: str, way: str
) -> None:
    pod = await engine(NONSENSE[lie])
    router = await run(route("sorter", pod.url), policy=BOUNDED)

    status, body = await ask(router, way)

    assert status == 502, body
    await is_still_well(router, pod)


@pytest.mark.parametrize(
    ("lie", "way"),
    [*product(ODD, WAYS), *product(NONSENSE, ["by name", "by name, streamed"])],
)
async def test_no_lie_is_a_fault_of_ours(engine: Engine, run: Run, lie: str, way: str) -> None:
    pod = await engine({**NONSENSE, **ODD}[lie])
    router = await run(route("sorter", pod.url), policy=BOUNDED)

    status, body = await ask(router, way)

    assert status in {0, 200, 422, 502, 504}, body
    assert b"smuggled" not in body
    assert b"internal error" not in body
    await is_still_well(router, pod)


async def test_what_comes_behind_an_answer_is_nobody_s(engine: Engine, run: Run) -> None:
    pod = await engine(sends(sized(GOOD) + OTHER))
    router = await run(route("sorter", pod.url))

    for _ in range(5):
        assert (await router.chat("sort dbca", "sorter")).content == GOOD

    assert pod.connections == 5  # none of them was used again


async def test_what_comes_late_behind_an_answer_is_nobody_s(engine: Engine, run: Run) -> None:
    async def script(turn: Turn) -> None:
        await turn.send(sized(GOOD))
        await first_is_through.wait()
        await turn.send(OTHER)

    first_is_through = asyncio.Event()
    pod = await engine(script)
    router = await run(route("sorter", pod.url))
    assert (await router.chat("sort dbca", "sorter")).content == GOOD
    first_is_through.set()
    await until(lambda: not router.dispatcher.client.idle_connections(pod.url) or not pod._writers)

    assert (await router.chat("sort dbca", "sorter")).content == GOOD


async def test_an_answer_before_the_question_ends_its_connection(engine: Engine, run: Run) -> None:
    """Who answers without having read the body may take the rest of it for the next request."""

    async def early(turn: Turn) -> None:
        await turn.send(sized(GOOD))

    pod = await engine(early)
    pod.reads_bodies = False
    router = await run(route("sorter", pod.url))
    big = b"x" * (8 << 20)

    reply = await router.chat(big.decode(), "sorter")

    assert reply.status_code in {200, 502}
    assert router.dispatcher.client.idle_connections(pod.url) == 0


async def test_an_endless_answer_ends_for_who_judges_it(engine: Engine, run: Run) -> None:
    pod, backup = await engine(endless_body), await engine(answers("backup"))
    of_liar = (TimeoutsFor(specialist="demo/sorter", whole_s=0.5),)
    policy = ResiliencePolicy(timeout_overrides=of_liar)
    router = await run(route("sorter", pod.url), general("frontier", backup.url), policy=policy)

    status, body = await ask(router, "auto")

    assert (status, b"backup" in body) == (200, True)


@pytest.mark.parametrize("script", [never_ends, endless_body])
@pytest.mark.parametrize("way", ["by name, streamed", "auto, streamed"])
async def test_an_endless_stream_ends_in_time(
    engine: Engine, run: Run, script: Script, way: str
) -> None:
    pod = await engine(script)
    quick = ResiliencePolicy(timeouts=Timeouts(first_byte_s=0.5, idle_s=0.5, whole_s=0.5))
    router = await run(route("sorter", pod.url), policy=quick)

    await ask(router, way)

    await router.client.aclose()
    await nothing_is_left(router)


@pytest.mark.parametrize("tail", [b"1;" + PIECE + b"\r\na\r\n", b"0\r\nx-more: " + PIECE + b"\r\n"])
async def test_endless_framing_is_bounded(engine: Engine, run: Run, tail: bytes) -> None:
    async def script(turn: Turn) -> None:
        await turn.send(CHUNKED + b"1\r\n{\r\n")
        while True:
            await turn.send(tail)
            tails.append(1)

    tails: list[int] = []
    pod = await engine(script)
    router = await run(route("sorter", pod.url))

    status, _ = await ask(router, "by name")

    assert status in {0, 502}
    assert len(tails) < 1000


async def test_a_trailer_is_no_header(engine: Engine, run: Run) -> None:
    data = CHUNKED + b"%x\r\n%s\r\n0\r\nx-late: 1\r\nlocation: /\r\n\r\n" % (len(GOOD), GOOD)
    pod = await engine(sends(data))
    router = await run(route("sorter", pod.url))

    reply = await router.chat("sort dbca", "sorter")

    assert reply.content == GOOD
    assert "x-late" not in reply.headers


async def test_a_stream_of_garbage_hurts_nobody(engine: Engine, run: Run) -> None:
    async def script(turn: Turn) -> None:
        await turn.stream_head()
        for data in (b"data: {\n\n", b"data: [1]\n\n", b"\xff\xfe\n\n", b"event\n\ndata\n\n"):
            await turn.chunk(data)
        await turn.chunk(sse({"choices": [None]}) + sse({"choices": [{"delta": [1]}]}))
        await turn.chunk(sse({"choices": [{"delta": {"content": 5}, "logprobs": {"content": 1}}]}))
        await turn.chunk(sse({"choices": [], "usage": USAGE}) + b"data: [DONE]\n\n" * 3)
        await turn.end()

    pod, backup = await engine(script), await engine(answers("backup"))
    router = await run(route("sorter", pod.url), general("frontier", backup.url), policy=BOUNDED)

    for way in ("by name, streamed", "auto, streamed"):
        status, body = await ask(router, way)
        assert status in {200, 502}
        assert b"internal error" not in body
    await is_still_well(router, pod)


async def test_an_answer_s_header_cannot_break_ours(engine: Engine, run: Run) -> None:
    lines = (b"x-a: caf\xe9", b"x-b:\t tabbed \t", b"x-c:", b"server: evil", b"x-request-id: r")
    pod = await engine(sends(sized(GOOD, None, *lines)))
    router = await run(route("sorter", pod.url))

    (got,) = await talk(router, posted(asked_of()))

    assert got.status == 200
    assert got.headers is not None
    assert got.headers["x-request-id"] != "r"
    assert "server" not in got.headers
