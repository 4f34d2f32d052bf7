"""A bad request gets OpenAI's error shape, the right status, and words that help."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from dispatchers import Running, route, until
from fake_engine import FakeEngine, Script, answers

from tierwise_router.settings import Settings

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]

CHAT = "/v1/chat/completions"


async def post(run: Run, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
    router = await run(route("sorter"))
    reply = await router.client.post(path, content=body)
    return reply.status_code, reply.json()["error"]


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b'{"model": "sorter", ', None, "invalid_json"),
        (b"[1, 2]", None, "invalid_json"),
        (b"\xff\xfe", None, "invalid_json"),
        (b"", None, "invalid_json"),
        (b'{"messages": [{}]}', "model", "missing_field"),
        (b'{"model": 3, "messages": [{}]}', "model", "invalid_type"),
        (b'{"model": "", "messages": [{}]}', "model", "invalid_type"),
        (b'{"model": "sorter"}', "messages", "missing_field"),
        (b'{"model": "sorter", "messages": "hi"}', "messages", "invalid_type"),
        (b'{"model": "sorter", "messages": []}', "messages", "invalid_type"),
        (b'{"model": "sorter", "messages": [{}], "stream": "yes"}', "stream", "invalid_type"),
        (b'{"model": "auto", "messages": [{"role": "user"}]}', "messages", "missing_text"),
    ],
)
async def test_a_wrong_body_names_the_field(
    run: Run, body: bytes, param: str | None, code: str
) -> None:
    status, error = await post(run, CHAT, body)

    assert status == 400
    assert error["type"] == "invalid_request_error"
    assert (error["param"], error["code"]) == (param, code)
    assert error["message"]


async def test_a_prompt_of_token_numbers_cannot_choose(run: Run) -> None:
    status, error = await post(run, "/v1/completions", b'{"model": "auto", "prompt": [1, 2]}')

    assert (status, error["param"]) == (400, "prompt")


async def test_an_unknown_model_lists_those_that_exist(run: Run) -> None:
    status, error = await post(run, CHAT, b'{"model": "sorrter", "messages": [{}]}')

    assert status == 404
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert "sorter" in error["message"]


async def test_an_ambiguous_model_lists_the_full_names(run: Run) -> None:
    router = await run(route("sorter"), route("sorter", namespace="prod"))

    reply = await router.chat("x", "sorter")

    assert reply.status_code == 400
    assert "demo/sorter, prod/sorter" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", CHAT, "POST"), ("DELETE", "/v1/models", "GET"), ("PUT", "/query", "POST")],
)
async def test_a_wrong_method_says_which_is_right(
    run: Run, method: str, path: str, allowed: str
) -> None:
    router = await run(route("sorter"))

    reply = await router.client.request(method, path)

    assert reply.status_code == 405
    assert reply.headers["allow"] == allowed
    assert allowed in reply.json()["error"]["message"]


async def test_an_unknown_path_says_what_there_is(run: Run) -> None:
    router = await run(route("sorter"))

    reply = await router.client.get("/v1/nothing")

    assert reply.status_code == 404
    assert "/v1/chat/completions" in reply.json()["error"]["message"]


async def test_a_body_too_large_is_refused_before_it_is_read(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url), settings=Settings(max_body_bytes=1000))

    reply = await router.chat("x" * (8 << 20), "sorter")

    assert reply.status_code == 413
    assert reply.json()["error"]["code"] == "body_too_large"
    assert "1000 bytes" in reply.json()["error"]["message"]
    assert reply.headers["connection"] == "close"
    assert not pod.requests


async def test_an_announced_size_is_enough_to_be_refused(run: Run) -> None:
    router = await run(route("sorter"), settings=Settings(max_body_bytes=1000))
    reader, writer = await asyncio.open_connection("127.0.0.1", router.listener.port)

    # curl asks before it sends: the refusal must come instead of "100 Continue".
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 2000\r\nexpect: 100-continue\r\n\r\n"
    )
    writer.write(head.encode())

    assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    writer.close()


async def test_a_body_of_unknown_length_is_bounded_as_well(engine: Engine, run: Run) -> None:
    async def pieces():  # type: ignore[no-untyped-def]  # noqa: ANN202
        for _ in range(50):
            yield b" " * 1000

    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url), settings=Settings(max_body_bytes=10_000))

    reply = await router.client.post(CHAT, content=pieces())

    assert reply.status_code == 413


async def test_a_body_just_small_enough_passes(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    body = b'{"model":"sorter","messages":[{"role":"user","content":"x"}],"pad":"'
    body += b"a" * (2_000_000 - len(body) - 2) + b'"}'
    router = await run(route("sorter", pod.url), settings=Settings(max_body_bytes=2_000_000))

    reply = await router.client.post(CHAT, content=body)

    assert reply.status_code == 200
    assert pod.requests[0].body == body


async def test_an_endless_header_is_cut_off(run: Run) -> None:
    router = await run(route("sorter"))
    reader, writer = await asyncio.open_connection("127.0.0.1", router.listener.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nx-endless: ")

    with contextlib.suppress(ConnectionError):
        for _ in range(64):
            writer.write(b"a" * 65536)
            await writer.drain()
        assert (await reader.readline()).startswith(b"HTTP/1.1 431")

    writer.close()
    await until(lambda: not router.listener.connections)
