"""Who is slow keeps nobody else waiting: neither clients that do not read, nor silent engines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from dispatchers import Running, route, until
from fake_engine import FakeEngine, Script, Turn, answers, sse

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]

SLOW, ASKED = 24, 60


async def endless(turn: Turn) -> None:
    await turn.stream_head()
    while True:
        await turn.chunk(sse({"choices": [], "padding": "x" * 4000}))


async def silent(turn: Turn) -> None:
    await turn.reader.read()


async def asked(router: Running) -> list[int]:
    """Ask many times, a few at once, and give the statuses."""
    replies = []
    for _ in range(ASKED // 4):
        replies += await asyncio.gather(*(router.chat("sort dbca", "sorter") for _ in range(4)))
    return [reply.status_code for reply in replies]


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

    writers = await held(router, "endless") + await held(router, "silent")
    await until(lambda: router.dispatcher.tally.in_flight == 2 * SLOW)
    # Whoever waited for the slow ones would wait for ever.
    beside = await asked(router)
    still_held = router.dispatcher.tally.in_flight

    for writer in writers:
        writer.transport.abort()
    assert beside == [200] * ASKED
    assert still_held == 2 * SLOW
