"""Who is slow keeps nobody else waiting: neither clients that do not read, nor silent engines."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

from dispatchers import Running, route, until
from fake_engine import FakeEngine, Script, Turn, answers, sse

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]

SLOW, ASKED = 24, 60
TIMES, LEAST_S = 10.0, 0.25
"""How much slower the slowest may become. Whoever waits for the slow ones waits for ever."""


async def endless(turn: Turn) -> None:
    await turn.stream_head()
    while True:
        await turn.chunk(sse({"choices": [], "padding": "x" * 4000}))


async def silent(turn: Turn) -> None:
    await turn.reader.read()


async def slowest_s(router: Running) -> float:
    """Ask many times, a few at once, and give the longest time."""

    async def ask() -> float:
        began_at = time.perf_counter()
        reply = await router.chat("sort dbca", "sorter")
        assert reply.status_code == 200
        return time.perf_counter() - began_at

    times = []
    for _ in range(ASKED // 4):
        times += await asyncio.gather(*(ask() for _ in range(4)))
    return max(times)


async def held(router: Running, model: str) -> list[asyncio.StreamWriter]:
    """Begin streams of a model, and read nothing of them."""
    messages = [{"role": "user", "content": "x"}]
    body = json.dumps({"model": model, "messages": messages, "stream": True})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    writers = []
    for _ in range(SLOW):
        _, writer = await asyncio.open_connection("127.0.0.1", router.listener.port, limit=1024)
        writer.write(f"{head}{body}".encode())
        writers.append(writer)
    return writers


async def test_others_are_answered_beside_clients_that_do_not_read(
    engine: Engine, run: Run
) -> None:
    pods = [await engine(script) for script in (answers("abcd"), endless, silent)]
    names = ("sorter", "endless", "silent")
    router = await run(*(route(name, pod.url) for name, pod in zip(names, pods, strict=True)))
    alone_s = await slowest_s(router)

    writers = await held(router, "endless") + await held(router, "silent")
    await until(lambda: router.dispatcher.tally.in_flight == 2 * SLOW)
    beside_s = await slowest_s(router)

    for writer in writers:
        writer.transport.abort()
    assert beside_s < max(TIMES * alone_s, LEAST_S)
