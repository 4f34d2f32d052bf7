"""A dispatcher that is stopped finishes what it has begun and sends everybody else away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from dispatchers import Running, route, until
from fake_engine import FakeEngine, Script, Turn, answers, sse

from tierwise_router.dispatcher import Phase
from tierwise_router.listener import claim_port

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]


async def test_a_stream_in_progress_is_finished(engine: Engine, run: Run) -> None:
    finish = asyncio.Event()

    async def slow(turn: Turn) -> None:
        await turn.stream_head()
        await turn.chunk(sse({"n": 1}))
        await finish.wait()
        await turn.chunk(b"data: [DONE]\n\n")
        await turn.end()

    pod = await engine(slow)
    router = await run(route("sorter", pod.url))
    asking = asyncio.ensure_future(router.chat("x", "sorter", stream=True))
    await pod.arrived.wait()

    draining = asyncio.ensure_future(router.listener.drain())
    await until(lambda: not router.listener.alive)
    with pytest.raises(httpx.ConnectError):
        await httpx.AsyncClient().get(f"{router.url}/healthz")
    finish.set()

    assert (await asking).text.endswith("[DONE]\n\n")
    await draining
    assert not router.listener.alive


async def test_a_withdrawn_dispatcher_still_answers_and_sends_clients_away(
    engine: Engine, run: Run
) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))
    assert (await router.client.get("/readyz")).status_code == 200

    router.dispatcher.phase = Phase.WITHDRAW

    assert (await router.client.get("/readyz")).status_code == 503
    reply = await router.chat("sort dbca", "sorter")
    assert reply.status_code == 200
    assert reply.headers["connection"] == "close"


async def test_no_request_is_lost_when_one_of_two_is_stopped_under_load(
    engine: Engine, run: Run
) -> None:
    pod = await engine(answers("abcd"))
    routers = [await run(route("sorter", pod.url)) for _ in range(2)]
    in_service = list(routers)
    done = asyncio.Event()

    async def ask_on(client: httpx.AsyncClient, statuses: list[int]) -> None:
        turn = 0
        body = {"model": "sorter", "messages": [{"role": "user", "content": "x"}]}
        while not done.is_set():
            turn += 1
            router = in_service[turn % len(in_service)]
            reply = await client.post(f"{router.url}/v1/chat/completions", json=body)
            statuses.append(reply.status_code)

    clients = [httpx.AsyncClient(timeout=60) for _ in range(8)]
    told: list[list[int]] = [[] for _ in clients]
    asking = [asyncio.ensure_future(ask_on(*one)) for one in zip(clients, told, strict=True)]
    await pod.arrived.wait()

    # What Kubernetes does with a pod that is not ready any more, a moment later.
    routers[0].dispatcher.phase = Phase.WITHDRAW
    answered = routers[0].dispatcher.tally.requests
    before = sum(answered.values())
    await until(lambda: sum(answered.values()) >= before + 20)
    in_service.remove(routers[0])
    counts = [len(statuses) for statuses in told]
    # Who has an answer more is on the way to the other one: nothing is under way to this one.
    await until(lambda: all(len(now) > at for now, at in zip(told, counts, strict=True)))
    await routers[0].listener.drain()
    done.set()

    await asyncio.gather(*asking)
    assert {status for statuses in told for status in statuses} == {200}
    for client in clients:
        await client.aclose()


def test_a_port_is_not_shared_with_a_stranger() -> None:
    with claim_port("127.0.0.1", 0) as held:
        held.listen()
        port = held.getsockname()[1]

        with pytest.raises(OSError, match=f"port {port} of 127.0.0.1 is taken"):
            claim_port("127.0.0.1", port)
