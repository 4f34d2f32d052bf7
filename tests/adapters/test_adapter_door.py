"""The operator speaks to engines as vLLM understands it, and takes its refusals as they are."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from fake_engine import FakeEngine, Script, dies, refuses
from lora_engines import HttpFetcher, HttpLoraEngine

from tierwise_core.adapter_container import FETCH_PORT
from tierwise_core.adapters import Load, Unload
from tierwise_core.engine import PORT
from tierwise_operator.adapter_engine import (
    EngineRefusedError,
    EngineSilentError,
    HttpAdapterDoor,
)

ADDRESS = "127.77.0.8"  # a loopback address of its own, so that both ports are free there

Start = Callable[[Script], Awaitable[FakeEngine]]


@pytest.fixture
async def door() -> AsyncIterator[HttpAdapterDoor]:
    made = HttpAdapterDoor()
    yield made
    await made.close()


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    started: list[FakeEngine] = []

    async def begin(script: Script) -> FakeEngine:
        started.append(await FakeEngine.start(script))
        return started[-1]

    yield begin
    for one in started:
        await one.stop()


async def test_an_adapter_is_loaded_replaced_and_unloaded(
    door: HttpAdapterDoor, start: Start
) -> None:
    vllm = HttpLoraEngine()
    engine = await start(vllm)
    await door.carry_out(engine.url, Load("sorter:a", "/models/a"))
    await door.carry_out(engine.url, Load("sorter:a", "/models/b", before="/models/a"))
    assert await door.loaded(engine.url) == {"sorter:a": "/models/b"}
    await door.carry_out(engine.url, Unload("sorter:a", "/models/b"))
    assert await door.loaded(engine.url) == {}
    name = {"lora_name": "sorter:a"}
    assert vllm.asked == [
        ("/v1/load_lora_adapter", {**name, "lora_path": "/models/a", "load_inplace": False}),
        ("/v1/load_lora_adapter", {**name, "lora_path": "/models/b", "load_inplace": True}),
        ("/v1/unload_lora_adapter", name),
    ]


async def test_the_engines_own_words_come_through(door: HttpAdapterDoor, start: Start) -> None:
    words = "LoRA rank 64 is greater than max_lora_rank 16."
    engine = await start(HttpLoraEngine(refuses={"/models/a": words}))
    with pytest.raises(EngineRefusedError, match=r"LoRA rank 64 is greater .* \(500\)"):
        await door.carry_out(engine.url, Load("sorter:a", "/models/a"))


async def test_an_engine_without_adapters_says_what_is_missing(
    door: HttpAdapterDoor, start: Start
) -> None:
    async def plain(turn: object) -> None:
        await turn.whole(404, b'{"detail": "Not Found"}')  # type: ignore[attr-defined]

    engine = await start(plain)
    with pytest.raises(EngineRefusedError, match="started without --enable-lora"):
        await door.carry_out(engine.url, Load("sorter:a", "/models/a"))


async def test_no_answer_is_not_taken_for_a_refusal(door: HttpAdapterDoor, start: Start) -> None:
    engine = await start(dies)
    with pytest.raises(EngineSilentError):
        await door.loaded(engine.url)
    with pytest.raises(EngineSilentError):
        await door.carry_out(engine.url, Load("sorter:a", "/models/a"))


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": 7}', b'{"data": [3]}'])
async def test_an_answer_that_is_no_list_is_no_knowledge(
    door: HttpAdapterDoor, start: Start, body: bytes
) -> None:
    async def odd(turn: object) -> None:
        await turn.whole(200, body)  # type: ignore[attr-defined]

    engine = await start(odd)
    with pytest.raises(EngineSilentError):
        await door.loaded(engine.url)


async def test_an_endless_answer_is_cut(door: HttpAdapterDoor, start: Start) -> None:
    async def long(turn: object) -> None:
        cards = [{"id": "x" * 1000, "parent": "b"} for _ in range(5000)]
        await turn.whole(200, json.dumps({"data": cards}).encode())  # type: ignore[attr-defined]

    engine = await start(long)
    with pytest.raises(EngineSilentError, match="more than"):
        await door.loaded(engine.url)


async def test_a_busy_engine_is_not_asked_for_reasons(door: HttpAdapterDoor, start: Start) -> None:
    engine = await start(refuses(503, "overloaded"))
    with pytest.raises(EngineSilentError, match="503"):
        await door.loaded(engine.url)


async def test_an_adapter_of_the_network_is_fetched_before_it_is_loaded(
    door: HttpAdapterDoor,
) -> None:
    vllm, beside = HttpLoraEngine(), HttpFetcher()
    engine = await FakeEngine.start(vllm, ADDRESS, PORT)
    fetcher = await FakeEngine.start(beside, ADDRESS, FETCH_PORT)
    old, new = (f"/mnt/tierwise/adapters/{name}" for name in ("aaaa1111", "bbbb2222"))
    try:
        await door.carry_out(engine.url, Load("sorter:a", old, source="hf://acme/old"))
        await door.carry_out(engine.url, Load("sorter:a", new, old, "hf://acme/new"))
        await door.carry_out(engine.url, Unload("sorter:a", new))
    finally:
        await engine.stop()
        await fetcher.stop()
    assert beside.asked == [
        "PUT /adapters/aaaa1111 hf://acme/old",
        "PUT /adapters/bbbb2222 hf://acme/new",
        "DELETE /adapters/aaaa1111",
        "DELETE /adapters/bbbb2222",
    ]
    assert [path for path, _ in vllm.asked] == [
        "/v1/load_lora_adapter",
        "/v1/load_lora_adapter",
        "/v1/unload_lora_adapter",
    ]


async def test_what_cannot_be_fetched_is_not_loaded(door: HttpAdapterDoor) -> None:
    vllm = HttpLoraEngine()
    engine = await FakeEngine.start(vllm, ADDRESS, PORT)
    missing = refuses(422, "hf://acme/none does not exist")
    fetcher = await FakeEngine.start(missing, ADDRESS, FETCH_PORT)
    step = Load("sorter:a", "/mnt/tierwise/adapters/aaaa1111", source="hf://acme/none")
    try:
        with pytest.raises(EngineRefusedError, match="hf://acme/none does not exist"):
            await door.carry_out(engine.url, step)
    finally:
        await fetcher.stop()
    try:
        with pytest.raises(EngineRefusedError, match="container 'adapters' does not fetch"):
            await door.carry_out(engine.url, step)
    finally:
        await engine.stop()
    assert vllm.asked == []
