"""The router: `specialist:adapter` goes to the pods that have the adapter, and nowhere else."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from dispatchers import Running, general, route
from fake_engine import FakeEngine, Script, answers, refuses

from tierwise_core.errors import AmbiguousModelError, UnknownModelError
from tierwise_core.route_table import AdapterRoute, Endpoint, Route, RouteTable
from tierwise_router.balance import Balancer
from tierwise_router.table import build_table

PODS = (Endpoint("http://a:8000", pod="a"), Endpoint("http://b:8000", pod="b"))


@pytest.fixture
async def engines() -> AsyncIterator[Callable[[Script], Awaitable[FakeEngine]]]:
    started: list[FakeEngine] = []

    async def start(script: Script) -> FakeEngine:
        started.append(await FakeEngine.start(script))
        return started[-1]

    yield start
    for one in started:
        await one.stop()


@pytest.fixture
async def run() -> AsyncIterator[Callable[..., Awaitable[Running]]]:
    started: list[Running] = []

    async def start(*routes: Route) -> Running:
        started.append(await Running.start(*routes))
        return started[-1]

    yield start
    for one in started:
        await one.stop()


def sorter(*adapters: AdapterRoute, namespace: str = "demo", **changes: Any) -> Route:
    given = {"endpoints": PODS, **changes}
    return Route(namespace, "sorter", "sorting", "sorter", adapters=adapters, **given)


def specialist(adapters: list[str], seen: list[dict[str, Any]], pods: str = "ab") -> dict[str, Any]:
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {"name": "sorter", "namespace": "demo", "uid": "u"},
        "spec": {
            "field": "sorting",
            "model": {
                "source": "file:///models/sorter",
                "adapters": [{"name": n, "source": f"file:///models/{n}"} for n in adapters],
            },
        },
        "status": {
            "endpoints": [{"url": f"http://{pod}:8000", "pod": pod} for pod in pods],
            "adapters": seen,
        },
    }


def pods_of(found: Route) -> list[str]:
    return [endpoint.pod for endpoint in found.endpoints]


def routed(adapters: list[str], seen: list[dict[str, Any]]) -> RouteTable:
    table, problems = build_table([specialist(adapters, seen)])
    assert not problems
    return table


def test_an_adapter_is_found_by_its_short_and_its_full_name() -> None:
    table = RouteTable.of([sorter(AdapterRoute("x"))])
    for name in ("sorter:x", "demo/sorter:x"):
        found = table.resolve(name)
        assert (found.title, found.upstream_model) == ("demo/sorter:x", "sorter:x")
        assert found.endpoints == PODS
    assert "sorter:x" in table.model_names()


def test_an_unknown_adapter_names_the_known_ones() -> None:
    table = RouteTable.of([sorter(AdapterRoute("x"), AdapterRoute("y"))])
    with pytest.raises(UnknownModelError, match="demo/sorter has no adapter 'z', it has: x, y"):
        table.resolve("sorter:z")
    with pytest.raises(UnknownModelError, match="it has none"):
        RouteTable.of([sorter()]).resolve("sorter:z")
    with pytest.raises(UnknownModelError, match="model 'adder' does not exist"):
        table.resolve("adder:x")


def test_a_short_name_that_two_namespaces_have_is_not_guessed() -> None:
    table = RouteTable.of([sorter(AdapterRoute("x")), sorter(namespace="other")])
    with pytest.raises(AmbiguousModelError, match="demo/sorter, other/sorter"):
        table.resolve("sorter:x")
    assert table.resolve("demo/sorter:x").adapter == "x"


def test_only_pods_that_have_it_are_asked() -> None:
    seen = [{"name": "x", "state": "Partial", "loadedPods": 1, "totalPods": 2, "absentFrom": ["b"]}]
    assert pods_of(routed(["x"], seen).resolve("sorter:x")) == ["a"]
    assert pods_of(routed(["x"], seen).resolve("sorter")) == ["a", "b"]


def test_an_adapter_that_nobody_has_yet_has_no_endpoint_and_is_known() -> None:
    assert pods_of(routed(["x"], []).resolve("sorter:x")) == []
    seen = [{"name": "x", "state": "Loading", "loadedPods": 0, "totalPods": 2}]
    assert pods_of(routed(["x"], seen).resolve("sorter:x")) == []


def test_a_list_of_absent_pods_that_was_cut_is_not_trusted() -> None:
    seen = [{"name": "x", "state": "Partial", "loadedPods": 1, "totalPods": 4, "absentFrom": ["b"]}]
    assert pods_of(routed(["x"], seen).resolve("sorter:x")) == []


def test_an_adapter_that_left_the_spec_is_gone_although_pods_still_have_it() -> None:
    seen = [{"name": "x", "state": "Removing"}]
    with pytest.raises(UnknownModelError, match="has no adapter 'x'"):
        routed([], seen).resolve("sorter:x")


def test_a_table_changes_its_version_with_its_adapters() -> None:
    versions = {
        RouteTable.of([one]).version
        for one in (sorter(), sorter(AdapterRoute("x")), sorter(AdapterRoute("x", loaded=False)))
    }
    assert len(versions) == 3


def test_requests_spread_over_the_pods_that_have_it() -> None:
    found = sorter().with_adapter(AdapterRoute("x", absent_from=("b",)))
    balancer = Balancer(rng=random.Random(1))  # noqa: S311 - a repeatable story
    picked = {balancer.pick(found).target.url for _ in range(20)}
    assert picked == {"http://a:8000"}


async def test_the_engine_is_asked_for_the_adapter_by_its_own_name(
    engines: Callable[[Script], Awaitable[FakeEngine]],
    run: Callable[..., Awaitable[Running]],
) -> None:
    engine = await engines(answers("dcba"))
    running = await run(route("sorter", engine.url, adapters=(AdapterRoute("x"),)))
    for name in ("sorter:x", "demo/sorter:x"):
        answer = await running.chat("sort dbca", model=name)
        assert answer.status_code == 200
        assert answer.headers["x-tierwise-specialist"] == "demo/sorter"
        assert answer.headers["x-tierwise-adapter"] == "x"
        assert engine.requests[-1].fields["model"] == "sorter:x"
    answer = await running.chat("sort dbca", model="sorter")
    assert "x-tierwise-adapter" not in answer.headers
    assert engine.requests[-1].fields["model"] == "sorter"


async def test_an_unknown_adapter_is_a_404_in_openais_shape(
    run: Callable[..., Awaitable[Running]],
) -> None:
    running = await run(route("sorter", "http://127.0.0.1:1", adapters=(AdapterRoute("x"),)))
    answer = await running.chat("sort dbca", model="sorter:customer-b")
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert error["code"] == "model_not_found"
    assert "it has: x" in error["message"]


async def test_a_known_adapter_without_a_pod_is_a_503(
    run: Callable[..., Awaitable[Running]],
) -> None:
    adapters = (AdapterRoute("x", loaded=False),)
    running = await run(route("sorter", "http://127.0.0.1:1", adapters=adapters))
    answer = await running.chat("sort dbca", model="sorter:x")
    assert answer.status_code == 503
    assert "demo/sorter:x" in answer.json()["error"]["message"]


async def test_a_pod_that_lost_the_adapter_is_passed_over_and_keeps_its_base(
    engines: Callable[[Script], Awaitable[FakeEngine]],
    run: Callable[..., Awaitable[Running]],
) -> None:
    lost = await engines(refuses(404, "The model `sorter:x` does not exist."))
    has = await engines(answers("dcba"))
    running = await run(route("sorter", lost.url, has.url, adapters=(AdapterRoute("x"),)))
    for _ in range(200):  # which pod is asked first is drawn: both are, sooner or later
        assert (await running.chat("sort dbca", model="sorter:x")).status_code == 200
        if lost.requests:
            break
    assert lost.requests
    loads = running.dispatcher.balancer._loads
    assert all(load.failures == 0 and load.in_flight == 0 for load in loads.values())


async def test_when_every_pod_lost_it_the_client_may_try_again(
    engines: Callable[[Script], Awaitable[FakeEngine]],
    run: Callable[..., Awaitable[Running]],
) -> None:
    lost = await engines(refuses(404, "The model `sorter:x` does not exist."))
    running = await run(route("sorter", lost.url, adapters=(AdapterRoute("x"),)))
    answer = await running.chat("sort dbca", model="sorter:x")
    assert answer.status_code == 503
    assert "load it again" in answer.json()["error"]["message"]


async def test_adapters_are_listed_behind_their_parent(
    run: Callable[..., Awaitable[Running]],
) -> None:
    running = await run(route("sorter", "http://127.0.0.1:1", adapters=(AdapterRoute("x"),)))
    listed = (await running.client.get("/v1/models")).json()["data"]
    assert [model["id"] for model in listed] == ["auto", "sorter", "sorter:x"]
    assert [model.get("parent") for model in listed] == [None, None, "sorter"]
    one = (await running.client.get("/v1/models/demo/sorter:x")).json()
    assert (one["id"], one["parent"]) == ("demo/sorter:x", "demo/sorter")


async def test_auto_never_picks_an_adapter(
    engines: Callable[[Script], Awaitable[FakeEngine]],
    run: Callable[..., Awaitable[Running]],
) -> None:
    engine, other = await engines(answers("abcd")), await engines(answers("abcd"))
    running = await run(
        route("sorter", engine.url, adapters=(AdapterRoute("x"),)), general("frontier", other.url)
    )
    for text in ("sort dbca", "sort the letters of zyx", "x please sort"):
        await running.chat(text)
    asked = {request.fields["model"] for one in (engine, other) for request in one.requests}
    assert asked <= {"sorter", "frontier"}
