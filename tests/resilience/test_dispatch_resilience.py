"""What fails is left alone and tried again with care; nothing here is worse than its cure."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx
import pytest
from dispatchers import PATIENCE_S, Running, brain, general, route, until
from fake_engine import FakeEngine, Script, Turn, answers, dies, refuses, sse

from tierwise_core.policy_decision import DecisionPolicy, ScorerWeight
from tierwise_core.policy_resilience import (
    BreakerRules,
    HedgingRules,
    OutlierRules,
    QueueRules,
    ResiliencePolicy,
    RetryRules,
    Timeouts,
    TimeoutsFor,
)
from tierwise_core.route_table import RouteTable
from tierwise_core.router_policy import RouterPolicy
from tierwise_core.tenant import TenantRoute
from tierwise_router.brain import Brain
from tierwise_router.dispatch import Ask
from tierwise_router.guard import Guard

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]

FAST = ResiliencePolicy(breaker=BreakerRules(minimum_requests=4, open_s=30))


async def metrics(router: Running) -> str:
    return (await router.client.get("/metrics")).text


class Clock:
    """The time as the dispatcher sees it: what takes long here takes no time of its own."""

    def __init__(self, router: Running) -> None:
        self.now_s = 1000.0
        dispatch = router.dispatcher.dispatch
        for part in (dispatch, dispatch._tries, dispatch._tries._attempts):
            part._clock = lambda: self.now_s


async def test_a_breaker_opens_fails_fast_and_closes_again(engine: Engine, run: Run) -> None:
    pod = await engine(refuses(500, "out of memory"))
    router = await run(route("sorter", pod.url), policy=FAST)
    Clock(router)
    for turn in range(4):
        assert (await router.chat(f"sort dbca {turn}", "sorter")).status_code == 500

    refused = await router.chat("sort dbca", "sorter")

    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "breaker_open"
    assert refused.headers["retry-after"] == "30"
    assert refused.headers["x-tierwise-path"] == "sorter@small=failed:breaker_open"
    assert len(pod.requests) == 4
    assert 'breakers{specialist="demo/sorter",state="open"} 1.0' in await metrics(router)

    pod.script = answers("abcd")
    guard_of(router, "demo/sorter").breaker.open_until = 0.0  # its time is over
    assert (await router.chat("sort dbca", "sorter")).status_code == 200
    text = await metrics(router)
    assert 'breakers{specialist="demo/sorter",state="closed"} 1.0' in text
    assert 'breakers{specialist="demo/sorter",state="open"} 0.0' in text
    assert 'breaker_opened_total{specialist="demo/sorter"} 1.0' in text


async def test_a_cascade_passes_over_an_open_breaker_without_waiting(
    engine: Engine, run: Run
) -> None:
    failing, frontier = await engine(dies), await engine(answers("abcd"))
    router = await run(
        route("sorter", failing.url, escalate_to=("demo/frontier",)),
        general("frontier", frontier.url),
        policy=FAST,
    )
    for _ in range(6):
        assert (await router.chat("sort dbca")).status_code == 200

    reply = await router.chat("sort dbca")

    assert reply.headers["x-tierwise-specialist"] == "demo/frontier"
    assert len(failing.requests) == 4


async def test_retries_stop_when_their_budget_is_spent(engine: Engine, run: Run) -> None:
    pods = [await engine(refuses(503, "starting")) for _ in range(2)]
    rules = RetryRules(budget_share=0.1, floor_per_second=0.0, burst=3.0)
    never = BreakerRules(minimum_requests=1_000_000)
    calm = OutlierRules(consecutive_failures=1_000_000)
    router = await run(
        route("sorter", *(pod.url for pod in pods)),
        policy=ResiliencePolicy(retries=rules, breaker=never, outliers=calm),
    )

    replies = [await router.chat("sort dbca", "sorter") for _ in range(30)]

    # The pods' own words reach the client, and the outage does not double the load.
    assert {reply.json()["error"]["message"] for reply in replies} == {"starting"}
    assert sum(len(pod.requests) for pod in pods) <= 30 + 3 + 3
    assert 'retries_denied_total{specialist="demo/sorter"}' in await metrics(router)


async def test_what_the_endpoint_keeps_is_never_sent_twice(engine: Engine, run: Run) -> None:
    pods = [await engine(dies) for _ in range(2)]
    router = await run(sorter := route("sorter", *(pod.url for pod in pods)))

    with pytest.raises(Exception, match="closed the connection"):
        await router.dispatcher.dispatch.ask(
            sorter, Ask("/chat/completions", [], b"{}", idempotent=False)
        )

    assert sum(len(pod.requests) for pod in pods) == 1


def a_tenant(name: str) -> TenantRoute:
    return TenantRoute("demo", name, (hashlib.sha256(name.encode()).hexdigest(),))


async def as_tenant(router: Running, name: str, text: str) -> int:
    body = {"model": "sorter", "messages": [{"role": "user", "content": text}]}
    headers = {"authorization": f"Bearer {name}"}
    reply = await router.client.post("/v1/chat/completions", json=body, headers=headers)
    return reply.status_code


async def breaks_on_poison(turn: Turn) -> None:
    poisoned = "poison" in str(turn.request.fields["messages"])
    await (refuses(500, "assertion failed") if poisoned else answers("abcd"))(turn)


@pytest.mark.parametrize("count", [1, 3])
async def test_the_poison_of_one_tenant_closes_nothing_to_the_others(
    engine: Engine, run: Run, count: int
) -> None:
    pods = [await engine(breaks_on_poison) for _ in range(count)]
    policy = ResiliencePolicy(
        breaker=BreakerRules(minimum_requests=4, open_s=30),
        outliers=OutlierRules(consecutive_failures=2),
    )
    tenants = [a_tenant("mallory"), a_tenant("alice")]
    router = await run(route("sorter", *(p.url for p in pods)), policy=policy, tenants=tenants)

    for turn in range(20):
        assert await as_tenant(router, "mallory", f"poison {turn}") == 500

    assert await as_tenant(router, "alice", "sort dbca") == 200
    assert not any('state="open"} 1.0' in line for line in (await metrics(router)).splitlines())
    assert guard_of(router, "demo/sorter").siblings.out == 0


async def test_what_breaks_two_tenants_opens_the_breaker(engine: Engine, run: Run) -> None:
    pod = await engine(refuses(500, "out of memory"))
    tenants = [a_tenant("alice"), a_tenant("bob")]
    router = await run(route("sorter", pod.url), policy=FAST, tenants=tenants)

    seen = [await as_tenant(router, name, "sort dbca") for name in ("alice", "bob") * 3]

    assert seen == [500, 500, 500, 500, 503, 503]


async def test_one_request_sent_again_and_again_opens_nothing(engine: Engine, run: Run) -> None:
    pod = await engine(breaks_on_poison)
    router = await run(route("sorter", pod.url), policy=FAST)

    for _ in range(8):
        await router.chat("poison", "sorter")

    assert (await router.chat("sort dbca", "sorter")).status_code == 200


async def test_an_endpoint_that_only_fails_is_left_out_and_comes_back(
    engine: Engine, run: Run
) -> None:
    bad, good = await engine(refuses(500, "broken")), await engine(answers("abcd"))
    policy = ResiliencePolicy(
        outliers=OutlierRules(consecutive_failures=3), breaker=BreakerRules(open_s=30)
    )
    router = await run(route("sorter", bad.url, good.url), policy=policy)
    await until_asked(router, bad, 3)

    for _ in range(10):
        assert (await router.chat("sort dbca", "sorter")).status_code == 200
    assert len(bad.requests) == 3
    assert 'endpoints_ejected{specialist="demo/sorter"} 1.0' in await metrics(router)

    bad.script = answers("abcd")
    for load in guard_of(router, "demo/sorter").siblings.loads:
        load.breaker.open_until = 0.0  # its time is over
    await until_asked(router, bad, 5)
    assert 'endpoints_ejected{specialist="demo/sorter"} 0.0' in await metrics(router)


async def until_asked(
    router: Running, pod: FakeEngine, count: int, replies: list[httpx.Response] | None = None
) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while len(pod.requests) < count:
            reply = await router.chat(f"sort dbca {len(pod.requests)}", "sorter")
            if replies is not None:
                replies.append(reply)


async def test_never_more_than_half_of_the_endpoints_are_left_out(engine: Engine, run: Run) -> None:
    pods = [await engine(refuses(500, "broken")) for _ in range(4)]
    policy = ResiliencePolicy(
        outliers=OutlierRules(consecutive_failures=2),
        breaker=BreakerRules(minimum_requests=1_000, open_s=30),
    )
    router = await run(route("sorter", *(pod.url for pod in pods)), policy=policy)

    for turn in range(60):
        await router.chat(f"sort dbca {turn}", "sorter")

    assert 'endpoints_ejected{specialist="demo/sorter"} 2.0' in await metrics(router)
    assert sum(len(pod.requests) > 5 for pod in pods) == 2


async def test_a_slow_endpoint_is_left_out(engine: Engine, run: Run) -> None:
    def takes(seconds: float) -> Script:
        async def script(turn: Turn) -> None:
            clock.now_s += seconds
            await answers("abcd")(turn)

        return script

    pods = [await engine(takes(0.05)), await engine(takes(0.01))]
    rules = OutlierRules(every_s=0.01, minimum_requests=8, latency_factor=2.0)
    router = await run(
        route("sorter", *(pod.url for pod in pods)), policy=ResiliencePolicy(outliers=rules)
    )
    clock = Clock(router)
    # The sweep looks at what it has: give it enough of both before it is due.
    guard_of(router, "demo/sorter").siblings.sweep_at = float("inf")
    for _ in range(60):
        await router.chat("sort dbca", "sorter")
    guard_of(router, "demo/sorter").siblings.sweep_at = 0.0
    await router.chat("sort dbca", "sorter")

    assert 'endpoint_ejections_total{reason="slow",specialist="demo/sorter"} 1.0' in re.sub(
        r"\{specialist=(.*?),reason=(.*?)\}", r"{reason=\2,specialist=\1}", await metrics(router)
    )


def guard_of(router: Running, title: str) -> Guard:
    dispatch = router.dispatcher.dispatch
    brain_now = router.dispatcher.current_brain()
    return dispatch._guard(brain_now.table.resolve(title))


async def test_a_hedge_takes_over_from_a_slow_pod_and_the_loser_is_given_up(
    engine: Engine, run: Run
) -> None:
    gone = asyncio.Event()

    async def stuck(turn: Turn) -> None:
        turn.keep = False
        await turn.reader.read()
        gone.set()

    pods = [await engine(answers("abcd")), await engine(answers("abcd"))]
    policy = ResiliencePolicy(
        hedging=HedgingRules(enabled=True, least_delay_s=0.02, budget_share=1.0)
    )
    router = await run(route("sorter", *(pod.url for pod in pods)), policy=policy)
    for _ in range(40):
        await router.chat("sort dbca", "sorter")
    pods[0].script = stuck

    async def has_won() -> bool:
        return 'hedges_total{outcome="won",specialist="demo/sorter"}' in re.sub(
            r"\{specialist=(.*?),outcome=(.*?)\}",
            r"{outcome=\2,specialist=\1}",
            await metrics(router),
        )

    # Which pod is asked first is drawn, and on a busy machine the stuck one may be the hedge.
    replies = []
    async with asyncio.timeout(PATIENCE_S):
        while not (gone.is_set() and await has_won()):
            replies.append(await router.chat("sort dbca", "sorter"))

    assert {reply.status_code for reply in replies} == {200}
    await until(lambda: router.dispatcher.balancer.in_flight() == 0)


async def test_hedging_is_off_unless_it_is_asked_for(engine: Engine, run: Run) -> None:
    assert not ResiliencePolicy().hedging.enabled


async def test_an_answer_that_never_ends_is_ended(engine: Engine, run: Run) -> None:
    async def for_ever(turn: Turn) -> None:
        turn.keep = False
        await turn.stream_head()
        while True:
            await turn.chunk(sse({"n": 1}))
            await asyncio.sleep(0.005)

    pod = await engine(for_ever)
    router = await run(
        route("sorter", pod.url), policy=ResiliencePolicy(timeouts=Timeouts(whole_s=0.1))
    )

    reply = await router.chat("x", "sorter", stream=True)

    assert "did not end its answer within 0.1 s" in reply.text
    assert "[DONE]" not in reply.text


async def test_batch_work_may_take_longer_than_people_wait(engine: Engine, run: Run) -> None:
    async def slow(turn: Turn) -> None:
        await asyncio.sleep(0.1)
        await answers("abcd")(turn)

    pod = await engine(slow)
    policy = ResiliencePolicy(
        timeouts=Timeouts(first_byte_s=0.03),
        timeout_overrides=(TimeoutsFor(latency_class="batch", first_byte_s=10),),
    )
    router = await run(route("sorter", pod.url), policy=policy)
    router.client.headers["x-tierwise-latency-class"] = "batch"

    assert (await router.chat("sort dbca", "sorter")).status_code == 200
    router.client.headers["x-tierwise-latency-class"] = "realtime"
    assert (await router.chat("sort dbca", "sorter")).status_code == 504


async def test_a_specialist_gets_no_more_requests_than_its_endpoints_take(
    engine: Engine, run: Run
) -> None:
    now, most = 0, 0
    together = asyncio.Event()

    async def counting(turn: Turn) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        if now == 3:
            together.set()
        await together.wait()
        await asyncio.sleep(0.005)  # a fourth would come now
        now -= 1
        await answers("abcd")(turn)

    pod = await engine(counting)
    # Two dispatchers share the pod's six, so that this one has three.
    rules = QueueRules(max_in_flight_per_endpoint=6, max_wait_s=PATIENCE_S)
    router = await run(route("sorter", pod.url), policy=ResiliencePolicy(queue=rules))

    replies = await asyncio.gather(*(router.chat("sort dbca", "sorter") for _ in range(20)))

    assert Counter(reply.status_code for reply in replies) == {200: 20}
    assert most == 3
    assert pod.connections <= 3


async def test_who_waits_too_long_for_a_specialist_is_refused(engine: Engine, run: Run) -> None:
    async def stuck(turn: Turn) -> None:
        await turn.reader.read()

    pod = await engine(stuck)
    rules = QueueRules(max_in_flight_per_endpoint=1, max_wait_s=0.05)
    router = await run(route("sorter", pod.url), policy=ResiliencePolicy(queue=rules))
    first = asyncio.ensure_future(router.chat("sort dbca", "sorter"))
    await pod.arrived.wait()

    reply = await router.chat("sort dbca", "sorter")

    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "overloaded"
    assert int(reply.headers["retry-after"]) >= 1
    assert reply.headers["x-tierwise-path"] == "sorter@small=failed:overloaded"
    first.cancel()


async def test_a_pod_that_left_finishes_its_request_and_its_connection_is_closed(
    engine: Engine, run: Run
) -> None:
    async def slow(turn: Turn) -> None:
        await released.wait()
        await answers("abcd")(turn)

    released = asyncio.Event()
    leaving, staying = await engine(slow), await engine(answers("efgh"))
    router = await run(route("sorter", leaving.url))
    running = asyncio.ensure_future(router.chat("sort dbca", "sorter"))
    await leaving.arrived.wait()

    router.dispatcher.take(brain(route("sorter", staying.url)))
    released.set()

    assert (await running).json()["choices"][0]["message"]["content"] == "abcd"
    assert router.dispatcher.client.idle_connections(leaving.url) == 0
    assert (await router.chat("sort dbca", "sorter")).status_code == 200
    assert router.dispatcher.client.idle_connections(staying.url) == 1


async def test_streams_that_die_count_against_their_pod(engine: Engine, run: Run) -> None:
    async def breaks_off(turn: Turn) -> None:
        await turn.stream_head()
        await turn.chunk(sse({"n": 1}))
        await asyncio.sleep(0.01)
        turn.die()

    pod = await engine(breaks_off)
    router = await run(route("sorter", pod.url), policy=FAST)

    statuses = [(await router.chat("x", "sorter", stream=True)).status_code for _ in range(6)]

    assert 503 in statuses  # the head came each time, the end never


async def test_an_engine_s_own_report_is_learned_and_not_passed_on(
    engine: Engine, run: Run
) -> None:
    async def reports(turn: Turn) -> None:
        asked = turn.request.headers.get("endpoint-load-metrics-format")
        extra = "endpoint-load-metrics: TEXT named_metrics.kv_cache_usage_perc=0.5\r\n"
        await turn.whole(200, b'{"choices": []}', extra=extra if asked else "")

    pods = [await engine(reports), await engine(reports)]
    router = await run(route("sorter", *(pod.url for pod in pods)))

    clock = Clock(router)
    replies: list[httpx.Response] = []
    for _ in range(2):
        for pod in pods:
            pod.requests.clear()
        for pod in pods:
            await until_asked(router, pod, 3, replies)
        told = ["endpoint-load-metrics-format" in one.headers for p in pods for one in p.requests]
        assert sum(told) == 2  # once a second for each pod
        clock.now_s += 1.0

    assert router.dispatcher.dispatch.loads["demo/sorter"].kv_usage == 0.5
    assert not any("endpoint-load-metrics" in reply.headers for reply in replies)


async def test_the_load_view_is_alive(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(sorter := route("sorter", pod.url))
    lease = await router.dispatcher.dispatch.ask(
        sorter, Ask("/chat/completions", [], b'{"model": "sorter"}')
    )

    loads = router.dispatcher.dispatch.loads
    assert (loads["demo/sorter"].in_flight, loads["demo/sorter"].endpoints) == (1, 1)
    assert lease.endpoint.url == pod.url
    lease.release()
    lease.release()
    assert loads["demo/sorter"].in_flight == 0


@pytest.mark.parametrize(
    ("weights", "pods_asked"), [({"prefix-cache": 1.0}, 1), ({"cost": 1.0}, 2)]
)
async def test_the_policy_s_weight_for_caches_reaches_the_choice_of_a_pod(
    engine: Engine, run: Run, weights: dict[str, float], pods_asked: int
) -> None:
    pods = [await engine(answers("abcd")) for _ in range(2)]
    sorter = route("sorter", *(pod.url for pod in pods))
    router = await run(sorter)
    scorers = tuple(ScorerWeight(name, weight) for name, weight in weights.items())
    policy = RouterPolicy(decision=DecisionPolicy(scorers=scorers))
    router.dispatcher.take(Brain.build(RouteTable.of([sorter], (), policy)))
    prompt = "sort the letters of this long text " * 200

    # Each session has a home of its own; the prompt's beginning is one.
    for number in range(40):
        await router.chat(prompt, "sorter", user=f"session-{number}")

    assert sum(bool(pod.requests) for pod in pods) == pods_asked
