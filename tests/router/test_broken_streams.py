"""A stream that breaks off counts against the side that broke it; that of a client who left not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dispatchers import Running, until
from fake_engine import FakeEngine, Script, Turn, answers, piece, sse
from ledgers import Clock, Served
from two_sides import Tell, TwoSides

from tierwise_core.decision_record import DecisionRecord
from tierwise_core.route_split import Split
from tierwise_ledger.ingest import ingest
from tierwise_ledger.store import Store
from tierwise_router.deadline import Deadlines

Row = dict[str, Any]
Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]
SUMS = "/v1/rollouts/sums?specialist=demo/sorter&blue=rev-b&green=rev-g&since=1000000"
TO_GREEN, TO_BLUE = Split("sorter-v2", 100), Split("sorter-v2", 0)
SIDES = {"green": TO_GREEN, "blue": TO_BLUE}
ENGINE_ERROR = {"error": {"message": "EngineCore died", "type": "InternalServerError"}}
SURE = -0.0001


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Served]:
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    yield Served(store, clock=Clock(time.time() + 60))
    store.close()


async def dies_midway(turn: Turn) -> None:
    await begins(turn)
    turn.die()


async def reports_its_death(turn: Turn) -> None:
    """As vLLM does whose engine core has died while its server lives on."""
    await begins(turn)
    await turn.chunk(sse(ENGINE_ERROR))
    await turn.chunk(b"data: [DONE]\n\n")
    await turn.end()


async def begins(turn: Turn) -> None:
    fields = turn.request.fields
    wanted = SURE if fields.get("logprobs") else None
    await turn.stream_head()
    for letter in "abcdefgh":
        await turn.chunk(sse(piece(fields, letter, wanted)))


async def goes_on_for_ever(turn: Turn) -> None:
    await begins(turn)
    await turn.reader.read()
    turn.keep = False


async def dies_in_a_long_answer(turn: Turn) -> None:
    """Not a stream, and more than is held back."""
    await turn.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n{" + b" " * 2_000_000)
    turn.die()


async def sums(told: TwoSides, ledger: Served) -> dict[str, Row]:
    with ledger.store.begin() as connection:
        rows = await told.rows()
        assert not ingest(connection, rows, received_at=ledger.clock()).rejected
    found: dict[str, Row] = ledger.client.get(SUMS).json()
    return found


async def last_step(told: TwoSides) -> Any:
    record = DecisionRecord.of((await told.of_kind("decision"))[-1])
    return record.steps[-1]


@pytest.mark.parametrize("model", ["sorter", "auto"])
@pytest.mark.parametrize("breaks", [dies_midway, reports_its_death])
@pytest.mark.parametrize("side", SIDES)
async def test_the_side_that_broke_a_stream_has_failed(
    tell: Tell, ledger: Served, side: str, breaks: Script, model: str
) -> None:
    scripts = (answers("abcd"), breaks) if side == "green" else (breaks, answers("abcd"))
    told = await tell(*scripts, split=SIDES[side])

    reply = await told.router.chat("sort dbca", model, stream=True)

    assert '"error"' in reply.text
    found = await sums(told, ledger)
    broke = found[side]
    assert (broke["asked"], broke["judged"], broke["failure"], broke["accepted"]) == (1, 1, 1, 0)
    other = found["blue" if side == "green" else "green"]
    assert other["failure"] == 0
    assert (await last_step(told)).cost_usd > 0


async def test_a_stream_by_name_whose_engine_reports_its_death_later_has_failed(
    tell: Tell, ledger: Served
) -> None:
    read = asyncio.Event()

    async def reports_later(turn: Turn) -> None:
        await begins(turn)
        await read.wait()
        await turn.chunk(sse(ENGINE_ERROR) + b"data: [DONE]\n\n")
        await turn.end()

    told = await tell(answers("abcd"), reports_later, split=TO_GREEN)
    body = {"model": "sorter", "messages": [{"role": "user", "content": "x"}], "stream": True}

    async with told.router.client.stream("POST", "/v1/chat/completions", json=body) as response:
        async for _ in response.aiter_bytes():
            read.set()

    assert (await sums(told, ledger))["green"]["failure"] == 1


async def test_an_answer_about_errors_is_an_answer(tell: Tell, ledger: Served) -> None:
    said = 'data: {"error": "no"}\n\nevent: error\nevent: response.failed\n'

    async def says(turn: Turn) -> None:
        await turn.stream_head()
        await turn.chunk(sse(piece(turn.request.fields, said)) + b"data: [DONE]\n\n")
        await turn.end()

    told = await tell(answers("abcd"), says, split=TO_GREEN)

    await told.router.chat("sort dbca", "sorter", stream=True)

    green = (await sums(told, ledger))["green"]
    assert (green["asked"], green["failure"]) == (1, 0)


async def test_a_stream_that_auto_still_held_back_failed_on_its_side(
    tell: Tell, ledger: Served
) -> None:
    async def dies_early(turn: Turn) -> None:
        await turn.stream_head()
        await turn.chunk(sse(piece(turn.request.fields, "a", -4.0)))
        turn.die()

    told = await tell(answers("abcd"), dies_early, split=TO_GREEN)

    await told.router.chat("sort dbca", stream=True)

    green = (await sums(told, ledger))["green"]
    assert (green["asked"], green["failure"]) == (1, 1)


async def test_a_long_answer_that_breaks_off_failed_on_its_side(tell: Tell, ledger: Served) -> None:
    told = await tell(answers("abcd"), dies_in_a_long_answer, split=TO_GREEN)
    body = {"model": "sorter", "messages": [{"role": "user", "content": "sort dbca"}]}

    async with told.router.client.stream("POST", "/v1/chat/completions", json=body) as response:
        with pytest.raises(Exception, match=r"peer closed|incomplete|disconnected"):
            await response.aread()

    green = (await sums(told, ledger))["green"]
    assert (green["asked"], green["failure"]) == (1, 1)


@pytest.mark.parametrize("model", ["sorter", "auto"])
@pytest.mark.parametrize("side", SIDES)
async def test_a_client_that_leaves_is_nobody_s_failure(
    tell: Tell, ledger: Served, side: str, model: str
) -> None:
    told = await tell(goes_on_for_ever, goes_on_for_ever, split=SIDES[side])
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "sort dbca"}],
        "stream": True,
    }

    async with told.router.client.stream("POST", "/v1/chat/completions", json=body) as response:
        await anext(response.aiter_bytes())
    await until(lambda: not told.router.dispatcher.tally.in_flight)

    left = (await sums(told, ledger))[side]
    assert (left["asked"], left["judged"], left["failure"]) == (1, 0, 0)
    assert (await last_step(told)).cost_usd > 0


@pytest.mark.parametrize("model", ["sorter", "auto"])
async def test_a_client_that_does_not_wait_for_the_first_word_is_nobody_s_failure(
    tell: Tell, ledger: Served, model: str
) -> None:
    async def silent(turn: Turn) -> None:
        await turn.reader.read()
        turn.keep = False

    told = await tell(silent, silent, split=TO_GREEN)
    asking = asyncio.create_task(told.router.chat("sort dbca", model))
    await told.green.arrived.wait()
    asking.cancel()
    await until(lambda: not told.router.dispatcher.tally.in_flight)

    found = await sums(told, ledger)
    assert found["green"]["failure"] == found["blue"]["failure"] == 0


async def test_whoever_is_asked_when_the_time_is_up_has_failed(tell: Tell, ledger: Served) -> None:
    async def slow(turn: Turn) -> None:
        await turn.reader.read()
        turn.keep = False

    told = await tell(answers("abcd"), slow, split=TO_GREEN)
    told.router.dispatcher.deadlines = Deadlines(0.2)

    reply = await told.router.chat("sort dbca")

    assert reply.status_code == 504
    record = DecisionRecord.of((await told.of_kind("decision"))[-1])
    assert [step.failure for step in record.steps] == ["upstream_timeout"]
