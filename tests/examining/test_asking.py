"""Asking an engine over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from fake_engine import FakeEngine, Turn, answers

from tierwise_operator.examining.asking import (
    Asked,
    EngineBusyError,
    EngineDeclinedError,
    HttpAsk,
)

QUESTION = Asked("sorter", ({"role": "user", "content": "sort dbca"},), 16)


@pytest.fixture
async def http() -> AsyncIterator[HttpAsk]:
    asking = HttpAsk()
    yield asking
    await asking.close()


@pytest.fixture
async def engine() -> AsyncIterator[FakeEngine]:
    running = await FakeEngine.start(answers("abcd"))
    yield running
    await running.stop()


async def test_it_asks_at_temperature_0_and_returns_the_text(
    http: HttpAsk, engine: FakeEngine
) -> None:
    assert await http.ask(engine.url, QUESTION) == "abcd"
    (asked,) = engine.requests
    assert asked.path == "/v1/chat/completions"
    assert asked.fields == {
        "model": "sorter",
        "messages": [{"role": "user", "content": "sort dbca"}],
        "temperature": 0,
        "max_tokens": 16,
        "stream": False,
    }


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, b'{"message": "too long"}', EngineDeclinedError),
        (429, b"{}", EngineBusyError),
        (503, b"no json", EngineBusyError),
        (200, b"{}", EngineBusyError),
        (200, b"no json", EngineBusyError),
    ],
)
async def test_what_is_no_answer(
    http: HttpAsk, engine: FakeEngine, status: int, body: bytes, error: type[Exception]
) -> None:
    async def script(turn: Turn) -> None:
        await turn.whole(status, body)

    engine.script = script
    with pytest.raises(error):
        await http.ask(engine.url, QUESTION)


async def test_an_engine_with_little_room_may_use_what_it_has(
    http: HttpAsk, engine: FakeEngine
) -> None:
    async def script(turn: Turn) -> None:
        if "max_tokens" in turn.request.fields:
            await turn.whole(400, b'{"message": "the context has 192 tokens"}')
        else:
            await answers("abcd")(turn)

    engine.script = script
    assert await http.ask(engine.url, QUESTION) == "abcd"


async def test_a_dead_engine_is_busy(http: HttpAsk, engine: FakeEngine) -> None:
    async def die(turn: Turn) -> None:
        turn.die()

    engine.script = die
    with pytest.raises(EngineBusyError):
        await http.ask(engine.url, QUESTION)


async def test_an_answer_without_words_is_empty(http: HttpAsk, engine: FakeEngine) -> None:
    async def wordless(turn: Turn) -> None:
        await turn.whole(200, json.dumps({"choices": [{"message": {"content": None}}]}).encode())

    engine.script = wordless
    assert not await http.ask(engine.url, QUESTION)
