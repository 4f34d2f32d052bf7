"""Tenants are known by their keys, kept within their limits, and served in turn."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from dispatchers import Running, general, route, until
from fake_engine import FakeEngine, Script, Turn, answers

from tierwise_core.policy_resilience import QueueRules, ResiliencePolicy
from tierwise_core.tenant import TenantLimits, TenantRoute
from tierwise_router.inside import InProcessWork, Inside, ask_inside
from tierwise_router.settings import Settings

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]

ONE = Settings(dispatchers=1)
BODY = {"model": "sorter", "messages": [{"role": "user", "content": "sort dbca"}]}


def tenant(name: str, **changes: object) -> TenantRoute:
    """A tenant whose key is its name."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return TenantRoute("demo", name, (digest,), **changes)  # type: ignore[arg-type]


async def ask(router: Running, key: str = "", **headers: str) -> httpx.Response:
    given = {"authorization": f"Bearer {key}"} if key else {}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await router.client.post("/v1/chat/completions", json=BODY, headers=given)


@pytest.fixture
async def pod(engine: Engine) -> FakeEngine:
    return await engine(answers("abcd"))


async def test_without_tenants_nobody_needs_a_key(pod: FakeEngine, run: Run) -> None:
    router = await run(route("sorter", pod.url))

    assert (await ask(router)).status_code == 200
    assert (await ask(router, "whatever")).status_code == 200


@pytest.mark.parametrize("given", [{}, {"authorization": "Bearer nope"}, {"x-api-key": "nope"}])
async def test_with_tenants_a_key_is_needed(
    pod: FakeEngine, run: Run, given: dict[str, str]
) -> None:
    router = await run(route("sorter", pod.url), tenants=[tenant("team-a")])

    reply = await router.client.post("/v1/chat/completions", json=BODY, headers=given)
    models = await router.client.get("/v1/models", headers=given)

    assert (reply.status_code, models.status_code) == (401, 401)
    assert reply.json()["error"]["code"] == "invalid_api_key"
    assert reply.json()["error"]["type"] == "invalid_request_error"
    assert reply.headers["www-authenticate"] == "Bearer"
    assert "nope" not in reply.text
    assert not pod.requests


async def test_both_headers_of_the_two_great_apis_carry_the_key(pod: FakeEngine, run: Run) -> None:
    router = await run(route("sorter", pod.url), tenants=[tenant("team-a")])

    assert (await ask(router, "team-a")).status_code == 200
    assert (await ask(router, x_api_key="team-a")).status_code == 200
    assert not any("team-a" in str(request.headers) for request in pod.requests)


async def test_health_and_metrics_need_no_key(pod: FakeEngine, run: Run) -> None:
    router = await run(route("sorter", pod.url), tenants=[tenant("team-a")])

    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await router.client.get(path)).status_code == 200


async def test_a_tenant_asks_and_sees_only_what_it_may(pod: FakeEngine, run: Run) -> None:
    router = await run(
        route("sorter", pod.url),
        general("frontier", pod.url),
        tenants=[tenant("team-a", specialists=("demo/frontier",)), tenant("team-b")],
    )

    refused = await ask(router, "team-a")
    listed = await router.client.get("/v1/models", headers={"x-api-key": "team-a"})
    one = await router.client.get("/v1/models/sorter", headers={"x-api-key": "team-a"})

    assert (refused.status_code, one.status_code) == (403, 403)
    assert refused.json()["error"]["code"] == "model_not_allowed"
    assert "'demo/team-a' may not ask 'demo/sorter'" in refused.json()["error"]["message"]
    assert [model["id"] for model in listed.json()["data"]] == ["auto", "frontier"]
    assert (await ask(router, "team-b")).status_code == 200
    assert not [one for one in pod.requests[:-1] if one.path]


async def test_auto_never_leads_to_who_is_not_allowed(engine: Engine, run: Run) -> None:
    sorter, frontier = await engine(answers("secret")), await engine(answers("abcd"))
    router = await run(
        route("sorter", sorter.url, escalate_to=("demo/frontier",)),
        general("frontier", frontier.url),
        tenants=[tenant("team-a", specialists=("demo/frontier",))],
    )
    router.client.headers["x-api-key"] = "team-a"

    reply = await router.chat("sort dbca")

    assert reply.headers["x-tierwise-specialist"] == "demo/frontier"
    assert not sorter.requests


async def test_an_unknown_latency_class_is_named(pod: FakeEngine, run: Run) -> None:
    router = await run(route("sorter", pod.url))

    reply = await ask(router, x_tierwise_latency_class="urgent")

    assert reply.status_code == 400
    assert "'urgent'; give one of realtime, async, batch, background" in reply.text


async def test_requests_beyond_the_rate_are_told_when_to_come_back(
    pod: FakeEngine, run: Run
) -> None:
    limits = TenantLimits(requests_per_minute=3)
    router = await run(
        route("sorter", pod.url), tenants=[tenant("team-a", limits=limits), tenant("team-b")]
    )

    replies = [await ask(router, "team-a") for _ in range(5)]

    assert [reply.status_code for reply in replies] == [200, 200, 200, 429, 429]
    assert replies[-1].json()["error"]["code"] == "rate_limit_exceeded"
    assert 50 <= int(replies[-1].headers["retry-after"]) <= 65
    assert (await ask(router, "team-b")).status_code == 200
    text = (await router.client.get("/metrics")).text
    assert (
        'shed_total{latency_class="realtime",reason="tenant_rate",tenant="demo/team-a"}' in text
        or (
            'shed_total{tenant="demo/team-a",latency_class="realtime",reason="tenant_rate"} 2.0'
            in text
        )
    )


class Stage:
    """A pod whose answers wait until the test lets them go, one by one."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self._go = asyncio.Semaphore(0)

    async def script(self, turn: Turn) -> None:
        self.order.append(turn.request.headers.get("x-who", ""))
        await self._go.acquire()
        await answers("abcd")(turn)

    def let_go(self, count: int = 1) -> None:
        for _ in range(count):
            self._go.release()


async def begin(
    router: Running, who: str, key: str = "", **headers: str
) -> asyncio.Task[httpx.Response]:
    """Send a request, and come back when it has reached a pod or waits."""
    admission = router.dispatcher.admission
    before = admission._gate.queue.in_flight + admission._gate.queue.waiting
    task = asyncio.ensure_future(ask(router, key, x_who=who, **headers))
    await until(lambda: _known(router) > before or task.done())
    return task


def _known(router: Running) -> int:
    queue = router.dispatcher.admission._gate.queue
    return queue.in_flight + queue.waiting


async def test_the_urgent_are_served_first_and_the_least_urgent_shed_first(
    engine: Engine, run: Run
) -> None:
    stage = Stage()
    pod = await engine(stage.script)
    rules = QueueRules(max_in_flight=1, max_queued=3)
    router = await run(route("sorter", pod.url), policy=ResiliencePolicy(queue=rules), settings=ONE)
    first = await begin(router, "first")
    later = [await begin_work(router, who) for who in ("background", "batch", "async")]

    urgent = asyncio.ensure_future(ask(router, x_who="realtime"))

    shed = await later[0]
    assert shed.status == 503
    assert json.loads(shed.body)["error"]["code"] == "overloaded"
    assert 1 <= int(shed.header(b"retry-after")) <= 60
    stage.let_go(9)
    await asyncio.gather(first, urgent, *later)
    assert stage.order == ["first", "realtime", "async", "batch"]


async def begin_work(router: Running, latency_class: str) -> asyncio.Task[Inside]:
    """Send a request of our own, and come back when it waits."""
    before = _known(router)
    headers = [(b"x-who", latency_class.encode())]
    body, work = json.dumps(BODY).encode(), InProcessWork("", latency_class)
    task = asyncio.ensure_future(
        ask_inside(router.app, "/v1/chat/completions", headers, body, work=work)
    )
    await until(lambda: _known(router) > before)
    return task


async def test_a_flood_of_one_tenant_does_not_hold_up_another(engine: Engine, run: Run) -> None:
    stage = Stage()
    pod = await engine(stage.script)
    rules = QueueRules(max_in_flight=1, max_queued=100)
    router = await run(
        route("sorter", pod.url),
        policy=ResiliencePolicy(queue=rules),
        settings=ONE,
        tenants=[tenant("flood"), tenant("calm")],
    )
    tasks = [await begin(router, "flood", "flood") for _ in range(12)]
    tasks += [await begin(router, "calm", "calm") for _ in range(2)]

    stage.let_go(99)
    await asyncio.gather(*tasks)

    assert "calm" in stage.order[1:3]
    assert stage.order.index("calm", stage.order.index("calm") + 1) <= 4


async def test_a_higher_priority_overtakes(engine: Engine, run: Run) -> None:
    stage = Stage()
    pod = await engine(stage.script)
    rules = QueueRules(max_in_flight=1)
    router = await run(
        route("sorter", pod.url),
        policy=ResiliencePolicy(queue=rules),
        settings=ONE,
        tenants=[tenant("low"), tenant("high", priority=10)],
    )
    tasks = [await begin(router, "low", "low") for _ in range(3)]
    tasks.append(await begin(router, "high", "high"))

    stage.let_go(9)
    await asyncio.gather(*tasks)

    assert stage.order == ["low", "high", "low", "low"]


async def test_beyond_its_own_concurrency_a_tenant_waits_and_then_is_refused(
    engine: Engine, run: Run
) -> None:
    stage = Stage()
    pod = await engine(stage.script)
    limits = TenantLimits(max_concurrent=1, max_queued=1)
    router = await run(
        route("sorter", pod.url),
        tenants=[tenant("small", limits=limits), tenant("other")],
        settings=ONE,
    )
    running = await begin(router, "running", "small")
    waits = await begin(router, "waits", "small")

    refused = await ask(router, "small")
    other = await begin(router, "other", "other")

    assert refused.status_code == 429
    assert "1 requests at a time, and 1 wait already" in refused.json()["error"]["message"]
    assert int(refused.headers["retry-after"]) >= 1
    await until(lambda: "other" in stage.order)  # nobody else is held up by that
    stage.let_go(9)
    assert [(await one).status_code for one in (running, waits, other)] == [200, 200, 200]


async def test_a_client_that_leaves_the_queue_is_forgotten(engine: Engine, run: Run) -> None:
    stage = Stage()
    pod = await engine(stage.script)
    rules = QueueRules(max_in_flight=1)
    router = await run(route("sorter", pod.url), policy=ResiliencePolicy(queue=rules), settings=ONE)
    running = await begin(router, "running")
    leaves = await begin(router, "leaves")
    queue = router.dispatcher.admission._gate.queue

    leaves.cancel()

    await until(lambda: queue.waiting == 0)
    stage.let_go(9)
    assert (await running).status_code == 200
    assert stage.order == ["running"]
    await until(lambda: queue.in_flight == 0)


async def test_who_waits_too_long_is_refused(engine: Engine, run: Run) -> None:
    stage = Stage()
    pod = await engine(stage.script)
    rules = QueueRules(max_in_flight=1, max_wait_s=0.05)
    router = await run(route("sorter", pod.url), policy=ResiliencePolicy(queue=rules), settings=ONE)
    running = await begin(router, "running")

    reply = await ask(router)

    assert reply.status_code == 503
    assert "(timeout)" in reply.json()["error"]["message"]
    stage.let_go(9)
    await running


async def test_work_of_our_own_is_its_tenant_s_and_needs_no_key(pod: FakeEngine, run: Run) -> None:
    router = await run(route("sorter", pod.url), tenants=[tenant("team-a")])
    body = b'{"model": "sorter", "messages": [{"role": "user", "content": "x"}]}'

    def work(key: str) -> Awaitable[Inside]:
        owner = InProcessWork(key, "batch")
        return ask_inside(router.app, "/v1/chat/completions", [], body, work=owner)

    assert (await work("demo/team-a")).status == 200
    assert (await work("demo/gone")).status == 401


async def test_a_slot_is_given_back_once_however_often_it_is_released(
    pod: FakeEngine, run: Run
) -> None:
    router = await run(route("sorter", pod.url))
    admission = router.dispatcher.admission

    for _ in range(3):
        await ask(router)

    assert admission._gate.queue.in_flight == 0


async def test_dispatchers_of_a_pod_share_a_tenant_s_limits(
    engine: Engine, run: Run, tmp_path: Path
) -> None:
    stage = Stage()
    pod = await engine(stage.script)
    limits = TenantLimits(max_concurrent=2, requests_per_minute=5, max_queued=4)
    routers = []
    for process in (os.getpid(), os.getppid()):  # both live as long as the test does
        router = await run(
            route("sorter", pod.url), tenants=[tenant("team-a", limits=limits)], settings=ONE
        )
        router.dispatcher.admission.share(str(tmp_path), process)
        routers.append(router)
    for router in routers:
        router.dispatcher.admission.meet()
    one, other = routers

    tasks = [await begin(one, "1", "team-a"), await begin(one, "2", "team-a")]
    tasks.append(await begin(other, "3", "team-a"))

    assert other.dispatcher.admission._gate.queue.waiting == 1
    assert stage.order == ["1", "2"]
    stage.let_go(9)  # a place in the other dispatcher becomes free
    assert [(await task).status_code for task in tasks] == [200, 200, 200]
    assert [(await ask(one, "team-a")).status_code for _ in range(2)] == [200, 200]
    assert (await ask(other, "team-a")).status_code == 429
    assert (await ask(one, "team-a")).status_code == 429
