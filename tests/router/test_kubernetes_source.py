"""The router keeps up with the API server through everything that can happen to a watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from fake_api import FakeApi, specialist, tier

from tierwise_router.sources import Resources
from tierwise_router.sources.kubeconfig import ApiAccess
from tierwise_router.sources.kubernetes import KubernetesSource, backoff_s


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    started = await FakeApi.start()
    yield started
    await started.stop()


def source(api: FakeApi, namespace: str = "") -> KubernetesSource:
    access = ApiAccess(api.url, None, token="t-1")
    return KubernetesSource(access, namespace, backoff=lambda _failures: 0.0)


def names(resources: Resources) -> list[str]:
    return sorted(item["metadata"]["name"] for item in resources)


async def told(snapshots: AsyncIterator[Resources], *wanted: str) -> Resources:
    """Take snapshots until one has exactly these objects."""
    async with asyncio.timeout(60):
        async for resources in snapshots:
            if names(resources) == sorted(wanted):
                return resources
    raise AssertionError("the snapshots ended")


async def test_both_kinds_are_listed_before_anything_is_told(api: FakeApi) -> None:
    api.put("specialists", specialist("sorter"))
    api.put("gputiers", tier("rtx-4090"))

    async with aclosing(source(api).snapshots()) as snapshots:
        first = await anext(snapshots)

    assert names(first) == ["rtx-4090", "sorter"]
    assert all("managedFields" not in item["metadata"] for item in first)
    assert {ask.headers["authorization"] for ask in api.asked} == {"Bearer t-1"}


@pytest.mark.parametrize("status", [403, 404])
async def test_kinds_of_a_newer_version_may_be_missing(api: FakeApi, status: int) -> None:
    api.put("specialists", specialist("sorter"))
    api.refuse_with = {"list tenants": status, "list routerpolicies": status}

    async with aclosing(source(api).snapshots()) as snapshots:
        await told(snapshots, "sorter")


async def test_changes_are_told_as_they_happen(api: FakeApi) -> None:
    api.put("specialists", specialist("sorter"))
    async with aclosing(source(api).snapshots()) as snapshots:
        await told(snapshots, "sorter")
        await api.watched("specialists")

        await api.push("specialists", "ADDED", specialist("adder"))
        await told(snapshots, "adder", "sorter")
        await api.push("specialists", "MODIFIED", specialist("adder", "http://10.0.0.1:8000"))
        changed = await told(snapshots, "adder", "sorter")
        assert {"url": "http://10.0.0.1:8000"} in [
            endpoint for item in changed for endpoint in item["status"]["endpoints"]
        ]
        await api.push("specialists", "DELETED", specialist("sorter"))
        await told(snapshots, "adder")


def a_rollout(percent: int, **status: object) -> dict[str, object]:
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "sorter-v2", "namespace": "demo"},
        "spec": {"specialistRef": {"name": "sorter"}},
        "status": {"weights": {"blue": 100 - percent, "green": percent}, **status},
    }


async def test_of_rollouts_shares_are_told_and_evidence_is_not(api: FakeApi) -> None:
    """A live one is written every few seconds; a table for each time would be a waste."""
    api.put("rollouts", a_rollout(5, stage="Canary"))
    async with aclosing(source(api).snapshots()) as snapshots:
        first = await told(snapshots, "sorter-v2")
        assert first[0]["status"] == {"weights": {"blue": 95, "green": 5}}
        await api.watched("rollouts")

        waiting = asyncio.ensure_future(anext(snapshots))
        await api.push("rollouts", "MODIFIED", a_rollout(5, stage="Canary", looks=2))
        assert not (await asyncio.wait({waiting}, timeout=0.2))[0]
        await api.push("rollouts", "MODIFIED", a_rollout(0, stage="RollingBack", shadowPercent=1))
        (changed,) = await waiting

    assert changed["status"] == {"weights": {"blue": 100, "green": 0}, "shadowPercent": 1}


async def test_a_broken_watch_is_taken_up_where_it_stopped(api: FakeApi) -> None:
    api.put("specialists", specialist("sorter"))
    async with aclosing(source(api).snapshots()) as snapshots:
        await told(snapshots, "sorter")
        await api.watched("specialists")
        bookmark = {"metadata": {"resourceVersion": "77"}}
        await api.say("specialists", {"type": "BOOKMARK", "object": bookmark})
        await api.push("specialists", "ADDED", specialist("adder"))
        await told(snapshots, "adder", "sorter")
        last = api.version

        api.hang_up("specialists")
        await api.watched("specialists", times=2)

    lists = [ask for ask in api.asked if ask.kind == "specialists" and not ask.is_watch]
    watches = [ask for ask in api.asked if ask.kind == "specialists" and ask.is_watch]
    assert len(lists) == 1
    assert watches[1].query["resourceVersion"] == str(last)


@pytest.mark.parametrize("how", ["event", "status"])
async def test_a_forgotten_place_is_listed_anew(api: FakeApi, how: str) -> None:
    api.put("specialists", specialist("sorter"))
    async with aclosing(source(api).snapshots()) as snapshots:
        await told(snapshots, "sorter")
        await api.watched("specialists")

        # While we were not looking, one went and another one came.
        del api.objects["specialists"]["sorter"]
        api.put("specialists", specialist("adder"))
        if how == "event":
            gone = {"kind": "Status", "code": 410, "message": "too old"}
            await api.say("specialists", {"type": "ERROR", "object": gone})
        else:
            api.refuse_with["watch specialists"] = 410
            api.hang_up("specialists")

        await told(snapshots, "adder")


async def test_the_last_snapshot_stays_while_the_server_is_away(api: FakeApi) -> None:
    api.put("specialists", specialist("sorter"))
    async with aclosing(source(api).snapshots()) as snapshots:
        await told(snapshots, "sorter")
        await api.watched("specialists")

        api.refuse_with["watch specialists"] = 503
        api.hang_up("specialists")
        await api.watched("specialists", times=3)  # refused once, then open again
        await api.push("specialists", "ADDED", specialist("adder"))

        await told(snapshots, "adder", "sorter")


async def test_a_list_in_pages_is_put_together(api: FakeApi) -> None:
    api.page = 2
    for number in range(5):
        api.put("specialists", specialist(f"s{number}"))

    async with aclosing(source(api).snapshots()) as snapshots:
        await told(snapshots, "s0", "s1", "s2", "s3", "s4")


async def test_one_namespace_is_asked_for_alone(api: FakeApi) -> None:
    async with aclosing(source(api, "team-a").snapshots()) as snapshots:
        await anext(snapshots)

    paths = {ask.path for ask in api.asked}
    assert "/apis/tierwise.dev/v1alpha1/namespaces/team-a/specialists" in paths
    assert "/apis/tierwise.dev/v1alpha1/gputiers" in paths


def test_waits_grow_and_are_bounded() -> None:
    assert 0.25 <= backoff_s(1) <= 0.5
    assert all(7.5 <= backoff_s(failures) <= 15 for failures in (6, 20, 5000))
