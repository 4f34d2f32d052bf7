"""The operator as a whole: adapters in the spec, in the pods, in the status; the base untouched."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fake_cluster import FakeCluster
from lora_engines import FakeDoor, LoraEngine
from observed import NOON
from stage import Library, feeding, node_body, pod_body, specialist_body, tier_body

from tierwise_core.lora import AdapterFacts
from tierwise_operator.adapter_sources import AdapterAsked
from tierwise_operator.adapters import AdapterMeans
from tierwise_operator.engine_room import Operator
from tierwise_operator.kinds import POD
from tierwise_operator.settings import Settings
from tierwise_router.table import build_table

A = {"name": "a", "source": "file:///models/adapters/a"}
B = {"name": "b", "source": "file:///models/adapters/b"}
STATUS = "apply Specialist/status ai/sorter"


@dataclass
class Scene:
    """An operator beside a cluster in memory, whose engines take adapters."""

    cluster: FakeCluster = field(default_factory=FakeCluster)
    door: FakeDoor = field(default_factory=FakeDoor)
    ranks: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for body in (tier_body("rtx-4090", 24, 0.4), node_body("n1", "rtx-4090", 4)):
            self.cluster.put(body)
        self.operator = self.an_operator()

    def an_operator(self) -> Operator:
        made = Operator(
            self.cluster,
            Settings(identity="operator-0"),
            Library().read,
            clock=lambda: NOON,
            adapters=AdapterMeans(self.door, self.read),
        )
        self.cluster.told = feeding(made.store)
        return made

    async def read(self, asked: AdapterAsked) -> AdapterFacts:
        return AdapterFacts(self.ranks.get(asked.source, 8), ("q_proj",), "sorter")

    @property
    def engine(self) -> LoraEngine:
        return self.door.at("10.0.0.7")

    def put(self, *adapters: dict[str, str], **spec: Any) -> None:
        limits = {"adapterLimits": {"maxRank": 16, "maxLoaded": 4}}
        model = {"source": "file:///models/sorter", "adapters": list(adapters), **limits}
        self.cluster.put(specialist_body(**{"model": model, **spec}))

    async def settle(self) -> list[str]:
        self.cluster.forget_writes()
        await self.operator.settle()
        return self.cluster.writes

    async def serve(self, *adapters: dict[str, str]) -> None:
        self.put(*adapters)
        await self.operator.load()
        await self.settle()
        self.cluster.put(pod_body(self.deployment()))
        await self.settle()

    def deployment(self) -> dict[str, Any]:
        (found,) = (
            body for (kind, _), body in self.cluster.objects_by_key.items() if kind == "Deployment"
        )
        return found

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.cluster.find("Specialist", "ai/sorter")["status"]
        return found

    def condition(self, kind: str) -> tuple[str, str]:
        (found,) = (c for c in self.status["conditions"] if c["type"] == kind)
        return found["status"], found["reason"]

    def routes(self, model: str) -> list[str]:
        """The endpoints that the router makes of what is published."""
        table, _ = build_table([self.cluster.find("Specialist", "ai/sorter")])
        return [endpoint.pod for endpoint in table.resolve(model).endpoints]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    yield made
    made.operator.queue.close()
    await made.operator.adapters.close()


async def test_an_adapter_is_loaded_told_and_routed(scene: Scene) -> None:
    await scene.serve(A)
    assert scene.engine.loaded == {"sorter:a": "/models/adapters/a"}
    (row,) = scene.status["adapters"]
    assert row == {
        "name": "a",
        "source": A["source"],
        "state": "Loaded",
        "rank": 8,
        "loadedPods": 1,
        "totalPods": 1,
    }
    assert scene.condition("AdaptersReady") == ("True", "Loaded")
    assert scene.condition("Ready") == ("True", "Ready")
    assert len(scene.routes("sorter:a")) == 1


async def test_adding_and_removing_an_adapter_writes_nothing_but_the_status(scene: Scene) -> None:
    await scene.serve(A)
    scene.put(A, B)
    assert set(await scene.settle()) == {STATUS}
    assert set(scene.engine.loaded) == {"sorter:a", "sorter:b"}
    scene.put(B)
    assert set(await scene.settle()) == {STATUS}
    assert set(scene.engine.loaded) == {"sorter:b"}
    assert [row["name"] for row in scene.status["adapters"]] == ["b"]


async def test_a_second_pod_serves_its_base_at_once_and_the_adapter_when_it_has_it(
    scene: Scene,
) -> None:
    await scene.serve(A)
    second = pod_body(scene.deployment(), "sorter-second")
    second["status"]["podIP"] = "10.0.0.8"
    scene.door.at("10.0.0.8").silent = True
    scene.cluster.put(second)
    await scene.settle()
    assert "sorter-second" in scene.routes("sorter")
    assert "sorter-second" not in scene.routes("sorter:a")
    assert scene.condition("AdaptersReady") == ("False", "Loading")
    scene.door.at("10.0.0.8").silent = False
    scene.operator.adapters.look()
    await scene.settle()
    assert "sorter-second" in scene.routes("sorter:a")
    assert scene.condition("Ready") == ("True", "Ready")


async def test_a_rank_over_the_limit_is_told_and_the_base_serves(scene: Scene) -> None:
    scene.ranks[B["source"]] = 64
    await scene.serve(A, B)
    assert scene.condition("AdaptersReady") == ("False", "InvalidAdapter")
    assert scene.condition("ServingReady")[0] == "True"
    assert scene.status["phase"] == "Degraded"
    told = {row["name"]: row for row in scene.status["adapters"]}
    assert (told["a"]["state"], told["b"]["state"]) == ("Loaded", "Failed")
    assert told["b"]["message"].startswith("spec.model.adapters[1].source: 'b' has rank 64")
    assert len(scene.routes("sorter")) == len(scene.routes("sorter:a")) == 1
    assert scene.routes("sorter:b") == []


async def test_a_converged_operator_writes_nothing_at_the_next_looks(scene: Scene) -> None:
    await scene.serve(A)
    for _ in range(3):
        scene.operator.adapters.look()
        await scene.operator.resync()
        assert await scene.settle() == []


async def test_a_restarted_operator_finds_everything_as_it_should_be(scene: Scene) -> None:
    await scene.serve(A)
    scene.operator.queue.close()
    await scene.operator.adapters.close()
    scene.operator = scene.an_operator()
    await scene.operator.load()
    assert await scene.settle() == []  # in between, the router must not hear that nobody has it
    assert len(scene.engine.steps) == 1
    assert scene.status["adapters"][0]["state"] == "Loaded"


async def test_what_was_published_is_no_longer_believed_once_the_pod_was_asked(
    scene: Scene,
) -> None:
    await scene.serve(A)
    scene.operator.queue.close()
    await scene.operator.adapters.close()
    scene.engine.loaded.clear()
    scene.engine.refuses["/models/adapters/a"] = "disk gone"
    scene.operator = scene.an_operator()
    await scene.operator.load()
    await scene.settle()
    assert scene.status["adapters"][0]["state"] == "Failed"
    assert scene.routes("sorter:a") == []
    assert len(scene.routes("sorter")) == 1


async def test_a_pod_that_is_gone_is_let_go(scene: Scene) -> None:
    await scene.serve(A)
    scene.cluster.remove(POD, f"ai/{scene.deployment()['metadata']['name']}-x")
    await scene.settle()
    looks = scene.engine.looks
    scene.operator.adapters.look()
    await scene.settle()
    assert scene.engine.looks == looks
    assert scene.condition("AdaptersReady") == ("Unknown", "NoPods")


async def test_the_last_adapter_leaves_the_status_with_it(scene: Scene) -> None:
    await scene.serve(A)
    scene.put()
    await scene.settle()
    assert "adapters" not in scene.status
    kinds = {c["type"] for c in scene.status["conditions"]}
    assert "AdaptersReady" not in kinds
    assert scene.engine.loaded == {}
