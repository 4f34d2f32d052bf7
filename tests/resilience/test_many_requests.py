"""More than a thousand at a time; slow ones never hold up others; memory stays flat."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections import Counter
from collections.abc import Awaitable, Callable

from dispatchers import PATIENCE_S, Running, brain, route, until
from fake_engine import FakeEngine, Script, Turn, answers

from tierwise_core.policy_resilience import (
    HedgingRules,
    QueueRules,
    ResiliencePolicy,
    RetryRules,
    Timeouts,
)
from tierwise_core.tenant import TenantRoute

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]

REQUEST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%s"
)
BODY = b'{"model": "sorter", "messages": [{"role": "user", "content": "sort dbca"}]}'


async def status_of(router: Running) -> int:
    """One request over a connection of its own, without a client library's weight."""
    reader, writer = await asyncio.open_connection("127.0.0.1", router.listener.port)
    writer.write(REQUEST % (len(BODY), BODY))
    line = await reader.readline()
    writer.close()
    return int(line.split()[1])


async def test_twelve_hundred_at_a_time_are_answered(engine: Engine, run: Run) -> None:
    together = asyncio.Event()
    arrived = 0

    async def waits_for_all(turn: Turn) -> None:
        nonlocal arrived
        arrived += 1
        if arrived == 1200:
            together.set()
        await together.wait()
        await answers("abcd")(turn)

    pod = await engine(waits_for_all)
    rules = QueueRules(max_in_flight=4096, max_in_flight_per_endpoint=4096)
    times = Timeouts(connect_s=PATIENCE_S)  # a slow machine opens so many connections slowly
    policy = ResiliencePolicy(queue=rules, timeouts=times)
    router = await run(route("sorter", pod.url), policy=policy)

    statuses = Counter(await asyncio.gather(*(status_of(router) for _ in range(1200))))

    assert statuses == {200: 1200}
    assert router.dispatcher.balancer.in_flight() == 0


async def test_a_stuck_pod_and_a_slow_client_hold_up_nobody(engine: Engine, run: Run) -> None:
    async def stuck(turn: Turn) -> None:
        turn.keep = False
        await turn.reader.read()

    async def firehose(turn: Turn) -> None:
        await turn.stream_head()
        while True:
            await turn.chunk(b"x" * 65536)

    stuck_pod, hose, good = await engine(stuck), await engine(firehose), await engine(answers("a"))
    router = await run(
        route("stuck", stuck_pod.url), route("hose", hose.url), route("sorter", good.url)
    )
    hanging = [asyncio.ensure_future(router.chat("x", "stuck")) for _ in range(50)]
    # This client asks for an endless stream and never reads it.
    _reader, writer = await asyncio.open_connection("127.0.0.1", router.listener.port)
    told = BODY.replace(b"sorter", b"hose").replace(b"{", b'{"stream": true, ', 1)
    writer.write(REQUEST % (len(told), told))
    await hose.arrived.wait()
    await until(lambda: len(stuck_pod.requests) == 50)

    async with asyncio.timeout(60):
        statuses = [await status_of(router) for _ in range(50)]

    assert set(statuses) == {200}
    writer.transport.abort()
    for one in hanging:
        one.cancel()


async def test_memory_does_not_grow_with_requests_tenants_and_failures(
    engine: Engine, run: Run
) -> None:
    async def moody(turn: Turn) -> None:
        if len(pods[0].requests) % 7 == 0:
            turn.die()
        else:
            await answers("abcd")(turn)

    pods = [await engine(moody), await engine(answers("abcd"))]
    router = await run(route("sorter", *(pod.url for pod in pods)))

    async def some(count: int) -> None:
        for _ in range(count):
            await status_of(router)
        for pod in pods:
            pod.requests.clear()

    await some(300)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.take_snapshot()
    await some(300)
    gc.collect()
    after = tracemalloc.take_snapshot()
    tracemalloc.stop()

    ours = tracemalloc.Filter(inclusive=True, filename_pattern="*/tierwise_*")
    grown = sum(
        stat.size_diff
        for stat in after.filter_traces([ours]).compare_to(before.filter_traces([ours]), "filename")
    )
    assert grown < 64 * 1024


async def test_a_new_policy_counts_at_once_and_loses_nothing(engine: Engine, run: Run) -> None:
    async def brief(turn: Turn) -> None:
        await asyncio.sleep(0.002)
        await answers("abcd")(turn)

    pods = [await engine(brief) for _ in range(2)]
    sorter = route("sorter", *(pod.url for pod in pods))
    router = await run(sorter)
    policies = (
        ResiliencePolicy(queue=QueueRules(max_in_flight=4, max_in_flight_per_endpoint=2)),
        ResiliencePolicy(hedging=HedgingRules(enabled=True)),
        ResiliencePolicy(retries=RetryRules(max_attempts=1)),
        ResiliencePolicy(),
    )
    statuses: Counter[int] = Counter()
    stop = False

    async def client() -> None:
        while not stop:
            statuses[await status_of(router)] += 1

    clients = [asyncio.ensure_future(client()) for _ in range(8)]
    for policy in policies * 3:
        seen = statuses.total()
        router.dispatcher.take(brain(sorter, policy=policy))
        await until(lambda seen=seen: statuses.total() >= seen + 20)
    stop = True
    await asyncio.gather(*clients)

    assert set(statuses) == {200}
    await until(lambda: router.dispatcher.balancer.in_flight() == 0)


async def test_the_first_tenant_closes_the_door_while_requests_run(
    engine: Engine, run: Run
) -> None:
    go = asyncio.Event()

    async def held(turn: Turn) -> None:
        await go.wait()
        await answers("abcd")(turn)

    pod = await engine(held)
    sorter = route("sorter", pod.url)
    router = await run(sorter)
    running = asyncio.ensure_future(status_of(router))
    await pod.arrived.wait()

    router.dispatcher.take(brain(sorter, tenants=[TenantRoute("demo", "team-a", ("0" * 64,))]))
    refused = await status_of(router)
    go.set()

    assert refused == 401
    assert await running == 200
