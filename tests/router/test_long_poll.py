"""A new table reaches every dispatcher at once, and no request is lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from dispatchers import PATIENCE_S, Running, brain, route, until
from fake_api import specialist
from fake_engine import FakeEngine, Script, Turn, answers

from tierwise_router.dispatcher import Dispatcher, Phase
from tierwise_router.follow import Follower
from tierwise_router.settings import Settings
from tierwise_router.sources import Resources
from tierwise_router.watch import RouteWatch

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]
A_DAY_S = 86_400.0


class Pushed:
    """A source that tells what a test puts into it."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Resources | Exception] = asyncio.Queue()

    async def snapshots(self) -> AsyncIterator[Resources]:
        while True:
            told = await self.queue.get()
            if isinstance(told, Exception):
                raise told
            yield told

    def tell(self, *items: Any) -> None:
        self.queue.put_nowait(items)


@pytest.fixture
async def source() -> Pushed:
    return Pushed()


@pytest.fixture
async def watch(source: Pushed) -> RouteWatch:
    return RouteWatch(lambda: source)


async def version(dispatcher: Dispatcher, differs_from: str = "") -> str:
    await until(lambda: dispatcher.brain is not None and known(dispatcher) != differs_from)
    return known(dispatcher)


def known(dispatcher: Dispatcher) -> str:
    return dispatcher.current_brain().table.version


def follower(dispatcher: Dispatcher, watch: RouteWatch) -> Follower:
    return Follower(dispatcher, watch.wait_for, lambda: None)


async def test_the_first_answer_waits_for_the_first_table(
    source: Pushed, watch: RouteWatch
) -> None:
    asking = asyncio.ensure_future(watch.wait_for(""))
    await asyncio.sleep(0)
    assert not asking.done()

    source.tell(specialist("sorter", "http://10.0.0.1:8000"))

    notice = await asking
    assert notice is not None
    assert notice.version


async def test_an_unchanged_table_wakes_nobody(source: Pushed) -> None:
    watch = RouteWatch(lambda: source, poll_s=0.05)
    source.tell(specialist("sorter"))
    first = await watch.wait_for("")
    assert first is not None

    source.tell(specialist("sorter"))

    assert await watch.wait_for(first.seen) is None


async def test_every_dispatcher_is_told_of_the_new_table_and_need_not_ask_again(
    source: Pushed,
) -> None:
    watch = RouteWatch(lambda: source, poll_s=A_DAY_S)
    dispatchers = [Dispatcher.create(Settings()) for _ in range(3)]
    following = [asyncio.ensure_future(follower(one, watch).run()) for one in dispatchers]
    source.tell(specialist("sorter", "http://10.0.0.1:8000"))
    before = {await version(one) for one in dispatchers}

    source.tell(specialist("sorter", "http://10.0.0.2:8000"))
    after = {await version(one, *before) for one in dispatchers}

    assert len(before) == len(after) == 1
    assert before != after
    for task in following:
        task.cancel()


async def test_a_restarted_watcher_is_followed_again(source: Pushed) -> None:
    watches = [RouteWatch(lambda: source)]

    async def ask(seen: str) -> Any:
        if not watches:
            raise ConnectionError("the actor died")
        return await watches[0].wait_for(seen)

    dispatcher = Dispatcher.create(Settings())
    following = asyncio.ensure_future(Follower(dispatcher, ask, lambda: None).run())
    source.tell(specialist("sorter"))
    first = await version(dispatcher)

    successor = Pushed()
    watches[0] = RouteWatch(lambda: successor)
    source.tell(specialist("other"))  # ends the poll that still hangs on the old one
    successor.tell(specialist("sorter"), specialist("adder"))

    await until(lambda: "demo/adder" in dispatcher.current_brain().table.routes)
    assert first != dispatcher.current_brain().table.version
    following.cancel()


async def test_phases_reach_the_dispatcher(source: Pushed, watch: RouteWatch) -> None:
    dispatcher = Dispatcher.create(Settings())
    drained = asyncio.Event()
    following = asyncio.ensure_future(Follower(dispatcher, watch.wait_for, drained.set).run())
    source.tell(specialist("sorter"))
    await version(dispatcher)
    assert dispatcher.ready

    await watch.set_phase(Phase.WITHDRAW)
    await until(lambda: dispatcher.phase is Phase.WITHDRAW)
    assert not dispatcher.ready

    await watch.set_phase(Phase.DRAIN)
    async with asyncio.timeout(PATIENCE_S):
        await drained.wait()
        await following


async def test_a_table_swapped_under_load_loses_nothing(engine: Engine, run: Run) -> None:
    old, new = await engine(answers("old")), await engine(answers("new"))
    router = await run(route("sorter", old.url))
    swapped = asyncio.Event()

    async def ask_on() -> list[tuple[int, str]]:
        seen = []
        while not swapped.is_set() or seen[-1][1] != "new":
            reply = await router.chat("sort dbca", "sorter")
            text = reply.json()["choices"][0]["message"]["content"]
            seen.append((reply.status_code, text))
        return seen

    asking = [asyncio.ensure_future(ask_on()) for _ in range(8)]
    await old.arrived.wait()
    for turn in range(20):
        urls = (old.url, new.url) if turn % 2 else (old.url,)
        router.dispatcher.take(brain(route("sorter", *urls)))
        await asyncio.sleep(0.005)
    router.dispatcher.take(brain(route("sorter", new.url)))
    swapped.set()

    replies = [reply for task in asking for reply in await task]
    assert {status for status, _ in replies} == {200}
    assert {text for _, text in replies} == {"old", "new"}


async def test_a_request_finishes_on_a_pod_that_left_the_table(engine: Engine, run: Run) -> None:
    finish = asyncio.Event()

    async def slow(turn: Turn) -> None:
        await finish.wait()
        await answers("abcd")(turn)

    pod = await engine(slow)
    router = await run(route("sorter", pod.url))
    asking = asyncio.ensure_future(router.chat("sort dbca", "sorter"))
    await pod.arrived.wait()

    router.dispatcher.take(brain(route("sorter")))
    finish.set()

    assert (await asking).status_code == 200
    assert (await router.chat("sort dbca", "sorter")).status_code == 503
