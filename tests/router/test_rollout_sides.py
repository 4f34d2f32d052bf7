"""While a rollout tries a candidate, requests are divided, sessions stay, and nobody gets hurt."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
from dispatchers import Running, general, route, until
from fake_api import FakeApi, specialist
from fake_engine import FakeEngine, Script, answers, dies, refuses
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise_core.decision_record import DecisionRecord
from tierwise_core.decision_story import story
from tierwise_core.errors import NoEndpointError
from tierwise_core.policy_resilience import QueueRules, ResiliencePolicy, RetryRules
from tierwise_core.route_split import Split
from tierwise_core.route_table import AdapterRoute, Endpoint, Route, RouteTable
from tierwise_router.balance import Balancer
from tierwise_router.brain import Brain
from tierwise_router.follow import Follower
from tierwise_router.guard import Guard
from tierwise_router.journal import Journal
from tierwise_router.pressure import Pressure
from tierwise_router.sources.kubeconfig import ApiAccess
from tierwise_router.sources.kubernetes import KubernetesSource
from tierwise_router.taken_shares import agreed_shares, leave_shares
from tierwise_router.watch import RouteWatch

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]
SURE, UNSURE = -0.0001, -4.0
POLICY = ResiliencePolicy()


def trying(*urls: str, percent: float, blue: int = 1, **changes: Any) -> Route:
    """A Specialist with a candidate: the first ``blue`` addresses serve, the others are green."""
    endpoints = tuple(
        Endpoint(url, f"rev-{'b' if at < blue else 'g'}", f"pod-{at}", "small",
                 "" if at < blue else "green")
        for at, url in enumerate(urls)
    )  # fmt: skip
    return route("sorter", endpoints=endpoints, split=Split("sorter-v2", percent), **changes)


def take(router: Running, *routes: Route) -> None:
    router.dispatcher.take(Brain.build(RouteTable.of(routes), router.dispatcher.brain))


async def sides(router: Running, sessions: int, **fields: object) -> dict[str, str]:
    """Ask once in each session; gives the side that answered."""
    found = {}
    for number in range(sessions):
        headers = {"x-session-id": f"s-{number}"}
        body = {"model": "sorter", "messages": [{"role": "user", "content": "sort"}], **fields}
        reply = await router.client.post("/v1/chat/completions", json=body, headers=headers)
        assert reply.status_code == 200, reply.text
        found[f"s-{number}"] = reply.headers["x-tierwise-side"]
    return found


async def steps(router: Running, decision: str) -> DecisionRecord:
    reply = await router.client.get(f"/v1/decisions/{decision}")
    assert reply.status_code == 200, reply.text
    return DecisionRecord.of(reply.json())


@pytest.fixture
async def pair(engine: Engine) -> tuple[FakeEngine, FakeEngine]:
    return await engine(answers("blue")), await engine(answers("green"))


@pytest.fixture
def recorded(run: Run, tmp_path: Path) -> Run:
    async def start(*routes: Route, **options: Any) -> Running:
        running = await run(*routes, **options)
        dispatcher = running.dispatcher
        dispatcher.journal = Journal(tmp_path / "journal", dispatcher.ids.process, 1 << 26)
        return running

    return start


async def test_requests_are_counted_by_side_as_long_as_a_rollout_divides_them(
    pair: tuple[FakeEngine, FakeEngine], run: Run
) -> None:
    router = await run(trying(pair[0].url, pair[1].url, percent=50))
    asked = Counter((await sides(router, 20)).values())
    take(router, route("sorter", endpoints=(Endpoint(pair[0].url, "rev-b", "pod-0", "small"),)))
    await router.chat("sort", model="sorter")

    scraped = (await router.client.get("/metrics")).text

    counted = "tierwise_router_side_requests_total"
    for side, count in asked.items():
        labels = f'{{side="{side}",specialist="demo/sorter",status="200"}}'
        assert f"{counted}{labels} {count:.1f}" in scraped
    assert len(asked) == scraped.count(f"{counted}{{") == 2


async def test_sessions_stay_where_they_are_while_the_share_grows(
    pair: tuple[FakeEngine, FakeEngine], run: Run
) -> None:
    blue, green = pair
    router = await run(trying(blue.url, green.url, percent=20))
    few = await sides(router, 60)

    take(router, trying(blue.url, green.url, percent=60))
    many = await sides(router, 60)
    take(router, trying(blue.url, green.url, percent=0))
    none = await sides(router, 60)

    assert 0 < sum(side == "green" for side in few.values()) < 30
    assert all(many[one] == "green" for one, side in few.items() if side == "green")
    assert set(none.values()) == {"blue"}
    asked = Counter(side for found in (few, many, none) for side in found.values())
    assert (len(blue.requests), len(green.requests)) == (asked["blue"], asked["green"])


async def test_without_a_session_each_request_is_drawn(
    pair: tuple[FakeEngine, FakeEngine], run: Run
) -> None:
    blue, green = pair
    router = await run(trying(blue.url, green.url, percent=30))

    for _ in range(150):
        await router.chat("sort", "sorter")

    assert abs(len(green.requests) - 45) < 6 * sqrt(150 * 0.3 * 0.7)


@pytest.mark.parametrize("percent", [0, 100])
async def test_a_side_without_endpoints_leaves_everything_to_the_other(
    pair: tuple[FakeEngine, FakeEngine], run: Run, percent: int
) -> None:
    blue, green = pair
    only_blue, only_green = (
        trying(blue.url, percent=percent),
        trying(green.url, percent=percent, blue=0),
    )

    for only, side in ((only_blue, "blue"), (only_green, "green")):
        router = await run(only)
        assert set((await sides(router, 5)).values()) == {side}


async def test_a_stream_and_an_adapter_are_divided_too(
    pair: tuple[FakeEngine, FakeEngine], run: Run
) -> None:
    blue, green = pair
    router = await run(trying(blue.url, green.url, percent=50, adapters=(AdapterRoute("acme"),)))

    plain = await sides(router, 20)
    streamed = await sides(router, 20, stream=True)
    adapted = await sides(router, 20, model="sorter:acme")

    assert plain == streamed == adapted
    assert set(plain.values()) == {"blue", "green"}


@pytest.mark.parametrize("how", ["refuses", "dies", "status-503", "status-500"])
async def test_a_broken_candidate_is_recorded_and_hurts_nobody(
    engine: Engine, recorded: Run, how: str
) -> None:
    scripts = {"dies": dies, "status-503": refuses(503, "no"), "status-500": refuses(500, "no")}
    blue, green = await engine(answers("blue")), await engine(scripts.get(how, dies))
    if how == "refuses":
        await green.stop()
    router = await recorded(trying(blue.url, green.url, percent=100))

    replies = [await router.chat(f"sort {number}", "sorter") for number in range(8)]

    assert {reply.status_code for reply in replies} == {200}
    assert {reply.headers["x-tierwise-side"] for reply in replies} == {"blue"}
    first = await steps(router, replies[0].headers["x-tierwise-decision"])
    assert [(step.side, step.revision, bool(step.failure)) for step in first.steps] == [
        ("green", "rev-g", True),
        ("", "rev-b", False),
    ]
    assert (first.state, first.specialist) == ("relayed", "demo/sorter")
    assert "sorter@small(green)=failed:" in replies[0].headers["x-tierwise-path"]
    # Then it sits out, and nobody waits for it.
    assert "failed" not in replies[-1].headers["x-tierwise-path"]
    # Nobody escalated, and the Specialist itself is well.
    assert not router.dispatcher.tally.escalations


async def test_auto_does_not_call_a_takeover_an_escalation(engine: Engine, recorded: Run) -> None:
    blue, green = await engine(answers("abcd", SURE)), await engine(dies)
    other = await engine(answers("x", SURE))
    router = await recorded(
        trying(blue.url, green.url, percent=100, escalate_to=("demo/frontier",)),
        general("frontier", other.url),
    )

    reply = await router.chat("sort dbca")

    record = await steps(router, reply.headers["x-tierwise-decision"])
    assert (record.state, record.specialist) == ("accepted", "demo/sorter")
    assert [step.verdict for step in record.steps] == ["failed", "accept"]
    told = [line for section in story(record) for line in section.lines]
    assert any("(pod pod-1, green side): gave no answer" in line for line in told)


async def test_when_both_sides_fail_both_are_recorded(engine: Engine, recorded: Run) -> None:
    blue, green = await engine(dies), await engine(dies)
    router = await recorded(trying(blue.url, green.url, percent=100))

    reply = await router.chat("sort", "sorter")

    assert reply.status_code == 502
    record = await steps(router, reply.headers["x-tierwise-decision"])
    assert [(step.side, step.revision) for step in record.steps] == [
        ("green", "rev-g"),
        ("", "rev-b"),
    ]


async def test_what_green_alone_refuses_is_greens_failure(engine: Engine, recorded: Run) -> None:
    """It may have a shorter context, or no parser for tools."""
    blue, green = await engine(answers("blue")), await engine(refuses(400, "too long"))
    router = await recorded(trying(blue.url, green.url, percent=100))

    reply = await router.chat("sort", "sorter")

    assert (reply.status_code, reply.headers["x-tierwise-side"]) == (200, "blue")
    record = await steps(router, reply.headers["x-tierwise-decision"])
    assert [step.failure for step in record.steps] == ["status-400", ""]


async def test_what_both_refuse_is_nobodys_failure(engine: Engine, recorded: Run) -> None:
    blue, green = [await engine(refuses(400, who)) for who in ("blue", "green")]
    router = await recorded(trying(blue.url, green.url, percent=100))

    reply = await router.chat("sort", "sorter")

    assert (reply.status_code, reply.json()["error"]["message"]) == (400, "blue")
    record = await steps(router, reply.headers["x-tierwise-decision"])
    assert [(step.side, step.failure) for step in record.steps] == [("", "status-400")]


async def test_another_pod_of_the_side_is_asked_first(engine: Engine, recorded: Run) -> None:
    blue, dying, green = [await engine(one) for one in (answers("b"), dies, answers("g"))]
    router = await recorded(trying(blue.url, dying.url, green.url, percent=100))

    replies = [await router.chat("sort", "sorter") for _ in range(6)]

    assert {reply.headers["x-tierwise-side"] for reply in replies} == {"green"}
    assert not blue.requests


async def test_a_policy_without_retries_asks_nobody_else(engine: Engine, run: Run) -> None:
    blue, green = await engine(answers("blue")), await engine(dies)
    policy = replace(POLICY, retries=RetryRules(max_attempts=1))
    router = await run(trying(blue.url, green.url, percent=100))
    table = RouteTable.of(router.dispatcher.current_brain().table.routes.values())
    changed = replace(table, policy=replace(table.policy, resilience=policy))
    router.dispatcher.take(Brain.build(changed))

    assert (await router.chat("sort", "sorter")).status_code == 502
    assert not blue.requests


@settings(max_examples=40)
@given(
    percent=st.integers(0, 100),
    blues=st.integers(1, 3),
    greens=st.integers(1, 3),
    dead=st.sets(st.integers(0, 5)),
    key=st.binary(min_size=1, max_size=8),
)
def test_the_side_that_is_drawn_is_asked_unless_all_of_green_sits_out(
    percent: int, blues: int, greens: int, dead: set[int], key: bytes
) -> None:
    sorter = trying(
        *(f"http://10.0.0.{at}:8000" for at in range(blues + greens)), percent=percent, blue=blues
    )
    siblings = Balancer(lambda: 0.0).siblings(sorter)
    for at in dead & set(range(blues + greens)):
        siblings.loads[at].breaker.trip(0.0, POLICY.breaker)
    assert siblings.sides is not None
    assert sorter.split is not None

    first, second = siblings.sides.drawn(sorter.split, key, 0.0)

    awake = any(at not in dead for at in range(blues, blues + greens))
    wants_green = sorter.split.goes_green(key) and awake
    assert first == (siblings.sides.green if wants_green else siblings.sides.blue)
    assert {*first, *second} == set(siblings.loads)


@given(
    percent=st.integers(0, 100),
    blues=st.integers(1, 6),
    greens=st.integers(1, 6),
    most=st.integers(1, 64),
)
def test_no_side_gets_more_than_its_endpoints_take(
    percent: int, blues: int, greens: int, most: int
) -> None:
    sorter = trying(
        *(f"http://10.0.0.{at}:8000" for at in range(blues + greens)), percent=percent, blue=blues
    )
    siblings = Balancer(lambda: 0.0).siblings(sorter)
    rules = QueueRules(max_in_flight_per_endpoint=most)
    guard = Guard("demo/sorter", siblings, POLICY, Pressure(), 0.0)

    guard.learn(siblings, replace(POLICY, queue=rules), 1)

    share = percent / 100
    assert guard.slots * (1 - share) <= most * blues + 1e-6
    assert guard.slots * share <= most * greens + 1e-6
    assert guard.slots >= most


def test_a_slower_candidate_is_no_outlier_among_blue() -> None:
    sorter = trying("http://a", "http://b", "http://c", percent=50, blue=2)
    siblings = Balancer(lambda: 0.0).siblings(sorter)
    guard = Guard("demo/sorter", siblings, POLICY, Pressure(), 0.0)
    for at, took_s in enumerate([0.1, 0.1, 5.0] * 200):
        load = siblings.loads[at % 3]
        guard.endpoint_succeeded(load, load.breaker.era, took_s, 1e-6 * at, POLICY)

    guard.endpoint_succeeded(siblings.loads[0], 0, 0.1, 1e6, POLICY)

    assert siblings.out == 0


async def test_the_operator_hears_what_a_pod_applies(
    pair: tuple[FakeEngine, FakeEngine], run: Run, tmp_path: Path
) -> None:
    blue, green = pair
    router = await run(trying(blue.url, green.url, percent=20), route("adder", blue.url))

    assert (await router.client.get("/v1/rollouts")).json() == [
        {"specialist": "demo/sorter", "rollout": "sorter-v2", "greenPercent": 20,
         "shadowPercent": 0}
    ]  # fmt: skip

    other = await run(trying(blue.url, green.url, percent=5))
    for one in (router, other):
        one.dispatcher.tally_files = str(tmp_path)
        leave_shares(one.dispatcher)
    with pytest.raises(NoEndpointError, match="not all taken up"):
        await agreed_shares(router.dispatcher, looks=2)
    take(other, trying(blue.url, green.url, percent=20), route("adder", blue.url))
    leave_shares(other.dispatcher)
    assert (await agreed_shares(router.dispatcher, looks=1))[0]["greenPercent"] == 20


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    started = await FakeApi.start()
    yield started
    await started.stop()


def a_rollout(percent: int, **status: Any) -> dict[str, Any]:
    model = {"source": "file:///models/sorter-2"}
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "sorter-v2", "namespace": "demo", "uid": "u-2"},
        "spec": {"specialistRef": {"name": "sorter"}, "candidate": {"model": model}},
        "status": {"weights": {"blue": 100 - percent, "green": percent}, **status},
    }


async def test_a_rollback_reaches_requests_by_its_event_alone(
    pair: tuple[FakeEngine, FakeEngine], run: Run, api: FakeApi
) -> None:
    blue, green = pair
    sorter = specialist("sorter", blue.url, green.url)
    sorter["status"]["endpoints"][1]["side"] = "green"
    sorter["status"]["rollout"] = {"name": "sorter-v2"}
    api.put("specialists", sorter)
    api.put("rollouts", a_rollout(100))
    router = await run()
    watch = RouteWatch(lambda: KubernetesSource(ApiAccess(api.url, None), backoff=lambda _n: 0.0))
    follower = Follower(router.dispatcher, watch.wait_for, lambda: None)
    following = asyncio.create_task(follower.run())
    await until(lambda: router.dispatcher.brain is not None)
    await api.watched("rollouts")
    assert set((await sides(router, 3)).values()) == {"green"}

    # Evidence alone makes no new table.
    before = router.dispatcher.current_brain().table.version
    await api.push("rollouts", "MODIFIED", a_rollout(100, stage="Shifting"))
    await api.push("rollouts", "MODIFIED", a_rollout(0, stage="RollingBack"))
    async with asyncio.timeout(60):
        while (await sides(router, 1))["s-0"] == "green":
            pass

    assert router.dispatcher.current_brain().table.version != before
    assert set((await sides(router, 10)).values()) == {"blue"}
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
