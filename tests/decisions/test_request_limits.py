"""However much fails, one request makes no more calls and spends no more than it may."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from dispatchers import TIERS, Running, general, route
from fake_engine import FakeEngine, Script, Turn, answers, dies, refuses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tierwise_core.policy_decision import DecisionPolicy
from tierwise_core.route_table import Price, RouteTable
from tierwise_core.router_policy import RouterPolicy
from tierwise_router.brain import Brain

Engine = Callable[[Script], Awaitable[FakeEngine]]
Start = Callable[..., Awaitable[Running]]
SURE, UNSURE = -0.0001, -4.0


async def garbage(turn: Turn) -> None:
    await turn.whole(200, b"<html>")


SCRIPTS: dict[str, Script] = {
    "sure": answers("abcd", SURE),
    "unsure": answers("dbca", UNSURE),
    "dies": dies,
    "500": refuses(500, "oops"),
    "502": refuses(502, "oops"),
    "no logprobs": refuses(400, "logprobs are not supported"),
    "garbage": garbage,
}


async def test_however_it_fails_there_are_never_more_calls_than_allowed(run: Start) -> None:
    """One router, every mixture of engines: what changes is its table."""
    engines = {name: await FakeEngine.start(script) for name, script in SCRIPTS.items()}
    router = await run()
    loop = asyncio.get_running_loop()
    try:
        await asyncio.to_thread(_try_mixtures, router, engines, loop)
    finally:
        for one in engines.values():
            await one.stop()


def _try_mixtures(
    router: Running, engines: dict[str, FakeEngine], loop: asyncio.AbstractEventLoop
) -> None:
    def wait(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(20)

    kinds = st.sampled_from(sorted(SCRIPTS))

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(st.lists(kinds, min_size=1, max_size=3), min_size=1, max_size=5),
        st.integers(1, 6),
        st.integers(1, 4),
        st.sampled_from(["streamed", "whole"]),
    )
    def bounded(fleet: list[list[str]], calls: int, hops: int, stream: str) -> None:
        before = sum(len(one.requests) for one in engines.values())
        reply = wait(
            _ask(router, engines, fleet, DecisionPolicy(max_calls=calls, max_hops=hops), stream)
        )
        made = sum(len(one.requests) for one in engines.values()) - before
        assert made <= calls
        assert reply.status_code < 600
        path = reply.headers.get("x-tierwise-path", "")
        assert len(path.split(", ")) <= hops

    bounded()


async def _ask(
    router: Running, engines: dict[str, FakeEngine], fleet: list[list[str]], policy: DecisionPolicy,
    how: str,
) -> Any:  # fmt: skip
    routes = [
        general(f"g{at}", *(engines[kind].url for kind in kinds), price=Price(0.1 * (at + 1)))
        for at, kinds in enumerate(fleet)
    ]
    table = RouteTable.of(routes, TIERS, RouterPolicy(decision=policy))
    router.dispatcher.take(Brain.build(table))
    return await router.chat("what is love", stream=how == "streamed")


async def test_what_would_cost_too_much_is_not_even_asked(engine: Engine, recording: Start) -> None:
    small, large = await engine(answers("dbca", UNSURE)), await engine(answers("abcd", SURE))
    router = await recording(
        route("sorter", small.url, escalate_to=("demo/frontier",)),
        general("frontier", large.url, price=Price(0.0, 10e-6, 40e-6)),
        policy=DecisionPolicy(max_cost_usd=0.01),
    )

    reply = await router.chat("sort dbca")

    assert reply.status_code == 422
    assert not large.requests
    row = (await router.client.get(f"/v1/decisions/{reply.headers['x-tierwise-decision']}")).json()
    (frontier,) = [one for one in row["candidates"] if one["specialist"] == "demo/frontier"]
    assert "> the request's ceiling $0.010000" in frontier["lost"]
    assert row["cost_usd"] < 0.01


async def test_what_was_spent_counts_before_the_next_call(engine: Engine, recording: Start) -> None:
    small, large = await engine(answers("dbca", UNSURE)), await engine(answers("abcd", SURE))
    dear = Price(0.0, 10e-6, 40e-6)
    fleet = (general("one", small.url, price=dear), general("two", large.url, price=dear))
    free = await recording(*fleet)
    asked = await free.chat("what is love", max_tokens=100)
    row = (await free.client.get(f"/v1/decisions/{asked.headers['x-tierwise-decision']}")).json()
    enough_for_one = row["candidates"][0]["expected_usd"] + row["steps"][0]["cost_usd"] / 2
    bounded = await recording(*fleet, policy=DecisionPolicy(max_cost_usd=enough_for_one))
    before = len(small.requests), len(large.requests)

    reply = await bounded.chat("what is love", max_tokens=100)

    assert reply.status_code == 422, reply.headers["x-tierwise-path"]
    assert reply.json()["error"]["code"] == "budget_spent"
    assert (len(small.requests), len(large.requests)) == (before[0] + 1, before[1])


async def test_a_request_lowers_its_limits_and_never_raises_them(
    engine: Engine, recording: Start
) -> None:
    small, large = await engine(answers("dbca", UNSURE)), await engine(answers("abcd", SURE))
    router = await recording(
        route("sorter", small.url, escalate_to=("demo/frontier",)),
        general("frontier", large.url),
        policy=DecisionPolicy(max_calls=3),
    )
    body = {"model": "auto", "messages": [{"role": "user", "content": "sort dbca"}]}

    async def calls(**headers: str) -> dict[str, Any]:
        reply = await router.client.post("/v1/chat/completions", json=body, headers=headers)
        found = await router.client.get(f"/v1/decisions/{reply.headers['x-tierwise-decision']}")
        row: dict[str, Any] = found.json()
        return row

    lowered = await calls(**{"x-tierwise-max-calls": "1"})
    raised = await calls(**{"x-tierwise-max-calls": "99", "x-tierwise-max-hops": "99"})

    assert (lowered["max_calls"], lowered["calls"]) == (1, 1)
    assert lowered["steps"][-1]["failure"] == "budget_spent"
    assert (raised["max_calls"], raised["max_hops"]) == (3, 4)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-tierwise-max-hops", "0"),
        ("x-tierwise-max-calls", "9" * 5000),
        ("x-tierwise-max-cost-usd", "-1"),
        ("x-tierwise-max-cost-usd", "nan"),
        ("x-tierwise-confidence-floor", "2"),
    ],
)
async def test_a_limit_that_is_none_names_the_header(
    engine: Engine, recording: Start, name: str, value: str
) -> None:
    router = await recording(route("sorter", (await engine(answers("abcd"))).url))
    body = {"model": "auto", "messages": [{"role": "user", "content": "sort dbca"}]}

    reply = await router.client.post("/v1/chat/completions", json=body, headers={name: value})

    assert reply.status_code == 400
    assert (reply.json()["error"]["param"], reply.json()["error"]["code"]) == (
        name,
        "invalid_header",
    )


async def test_routers_that_lead_to_each_other_end_the_circle(run: Start) -> None:
    router = await run()
    router.dispatcher.take(
        Brain.build(RouteTable.of([general("self", router.url, external=True)], TIERS))
    )

    reply = await router.chat("what is love", model="self")

    assert reply.status_code == 508
    assert reply.json()["error"]["code"] == "loop_detected"
