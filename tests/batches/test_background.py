"""Requests whose clients do not wait: kept, answered, fetched, cancelled, and resumed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import httpx
import openai
import pytest
from dispatchers import ADDING, TIERS, route
from fake_engine import FakeEngine, Script, Turn, answers, refuses, until_hung_up
from offices import Office, patiently

from tierwise_core.policy_patterns import OrchestratorWorkers, Pattern, PatternsPolicy
from tierwise_core.policy_resilience import QueueRules, ResiliencePolicy
from tierwise_core.route_table import RouteTable
from tierwise_core.router_policy import RouterPolicy
from tierwise_router.brain import Brain
from tierwise_router.settings import Settings

Engine = Callable[[Script], Awaitable[FakeEngine]]
Offices = Callable[..., Awaitable[Office]]
PARTS = "1. sort dbca\n2. add 17 and 25"


def later(office: Office, latency_class: str, text: str = "sort dbca") -> Awaitable[httpx.Response]:
    body = {"model": "sorter", "messages": [{"role": "user", "content": text}]}
    headers = {"x-tierwise-latency-class": latency_class}
    return office.running.client.post("/v1/chat/completions", json=body, headers=headers)


async def fetched(office: Office, where: str) -> dict[str, object]:
    last: dict[str, object] = {}

    async def seen() -> bool:
        last.update((await office.running.client.get(where)).json())
        return last["status"] in {"completed", "failed", "cancelled"}

    await patiently(seen)
    return last


@pytest.mark.parametrize("latency_class", ["async", "background"])
async def test_a_request_is_taken_at_once_and_answered_later(
    engine: Engine, office: Offices, latency_class: str
) -> None:
    go = asyncio.Event()

    async def script(turn: Turn) -> None:
        await go.wait()
        await answers("abcd")(turn)

    upstream = await engine(script)
    desk = await office(route("sorter", upstream.url))

    taken = await later(desk, latency_class)

    assert taken.status_code == 202
    # Another process of the pod may have begun with it by the time it is shown.
    assert taken.json()["status"] in {"queued", "in_progress"}
    go.set()
    told = await fetched(desk, taken.headers["location"])
    assert (told["status"], told["latency_class"]) == ("completed", latency_class)
    assert told["response"]["body"]["choices"][0]["message"]["content"] == "abcd"  # type: ignore[index]
    listed = (await desk.running.client.get("/v1/background")).json()
    assert [one["id"] for one in listed["data"]] == [taken.json()["id"]]


def by_body(office: Office, *, background: bool) -> Awaitable[httpx.Response]:
    body = {"model": "sorter", "input": "sort dbca", "background": background}
    return office.running.client.post("/v1/responses", json=body)


async def test_a_full_router_takes_work_for_later_at_once(engine: Engine, office: Offices) -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def script(turn: Turn) -> None:
        arrived.set()
        await go.wait()
        await answers("abcd")(turn)

    upstream = await engine(script)
    rules = QueueRules(max_in_flight=1, max_queued=0)
    desk = await office(route("sorter", upstream.url))
    table = RouteTable.of(
        [route("sorter", upstream.url)],
        TIERS,
        RouterPolicy(resilience=ResiliencePolicy(queue=rules)),
    )
    desk.running.dispatcher.take(Brain.build(table))
    body = {"model": "sorter", "messages": [{"role": "user", "content": "sort dbca"}]}
    busy = asyncio.ensure_future(desk.running.client.post("/v1/chat/completions", json=body))
    await arrived.wait()

    taken = await later(desk, "async")

    assert taken.status_code == 202
    assert (await by_body(desk, background=True)).json()["status"] in {"queued", "in_progress"}
    assert (await by_body(desk, background=False)).status_code == 503
    assert not busy.done()
    go.set()
    assert (await busy).status_code == 200
    assert (await fetched(desk, taken.headers["location"]))["status"] == "completed"


async def test_a_failure_is_told_as_the_engine_told_it(engine: Engine, office: Offices) -> None:
    upstream = await engine(refuses(400, "too long"))
    desk = await office(route("sorter", upstream.url))

    told = await fetched(desk, (await later(desk, "async")).headers["location"])

    assert told["status"] == "failed"
    assert told["response"]["body"]["error"]["message"] == "too long"  # type: ignore[index]


async def test_openais_background_responses(engine: Engine, office: Offices) -> None:
    async def script(turn: Turn) -> None:
        assert "background" not in turn.request.fields
        message = {"type": "message", "role": "assistant", "id": "m", "status": "completed"}
        text = {"type": "output_text", "text": "abcd", "annotations": []}
        output = [{**message, "content": [text]}]
        await turn.whole(
            200,
            json.dumps(
                {"id": "engine", "object": "response", "status": "completed", "output": output}
            ).encode(),
        )

    upstream = await engine(script)
    desk = await office(route("sorter", upstream.url))

    queued = await desk.openai.responses.create(model="sorter", input="sort dbca", background=True)
    assert (queued.status, queued.background) == ("queued", True)

    async def done() -> bool:
        return (await desk.openai.responses.retrieve(queued.id)).status == "completed"

    await patiently(done)
    found = await desk.openai.responses.retrieve(queued.id)
    assert (found.id, found.output_text) == (queued.id, "abcd")
    await desk.openai.responses.delete(queued.id)
    with pytest.raises(openai.NotFoundError):
        await desk.openai.responses.retrieve(queued.id)


async def test_a_request_in_background_can_be_cancelled(engine: Engine, office: Offices) -> None:
    upstream = await engine(until_hung_up(lambda: upstream))
    desk = await office(route("sorter", upstream.url))
    queued = await desk.openai.responses.create(model="sorter", input="sort", background=True)
    await upstream.arrived.wait()

    stopped = await desk.openai.responses.cancel(queued.id)

    assert stopped.status == "cancelled"
    async with asyncio.timeout(60):
        await upstream.hung_up.wait()


async def test_another_pod_resumes_what_was_under_way(engine: Engine, office: Offices) -> None:
    async def script(turn: Turn) -> None:
        if len(upstream.requests) == 1:
            await asyncio.Event().wait()
        await answers("abcd")(turn)

    upstream = await engine(script)
    first = await office(route("sorter", upstream.url), host="pod-a")
    taken = await later(first, "background")
    await upstream.arrived.wait()
    await first.leave()
    second = await office(route("sorter", upstream.url), host="pod-b")

    told = await fetched(second, taken.headers["location"])

    assert told["status"] == "completed"
    assert len(upstream.requests) == 2


async def test_steps_that_were_reached_are_not_paid_for_twice(
    engine: Engine, office: Offices
) -> None:
    """A pattern asks a sorter and an adder; its pod goes away while the adder works."""

    async def script(turn: Turn) -> None:
        if len(adder.requests) == 1:
            await asyncio.Event().wait()
        await answers("42", -0.0001)(turn)

    sorter, adder = await engine(answers("abcd", -0.0001)), await engine(script)
    routes = (
        route("sorter", sorter.url),
        route("adder", adder.url, field="arithmetic", examples=ADDING),
    )
    pattern = PatternsPolicy((Pattern("both", OrchestratorWorkers()),))
    brain = Brain.build(RouteTable.of(routes, TIERS, RouterPolicy(patterns=pattern)))
    first = await office(*routes, host="pod-a")
    first.running.dispatcher.take(brain)
    body = {"model": "both", "messages": [{"role": "user", "content": PARTS}]}
    headers = {"x-tierwise-latency-class": "background"}
    taken = await first.running.client.post("/v1/chat/completions", json=body, headers=headers)
    steps = first.folder / "jobs" / taken.json()["id"] / "steps"

    async def sorted_and_adding() -> bool:
        return adder.arrived.is_set() and steps.exists() and bool(list(steps.glob("*")))

    await patiently(sorted_and_adding)
    await first.leave()
    second = await office(*routes, host="pod-b")
    second.running.dispatcher.take(brain)
    told = await fetched(second, taken.headers["location"])

    assert told["status"] == "completed"
    message = told["response"]["body"]["choices"][0]["message"]  # type: ignore[index]
    assert message["content"] == "sort dbca\nabcd [1]\n\nadd 17 and 25\n42 [2]"
    assert (len(sorter.requests), len(adder.requests)) == (1, 2)


async def test_where_there_is_no_directory_it_says_so(engine: Engine, office: Offices) -> None:
    upstream = await engine(answers("abcd"))
    desk = await office(route("sorter", upstream.url), settings=Settings())

    for told in (await later(desk, "async"), await desk.running.client.get("/v1/batches")):
        assert told.status_code == 501
        assert "TIERWISE_FILES_DIR" in told.json()["error"]["message"]
