"""A change of the RouterPolicy or of a Tenant is obeyed everywhere, under load, as it is told."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from dispatchers import Running, until
from fake_api import specialist
from fake_engine import FakeEngine, Script, answers

from tierwise_router.follow import Follower
from tierwise_router.sources import Resources
from tierwise_router.watch import RouteWatch

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]

KEY = "team-a-key"
A_DAY_S = 86_400.0


class Pushed:
    """A source that tells what a test puts into it."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Resources] = asyncio.Queue()

    async def snapshots(self) -> AsyncIterator[Resources]:
        while True:
            yield await self._queue.get()

    def tell(self, *items: Any) -> None:
        self._queue.put_nowait(items)


def policy(**resilience: Any) -> dict[str, Any]:
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "RouterPolicy",
        "metadata": {"name": "default"},
        "spec": {"resilience": resilience},
    }


def tenant() -> dict[str, Any]:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": "team-a", "namespace": "demo"},
        "spec": {"keys": [{"name": "ci", "sha256": digest}], "weight": 3},
    }


async def test_every_replica_obeys_a_change_without_asking_and_loses_nothing(
    engine: Engine, run: Run
) -> None:
    pod, source = await engine(answers("abcd")), Pushed()
    watch = RouteWatch(lambda: source, poll_s=A_DAY_S)
    routers = [await run() for _ in range(3)]
    following = [
        asyncio.ensure_future(Follower(one.dispatcher, watch.wait_for, lambda: None).run())
        for one in routers
    ]
    source.tell(specialist("sorter", pod.url))
    await until(lambda: all(one.dispatcher.brain is not None for one in routers))
    statuses: Counter[int] = Counter()
    stop = False

    async def client(router: Running) -> None:
        router.client.headers["x-api-key"] = KEY
        while not stop:
            statuses[(await router.chat("sort dbca", "sorter")).status_code] += 1

    clients = [asyncio.ensure_future(client(one)) for one in routers]

    def obeyed(waits_s: float, tenants: int) -> bool:
        tables = [one.dispatcher.current_brain().table for one in routers]
        return all(
            table.policy.resilience.queue.max_wait_s == waits_s and len(table.tenants) == tenants
            for table in tables
        )

    for waits_s, items in ((7.0, []), (9.0, [tenant()]), (11.0, [])):
        source.tell(
            specialist("sorter", pod.url), policy(queue={"maxWait": f"{waits_s:g}s"}), *items
        )
        await until(lambda waits_s=waits_s, items=items: obeyed(waits_s, len(items)))
        seen = statuses.total()
        await until(lambda seen=seen: statuses.total() >= seen + 10)
    stop = True
    await asyncio.gather(*clients)

    assert set(statuses) == {200}
    for task in following:
        task.cancel()
