"""Pods that refuse, die, dawdle: another one answers, or the client is told the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from dispatchers import Running, route
from fake_engine import FakeEngine, Script, Turn, answers, dies, refuses, sse

from tierwise_core.policy_resilience import ResiliencePolicy, Timeouts

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]


async def gone(engine: Engine) -> str:
    """The URL of a pod that has just been deleted."""
    pod = await engine(answers("never"))
    await pod.stop()
    return pod.url


async def test_a_pod_that_refuses_is_replaced_by_another(engine: Engine, run: Run) -> None:
    alive = await engine(answers("abcd"))
    router = await run(route("sorter", await gone(engine), alive.url))

    replies = [await router.chat("sort dbca", "sorter") for _ in range(6)]

    assert {reply.status_code for reply in replies} == {200}
    # The dead one was tried once at most: then it sits out.
    assert router.dispatcher.tally.retries["demo/sorter"] <= 1


async def test_a_pod_that_dies_with_the_request_is_replaced(engine: Engine, run: Run) -> None:
    dying, alive = await engine(dies), await engine(answers("abcd"))
    router = await run(route("sorter", dying.url, alive.url))

    replies = [await router.chat("sort dbca", "sorter") for _ in range(6)]

    assert {reply.status_code for reply in replies} == {200}


async def test_a_pod_that_dies_in_a_short_answer_is_replaced(engine: Engine, run: Run) -> None:
    async def half(turn: Turn) -> None:
        await turn.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
        turn.die()

    dying, alive = await engine(half), await engine(answers("abcd"))
    router = await run(route("sorter", dying.url, alive.url))

    replies = [await router.chat("sort dbca", "sorter") for _ in range(6)]

    assert {reply.status_code for reply in replies} == {200}


async def test_a_stream_that_dies_before_its_first_event_is_replaced(
    engine: Engine, run: Run
) -> None:
    async def headers_only(turn: Turn) -> None:
        await turn.stream_head()
        turn.die()

    dying, alive = await engine(headers_only), await engine(answers("abcd"))
    router = await run(route("sorter", dying.url, alive.url))

    replies = [await router.chat("sort dbca", "sorter", stream=True) for _ in range(6)]

    assert all(reply.text.endswith("data: [DONE]\n\n") for reply in replies)


async def test_a_stream_that_dies_later_ends_with_an_error_event(engine: Engine, run: Run) -> None:
    async def script(turn: Turn) -> None:
        await turn.stream_head()
        await turn.chunk(sse({"n": 1}) + b"data: {half an")
        await seen.wait()
        turn.die()

    seen = asyncio.Event()
    dying, alive = await engine(script), await engine(answers("abcd"))
    router = await run(route("sorter", dying.url))
    body = {"model": "sorter", "messages": [{"role": "user", "content": "x"}], "stream": True}

    async with router.client.stream("POST", "/v1/chat/completions", json=body) as response:
        text = ""
        async for piece in response.aiter_text():
            text += piece
            seen.set()

    events = text.strip().split("\n\n")
    assert events[1] == "data: {half an"
    assert '"code":"upstream_unavailable"' in events[2]
    assert "[DONE]" not in text
    assert not alive.requests


async def test_a_busy_pod_hands_over_and_the_last_one_speaks_for_itself(
    engine: Engine, run: Run
) -> None:
    first, second = await engine(refuses(503, "starting")), await engine(refuses(503, "starting"))
    router = await run(route("sorter", first.url, second.url))

    reply = await router.chat("sort dbca", "sorter")

    assert reply.status_code == 503
    assert reply.json()["error"]["message"] == "starting"
    assert (len(first.requests), len(second.requests)) == (1, 1)


async def test_a_dead_only_pod_is_a_bad_gateway_that_names_it(engine: Engine, run: Run) -> None:
    url = await gone(engine)
    router = await run(route("sorter", url))

    reply = await router.chat("sort dbca", "sorter")

    assert reply.status_code == 502
    assert reply.json()["error"]["code"] == "upstream_unavailable"
    assert url in reply.json()["error"]["message"]
    assert reply.headers["x-tierwise-specialist"] == "demo/sorter"
    assert reply.headers["x-tierwise-path"] == "sorter@small=failed:upstream_unavailable"


async def test_no_ready_pod_is_unavailable_with_a_time_to_come_back(run: Run) -> None:
    router = await run(route("sorter"))

    reply = await router.chat("sort dbca", "sorter")

    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "no_ready_endpoint"
    assert "kubectl describe specialist -n demo sorter" in reply.json()["error"]["message"]
    assert reply.headers["retry-after"] == "5"


async def test_a_silent_pod_times_out_and_is_not_asked_twice(engine: Engine, run: Run) -> None:
    async def silent(turn: Turn) -> None:
        await turn.reader.read()

    pods = [await engine(silent), await engine(silent)]
    router = await run(
        route("sorter", *(pod.url for pod in pods)),
        policy=ResiliencePolicy(timeouts=Timeouts(first_byte_s=0.05)),
    )

    reply = await router.chat("sort dbca", "sorter")

    assert reply.status_code == 504
    assert reply.json()["error"]["code"] == "upstream_timeout"
    assert "0.05 s" in reply.json()["error"]["message"]
    await router.stop()
    assert sum(len(pod.requests) for pod in pods) <= 1  # none, where the time was up before


async def test_a_stream_that_falls_silent_ends_with_an_error_event(
    engine: Engine, run: Run
) -> None:
    async def script(turn: Turn) -> None:
        await turn.stream_head()
        await turn.chunk(sse({"n": 1}))
        await turn.reader.read()

    pod = await engine(script)
    router = await run(
        route("sorter", pod.url), policy=ResiliencePolicy(timeouts=Timeouts(idle_s=0.05))
    )

    reply = await router.chat("x", "sorter", stream=True)

    assert '"code":"upstream_timeout"' in reply.text


async def test_a_connection_the_pod_closed_meanwhile_is_replaced(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))
    await router.chat("sort dbca", "sorter")

    async def cut_then_answer(turn: Turn) -> None:
        if pod.connections == 1:
            turn.die()  # the request crosses the pod's idle time-out on the wire
        else:
            await answers("abcd")(turn)

    pod.script = cut_then_answer
    reply = await router.chat("sort dbca", "sorter")

    assert reply.status_code == 200
    assert pod.connections == 2
    assert router.dispatcher.tally.retries["demo/sorter"] == 0


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_a_bad_gateway(engine: Engine, run: Run, garbage: bytes) -> None:
    async def script(turn: Turn) -> None:
        await turn.send(garbage)
        turn.keep = False
        await turn.reader.read()

    pod = await engine(script)
    router = await run(
        route("sorter", pod.url), policy=ResiliencePolicy(timeouts=Timeouts(first_byte_s=2))
    )

    reply = await router.chat("sort dbca", "sorter")

    assert reply.status_code == 502
