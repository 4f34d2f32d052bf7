"""A request for a Specialist that sleeps: held, told, answered, passed on, given up."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx
import pytest
from dispatchers import TIERS, Running, brain, general, route, until
from fake_engine import FakeEngine, Script, answers, refuses

from tierwise_core.route_table import AdapterRoute, Route, RouteTable, Sleep
from tierwise_router.settings import Settings
from tierwise_router.tally import Tally
from tierwise_router.wake import Holds

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]

HOLD = Sleep("Hold", hold_timeout_seconds=20.0)
SHORT = Sleep("Hold", hold_timeout_seconds=0.05)
ESCALATE = Sleep("Escalate", hold_timeout_seconds=20.0)
ON = {"x-tierwise-when-asleep": "escalate"}
STAY = {"x-tierwise-when-asleep": "hold"}


def sleeper(sleep: Sleep = HOLD, **changes: object) -> Route:
    return route("sorter", sleep=sleep, **changes)


def awake(router: Running, pod: FakeEngine, *others: Route, sleep: Sleep = HOLD) -> None:
    """A pod became ready: the next table has it."""
    router.dispatcher.take(brain(route("sorter", pod.url, sleep=sleep), *others))


def held(router: Running) -> int:
    return sum(router.dispatcher.tally.held.values())


def ask(
    router: Running, model: str = "sorter", headers: dict[str, str] | None = None, **fields: object
) -> asyncio.Task[httpx.Response]:
    body = {"model": model, "messages": [{"role": "user", "content": "sort dbca"}], **fields}
    sent = router.client.post("/v1/chat/completions", json=body, headers=headers)
    return asyncio.create_task(sent)


async def test_a_request_waits_and_is_answered_by_the_pod_it_woke(engine: Engine, run: Run) -> None:
    pod, router = await engine(answers("abcd")), await run(sleeper())

    asked = ask(router)
    await until(lambda: router.dispatcher.holds.waiting() == {"demo/sorter": 1})
    awake(router, pod)
    response = await asked

    assert response.status_code == 200
    assert response.json()["choices"][0]["message"]["content"] == "abcd"
    assert response.headers["x-tierwise-path"] == "sorter@small"
    assert router.dispatcher.holds.waiting() == {}


async def test_who_asks_before_the_table_has_the_ready_pod_is_answered(
    engine: Engine, run: Run
) -> None:
    pod, router = await engine(answers("abcd")), await run(route("sorter", arrives=True))

    asked = ask(router)
    await until(lambda: router.dispatcher.tally.in_flight > 0)
    router.dispatcher.take(brain(route("adder", arrives=True), route("sorter", arrives=True)))
    router.dispatcher.take(brain(route("sorter", pod.url, arrives=True)))
    response = await asked

    assert response.status_code == 200
    assert router.dispatcher.holds.waiting() == {}  # the operator is not asked to wake it


async def test_a_pod_that_does_not_arrive_is_not_waited_for_long() -> None:
    absent = route("sorter", arrives=True)
    holds = Holds(Tally(), limit=8, progress_s=1.0, arrives_s=0.01)
    holds.learn(RouteTable.of([absent], TIERS))
    full = Holds(Tally(), limit=0, progress_s=1.0, arrives_s=3600.0)
    full.learn(RouteTable.of([absent], TIERS))

    assert not (await holds.awake(absent)).ready
    assert not (await full.awake(absent)).ready


async def test_who_waits_for_a_specialist_that_is_deleted_is_let_go() -> None:
    absent = route("sorter", arrives=True)
    holds = Holds(Tally(), limit=8, progress_s=1.0, arrives_s=3600.0)
    holds.learn(RouteTable.of([absent], TIERS))
    waiting = asyncio.ensure_future(holds.awake(absent))
    await asyncio.sleep(0)

    holds.learn(RouteTable.of([], TIERS))

    assert not (await waiting).ready


async def test_a_short_wait_costs_nothing(engine: Engine, run: Run) -> None:
    pod, router = await engine(answers("abcd")), await run(sleeper())

    asked = ask(router)
    await until(lambda: held(router) == 1)
    await asyncio.sleep(0.05)
    woken_at = time.perf_counter()
    awake(router, pod)
    cost_usd = float((await asked).headers["x-tierwise-cost-usd"])

    assert cost_usd <= (time.perf_counter() - woken_at) * 0.4 / 3600


async def test_everybody_who_waits_is_answered(engine: Engine, run: Run) -> None:
    pod, router = await engine(answers("abcd")), await run(sleeper())

    asked = [ask(router) for _ in range(20)]
    await until(lambda: held(router) == 20)
    awake(router, pod)

    assert [response.status_code for response in await asyncio.gather(*asked)] == [200] * 20


async def test_who_waits_too_long_is_told_when_to_come_back(run: Run) -> None:
    router = await run(sleeper(SHORT))

    response = await ask(router)

    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    error = response.json()["error"]
    assert (error["type"], error["code"]) == ("server_error", "model_waking")
    assert "'demo/sorter' is still waking after 0.05 s" in error["message"]
    assert response.headers["x-tierwise-path"] == "sorter@small=failed:model_waking"


async def test_no_more_wait_than_allowed(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(sleeper(), settings=Settings(held_requests=2))

    asked = [ask(router) for _ in range(2)]
    await until(lambda: held(router) == 2)
    third = await ask(router)
    awake(router, pod)

    assert (third.status_code, third.json()["error"]["code"]) == (503, "model_waking")
    assert "2 requests wait already" in third.json()["error"]["message"]
    assert [response.status_code for response in await asyncio.gather(*asked)] == [200, 200]


async def test_a_client_that_hangs_up_waits_no_longer(run: Run) -> None:
    router = await run(sleeper())

    asked = ask(router)
    await until(lambda: held(router) == 1)
    asked.cancel()
    await until(lambda: held(router) == 0)

    assert router.dispatcher.holds.waiting() == {}
    assert dict(router.dispatcher.tally.holds) == {("demo/sorter", "left"): 1}


async def test_a_stream_is_told_that_it_waits(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abc"))
    router = await run(sleeper(), settings=Settings(hold_progress_s=0.02))
    body = {"model": "sorter", "messages": [{"role": "user", "content": "x"}], "stream": True}

    lines: list[str] = []
    async with router.client.stream("POST", "/v1/chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            lines.append(line)
            if sum(line.startswith(":") for line in lines) == 2:
                awake(router, pod)

    comments = [line for line in lines if line.startswith(":")]
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    assert comments[0] == ": waking sorter, 0 s"
    assert response.headers["content-type"].startswith("text/event-stream")
    assert "".join(json.loads(d)["choices"][0]["delta"]["content"] for d in data[:-1]) == "abc"
    assert data[-1] == "[DONE]"


async def test_a_stream_that_waited_in_vain_ends_with_the_error_and_without_done(run: Run) -> None:
    router = await run(sleeper(SHORT), settings=Settings(hold_progress_s=0.02))

    text = (await ask(router, stream=True)).text

    events = [line for line in text.split("\n\n") if line.startswith("data: ")]
    (only,) = events
    assert json.loads(only.removeprefix("data: "))["error"]["code"] == "model_waking"
    assert ("/chat/completions", "named", "demo/sorter", 503) in router.dispatcher.tally.requests


async def test_an_engine_s_refusal_reaches_a_stream_that_waited(engine: Engine, run: Run) -> None:
    pod, router = await engine(refuses(400, "too long")), await run(sleeper())

    asked = ask(router, stream=True)
    await until(lambda: held(router) == 1)
    awake(router, pod)
    text = (await asked).text

    (only,) = [line for line in text.split("\n\n") if line.startswith("data: ")]
    assert json.loads(only.removeprefix("data: "))["error"]["message"] == "too long"


async def test_a_specialist_may_send_requests_on_while_it_wakes(engine: Engine, run: Run) -> None:
    big = await engine(answers("ABCD"))
    router = await run(sleeper(ESCALATE), general("generalist", big.url))

    response = await ask(router)

    assert response.json()["choices"][0]["message"]["content"] == "ABCD"
    assert json.loads(big.requests[0].body)["model"] == "generalist"
    assert response.headers["x-tierwise-path"] == "sorter@small=failed:asleep, generalist@big"
    assert router.dispatcher.holds.waiting() == {"demo/sorter": 1}  # it is woken all the same

    asked = ask(router, headers=STAY)
    await until(lambda: held(router) == 1)
    assert router.dispatcher.holds.waiting() == {"demo/sorter": 1}  # one waits, not two
    asked.cancel()
    await until(lambda: held(router) == 0)


async def test_the_parent_stands_in_before_any_generalist(engine: Engine, run: Run) -> None:
    big, boss = await engine(answers("ABCD")), await engine(answers("abcd"))
    router = await run(
        sleeper(ESCALATE, parent="demo/letters"),
        route("letters", boss.url, field="letters"),
        general("generalist", big.url),
    )

    response = await ask(router)

    assert response.headers["x-tierwise-specialist"] == "demo/letters"
    assert not big.requests


@pytest.mark.parametrize(
    ("sleep", "headers", "specialist"),
    [
        (HOLD, ON, "demo/generalist"),
        (ESCALATE, STAY, "demo/sorter"),
        (HOLD, {}, "demo/sorter"),
        (ESCALATE, {}, "demo/generalist"),
    ],
)
@pytest.mark.parametrize("model", ["sorter", "auto"])
async def test_the_caller_s_wish_comes_before_the_specialist_s(  # noqa: PLR0917 - a table
    engine: Engine, run: Run, sleep: Sleep, headers: dict[str, str], specialist: str, model: str
) -> None:
    small, big = await engine(answers("abcd")), await engine(answers("ABCD"))
    other = general("generalist", big.url)
    router = await run(sleeper(sleep), other)

    asked = ask(router, model, headers)
    await until(lambda: held(router) == 1 or bool(big.requests))
    awake(router, small, other, sleep=sleep)
    response = await asked

    assert response.headers["x-tierwise-specialist"] == specialist


async def test_nobody_else_awake_means_waiting(engine: Engine, run: Run) -> None:
    pod, router = await engine(answers("abcd")), await run(sleeper(ESCALATE))

    asked = ask(router, "auto")
    await until(lambda: held(router) == 1)
    awake(router, pod)

    assert (await asked).status_code == 200


async def test_a_hold_that_times_out_leaves_auto_to_the_next(engine: Engine, run: Run) -> None:
    big = await engine(answers("ABCD"))
    router = await run(sleeper(SHORT), general("generalist", big.url))

    response = await ask(router, "auto")

    assert response.headers["x-tierwise-specialist"] == "demo/generalist"
    assert "sorter@small=failed:model_waking" in response.headers["x-tierwise-path"]


async def test_another_word_in_the_header_is_refused(run: Run) -> None:
    router = await run(sleeper())

    response = await ask(router, headers={"x-tierwise-when-asleep": "maybe"})

    assert response.status_code == 400
    assert "'Maybe'" in response.json()["error"]["message"]
    assert response.json()["error"]["param"] == "x-tierwise-when-asleep"


async def test_the_header_ends_here(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))

    await ask(router, headers=ON)

    assert "x-tierwise-when-asleep" not in pod.requests[0].headers


async def test_a_specialist_without_pods_that_nobody_can_wake_is_refused_at_once(run: Run) -> None:
    router = await run(route("sorter"))

    response = await ask(router)

    assert (response.status_code, response.json()["error"]["code"]) == (503, "no_ready_endpoint")


async def test_a_specialist_that_is_deleted_keeps_nobody_waiting(run: Run) -> None:
    router = await run(sleeper())

    asked = ask(router)
    await until(lambda: held(router) == 1)
    router.dispatcher.take(brain(general("generalist")))

    response = await asked
    assert response.status_code == 503
    assert "was deleted while the request waited" in response.json()["error"]["message"]


async def test_the_structured_protocol_waits_too(engine: Engine, run: Run) -> None:
    pod, router = await engine(answers("abcd")), await run(sleeper())

    asked = asyncio.create_task(router.client.post("/query", json={"query": "sort dbca"}))
    await until(lambda: held(router) == 1)
    awake(router, pod)

    assert (await asked).json()["answer"] == "abcd"


async def test_prometheus_sees_who_waits_and_how_it_ended(engine: Engine, run: Run) -> None:
    pod, router = await engine(answers("abcd")), await run(sleeper())

    asked = ask(router)
    await until(lambda: held(router) == 1)
    waiting = (await router.client.get("/metrics")).text
    awake(router, pod)
    await asked
    after = (await router.client.get("/metrics")).text

    assert 'tierwise_router_held_requests{specialist="demo/sorter"} 1.0' in waiting
    assert 'tierwise_router_held_requests{specialist="demo/sorter"} 0.0' in after
    assert 'tierwise_router_holds_total{outcome="served",specialist="demo/sorter"} 1.0' in after


async def test_the_telling_is_prompt_and_ends_with_nobody(engine: Engine, run: Run) -> None:
    pod, router = await engine(answers("abcd")), await run(sleeper())
    told: list[dict[str, int]] = []

    async def tell(waiting: object) -> None:
        told.append(dict(waiting))  # type: ignore[call-overload]

    telling = asyncio.create_task(router.dispatcher.holds.run(tell))
    asked = ask(router)
    await until(lambda: told == [{"demo/sorter": 1}])
    awake(router, pod)
    await asked
    await until(lambda: told[-1] == {})
    telling.cancel()

    assert len(told) <= 3


def test_a_route_that_sleeps_is_as_ready_as_its_pods() -> None:
    asleep = sleeper()

    assert (asleep.asleep, asleep.ready) == (True, False)
    assert not replace(asleep, sleep=None).asleep


async def test_an_adapter_is_waited_for_until_the_woken_pod_has_it(
    engine: Engine, run: Run
) -> None:
    pod = await engine(answers("abcd"))
    missing, there = AdapterRoute("dutch", loaded=False), AdapterRoute("dutch")
    router = await run(sleeper(adapters=(missing,)))

    asked = ask(router, "sorter:dutch")
    await until(lambda: router.dispatcher.holds.waiting() == {"demo/sorter": 1})
    # The pod is ready before it has loaded the adapter.
    router.dispatcher.take(brain(route("sorter", pod.url, sleep=HOLD, adapters=(missing,))))
    for _ in range(50):
        await asyncio.sleep(0)
    assert held(router) == 1
    router.dispatcher.take(brain(route("sorter", pod.url, sleep=HOLD, adapters=(there,))))
    response = await asked

    assert response.status_code == 200
    assert json.loads(pod.requests[0].body)["model"] == "sorter:dutch"


async def test_an_adapter_that_is_not_loaded_is_no_sleeper(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    missing = AdapterRoute("dutch", loaded=False)
    router = await run(
        route("sorter", pod.url, sleep=ESCALATE, adapters=(missing,)), general("big", pod.url)
    )

    response = await ask(router, "sorter:dutch")

    assert response.status_code == 503
    assert not pod.requests
