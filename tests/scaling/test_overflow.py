"""What own replicas have no room for goes to the alternative, and is told to the operator."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from dispatchers import Running, general, route, until
from fake_engine import FakeEngine, Script, Turn, answers, refuses

from tierwise_core.provider import Requirements
from tierwise_core.route_table import AdapterRoute, Overflow, Price, Route, Sleep
from tierwise_core.tenant import TenantRoute
from tierwise_router.bursting import Sent
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.settings import Settings
from tierwise_router.table import build_table

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]

ROOM = Overflow("demo/api", above=2.0)
NONE = Overflow("demo/api", above=0.0)
PER_TOKEN = Price(input_usd_per_token=1e-6, output_usd_per_token=1e-6)


def sorter(*urls: str, overflow: Overflow | None = NONE, **changes: Any) -> Route:
    return route("sorter", *urls, overflow=overflow, **changes)


def api(*urls: str, **changes: Any) -> Route:
    fields = {"external": True, "tier": "", "price": PER_TOKEN, "field": "elsewhere"}
    return route("api", *urls, **{**fields, "examples": (), **changes})


def held_until(go: asyncio.Event, script: Script) -> Script:
    async def wait(turn: Turn) -> None:
        await go.wait()
        await script(turn)

    return wait


def who(response: httpx.Response) -> str:
    return response.headers["x-tierwise-specialist"]


async def test_what_has_no_room_goes_elsewhere_and_what_has_stays(engine: Engine, run: Run) -> None:
    go = asyncio.Event()
    own, other = await engine(held_until(go, answers("own"))), await engine(answers("other"))
    router = await run(sorter(own.url, overflow=ROOM), api(other.url))

    first = [asyncio.create_task(router.chat("sort dbca", "sorter")) for _ in range(2)]
    await until(lambda: len(own.requests) == 2)
    third = await router.chat("sort dbca", "sorter")
    go.set()
    stayed = await asyncio.gather(*first)
    fourth = await router.chat("sort dbca", "sorter")

    assert [who(one) for one in (*stayed, third, fourth)] == [
        "demo/sorter",
        "demo/sorter",
        "demo/api",
        "demo/sorter",
    ]
    assert third.json()["choices"][0]["message"]["content"] == "other"
    assert third.headers["x-tierwise-path"] == "sorter@small=failed:overflow, api@external"
    assert float(third.headers["x-tierwise-cost-usd"]) == pytest.approx(8e-6)
    assert sent(router) == {"demo/sorter": Sent(1, 5, 3)}
    assert router.dispatcher.tally.escalations == {("demo/sorter", "demo/api", "overflow"): 1}


async def test_a_stream_is_counted_when_it_has_ended(engine: Engine, run: Run) -> None:
    own, other = await engine(answers("own")), await engine(answers("other"))
    router = await run(sorter(own.url), api(other.url))

    response = await router.chat("sort dbca", "sorter", stream=True)

    assert '"content":"o"' in response.text.replace(" ", "")
    assert sent(router) == {"demo/sorter": Sent(1, 5, 6)}
    assert own.requests == []


async def test_a_cascade_judges_the_answer_by_the_own_floor(engine: Engine, run: Run) -> None:
    own, other = await engine(answers("own")), await engine(answers("other"))
    router = await run(sorter(own.url), api(other.url), general("big", own.url))

    sure = await router.chat("sort dbca")
    other.script = answers("other", -3.0)
    unsure = await router.chat("sort dbca")

    assert (who(sure), who(unsure)) == ("demo/api", "demo/sorter")
    assert unsure.headers["x-tierwise-path"].startswith(
        "sorter@small=failed:overflow, api@external=0."
    )
    assert sent(router)["demo/sorter"].requests == 1


@pytest.mark.parametrize("script", [refuses(500, "broken"), refuses(429, "slow down")])
async def test_own_replicas_answer_what_the_alternative_refuses(
    script: Script, engine: Engine, run: Run
) -> None:
    own, other = await engine(answers("own")), await engine(script)
    router = await run(sorter(own.url), api(other.url))

    by_name = await router.chat("sort dbca", "sorter")
    by_field = await router.chat("sort dbca")

    assert [who(by_name), who(by_field)] == ["demo/sorter", "demo/sorter"]
    assert sent(router) == {}


async def test_own_replicas_answer_when_nobody_is_there(engine: Engine, run: Run) -> None:
    own = await engine(answers("own"))
    router = await run(sorter(own.url), api("http://127.0.0.1:9"))

    assert who(await router.chat("sort dbca", "sorter")) == "demo/sorter"


async def test_what_may_not_leave_stays(engine: Engine, run: Run) -> None:
    own, other = await engine(answers("own")), await engine(answers("other"))
    router = await run(sorter(own.url, compliance=("hipaa",)), api(other.url, context_tokens=4096))
    question = {"model": "sorter", "messages": [{"role": "user", "content": "sort dbca"}]}
    long = {**question, "max_tokens": 4090}
    headers = {"x-tierwise-compliance": "hipaa"}
    cheap = {"x-tierwise-max-cost-usd": "0.0000001"}

    asked = [
        await router.client.post("/v1/chat/completions", json=question, headers=headers),
        await router.client.post("/v1/chat/completions", json=long),
        await router.client.post("/v1/chat/completions", json=question, headers=cheap),
        await router.client.post("/v1/embeddings", json={"model": "sorter", "input": "a"}),
    ]

    assert [one.status_code for one in asked[:3]] == [200, 200, 200]
    assert len(own.requests) == 4
    assert other.requests == []


@pytest.mark.parametrize(
    "tenant",
    [
        TenantRoute("demo", "a", specialists=("demo/sorter",)),
        TenantRoute("demo", "a", requirements=Requirements.of(regions=["eu"])),
    ],
)
async def test_a_tenant_s_requests_go_where_it_may(
    tenant: TenantRoute, engine: Engine, run: Run
) -> None:
    own, other = await engine(answers("own")), await engine(answers("other"))
    key = "a-key"
    router = await run(
        sorter(own.url, region="eu-west-1"),
        api(other.url, region="us-east-1"),
        tenants=[keyed(tenant, key)],
    )
    router.client.headers["authorization"] = f"Bearer {key}"

    assert who(await router.chat("sort dbca", "sorter")) == "demo/sorter"


async def test_a_sleeper_is_woken_while_the_alternative_answers(engine: Engine, run: Run) -> None:
    other = await engine(answers("other"))
    wakes = Overflow("demo/api", above=6.4, wakes=True)
    router = await run(sorter(overflow=wakes, sleep=Sleep()), api(other.url))

    response = await router.chat("sort dbca", "sorter")
    by_field = await router.chat("sort dbca")

    assert [who(response), who(by_field)] == ["demo/api", "demo/api"]
    assert router.dispatcher.holds.waiting() == {"demo/sorter": 1}


async def test_where_nothing_is_to_wake_nothing_is_woken(engine: Engine, run: Run) -> None:
    other = await engine(answers("other"))
    router = await run(sorter(sleep=Sleep()), api(other.url))

    assert who(await router.chat("sort dbca", "sorter")) == "demo/api"
    assert router.dispatcher.holds.waiting() == {}


async def test_an_adapter_s_requests_stay(engine: Engine, run: Run) -> None:
    own, other = await engine(answers("own")), await engine(answers("other"))
    router = await run(sorter(own.url, adapters=(AdapterRoute("x"),)), api(other.url))

    assert who(await router.chat("sort dbca", "sorter:x")) == "demo/sorter"
    assert other.requests == []


async def test_the_dispatchers_of_a_pod_count_together(
    engine: Engine, run: Run, tmp_path: Path
) -> None:
    go = asyncio.Event()
    own, other = await engine(held_until(go, answers("own"))), await engine(answers("other"))
    routes = (sorter(own.url, overflow=ROOM), api(other.url))
    one, two = await run(*routes), await run(*routes)
    one.dispatcher.bursts.share(str(tmp_path), 1)
    two.dispatcher.bursts.share(str(tmp_path))
    one.dispatcher.bursts.meet()
    two.dispatcher.bursts.meet()

    stayed = [asyncio.create_task(one.chat("sort dbca", "sorter")) for _ in range(2)]
    await until(lambda: len(own.requests) == 2)
    gone = await two.chat("sort dbca", "sorter")
    go.set()
    await asyncio.gather(*stayed)
    again = await two.chat("sort dbca", "sorter")

    assert [who(gone), who(again)] == ["demo/api", "demo/sorter"]


async def test_several_router_pods_share_the_room(engine: Engine, run: Run) -> None:
    go = asyncio.Event()
    own, other = await engine(held_until(go, answers("own"))), await engine(answers("other"))
    router = await run(
        sorter(own.url, overflow=ROOM), api(other.url), settings=Settings(replicas=2)
    )

    first = asyncio.create_task(router.chat("sort dbca", "sorter"))
    await until(lambda: len(own.requests) == 1)
    second = await router.chat("sort dbca", "sorter")
    go.set()
    await first

    assert who(second) == "demo/api"


async def test_what_was_sent_is_told_as_long_as_it_grows(engine: Engine, run: Run) -> None:
    bursts = Dispatcher.create(Settings()).bursts
    told: list[dict[str, Sent]] = []

    async def tell(sent: Mapping[str, Sent]) -> None:
        told.append(dict(sent))

    bursts.note("demo/sorter", None)
    work = asyncio.create_task(bursts.run(tell, every_s=0.001))
    await until(lambda: len(told) == 1)
    bursts.note("demo/sorter", None)
    await until(lambda: len(told) == 2)
    work.cancel()

    assert told == [{"demo/sorter": Sent(1)}, {"demo/sorter": Sent(2)}]


def item(chosen: dict[str, Any] | None, pods: int = 1, **placement: Any) -> dict[str, Any]:
    status = {
        "endpoints": [{"url": f"http://10.0.0.{n}:8000", "pod": f"p{n}"} for n in range(pods)]
    }
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {"name": "sorter", "namespace": "demo", "uid": "u"},
        "spec": {
            "field": "sorting",
            "model": {"source": "file:///models/sorter"},
            "placement": {
                "alternative": {"specialistRef": "api"},
                "burst": "Switch",
                "scaling": {"targetInFlightPerReplica": 5.0},
                **placement,
            },
        },
        "status": status | ({"burst": chosen} if chosen else {}),
    }


def test_replicas_that_no_tier_has_room_for_keep_nothing_back() -> None:
    made = item({"baseReplicas": 4}, pods=1)
    share = {"tier": "t", "replicas": 2, "gpusPerReplica": 1, "tensorParallel": 1, "usdPerHour": 1}
    made["status"]["placement"] = {"tiers": [share]}
    full = {"type": "Placed", "status": "False", "reason": "NoCapacity", "message": "m"}

    roomy = build_table([made])[0].routes["demo/sorter"].overflow
    made["status"]["conditions"] = [full]
    short = build_table([made])[0].routes["demo/sorter"].overflow

    assert (roomy, short) == (
        Overflow("demo/api", 20.0, wakes=True),
        Overflow("demo/api", 10.0, wakes=True),
    )


@pytest.mark.parametrize(
    ("made", "overflow"),
    [
        (item({"baseReplicas": 2}), Overflow("demo/api", 10.0, wakes=True)),
        (item({"baseReplicas": 1}, pods=3), Overflow("demo/api", 15.0, wakes=True)),
        (item({"baseReplicas": 0}), Overflow("demo/api", 0.0)),
        (item({"message": "no such Specialist"}), None),
        (item(None), None),
        (item({"baseReplicas": 1}, burst="Advise"), None),
    ],
)
def test_the_operator_s_choice_arrives_in_the_table(
    made: dict[str, Any], overflow: Overflow | None
) -> None:
    table, problems = build_table([made])

    assert not problems
    assert table.routes["demo/sorter"].overflow == overflow


def sent(router: Running) -> Mapping[str, Sent]:
    return router.dispatcher.bursts.sent


def keyed(tenant: TenantRoute, key: str) -> TenantRoute:
    return replace(tenant, key_hashes=(sha256(key.encode()).hexdigest(),))
