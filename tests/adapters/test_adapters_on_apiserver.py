"""Adapters on a real API server, beside an engine that speaks HTTP: what the status becomes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from apiserver import ApiServer
from fake_engine import FakeEngine
from lora_engines import HttpLoraEngine
from observed import NOON
from stage import Library, node_body, pod_body, specialist_body, tier_body

from tierwise_core.engine import PORT
from tierwise_core.lora import AdapterFacts
from tierwise_operator.adapter_sources import AdapterAsked
from tierwise_operator.adapters import AdapterMeans
from tierwise_operator.cluster import KubernetesCluster
from tierwise_operator.engine_room import Operator
from tierwise_operator.kinds import DEPLOYMENT, GPU_TIER, NODE, POD, SPECIALIST, WATCHED, Kind
from tierwise_operator.settings import Settings

pytestmark = pytest.mark.apiserver

ADDRESS = "127.77.0.7"  # a loopback address of its own, so that the engines' port is free there


async def read(asked: AdapterAsked) -> AdapterFacts:
    return AdapterFacts(64 if asked.source.endswith("wide") else 8, ("q_proj",), "sorter")


@dataclass
class Scene:
    """An operator of one namespace beside a real API server, and one engine."""

    server: ApiServer
    cluster: KubernetesCluster
    operator: Operator
    vllm: HttpLoraEngine
    namespace: str

    async def write(self, kind: Kind, body: dict[str, Any], subresource: str = "") -> None:
        metadata = body["metadata"]
        path = kind.path(metadata.get("namespace", ""), metadata["name"], subresource)
        await self.cluster.call(
            "PATCH",
            path,
            {"fieldManager": "a-person", "force": "true"},
            {"apiVersion": kind.api_version, "kind": kind.name, **body},
            {"Content-Type": "application/apply-patch+yaml"},
        )

    async def settle(self) -> None:
        for _ in range(2):
            for kind in WATCHED:
                async for body in self.cluster.objects(kind):
                    self.operator.store.observe(kind, body)
            await self.operator.settle()

    async def specialist(self, *adapters: str) -> None:
        body = specialist_body()
        body["metadata"]["namespace"] = self.namespace
        named = [{"name": name, "source": f"file:///models/{name}"} for name in adapters]
        body["spec"]["model"] |= {"adapters": named, "adapterLimits": {"maxLoaded": 3}}
        body["spec"]["placement"] = {"targetConcurrency": 1, "tiers": [self.namespace]}
        await self.write(SPECIALIST, body)
        await self.settle()

    async def deployments(self) -> list[dict[str, Any]]:
        return [dict(body) async for body in self.cluster.objects(DEPLOYMENT, self.namespace)]

    async def run_pod(self) -> None:
        (deployment,) = await self.deployments()
        body = pod_body(deployment)
        status = body.pop("status") | {"podIP": ADDRESS}
        body["spec"]["nodeName"] = f"{self.namespace}-n1"
        await self.write(POD, body)
        name = {"name": body["metadata"]["name"], "namespace": self.namespace}
        await self.write(POD, {"metadata": name, "status": status}, "status")
        await self.settle()

    async def status(self) -> dict[str, Any]:
        found = await self.cluster.get(SPECIALIST, self.namespace, "sorter")
        assert found
        return dict(found["status"])


@pytest.fixture
async def scene(api_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    cluster, namespace = await KubernetesCluster.connect(), f"a{uuid4().hex[:8]}"
    settings = Settings(identity="operator-0", namespaces=(namespace,))
    means = AdapterMeans(read=read)
    operator = Operator(cluster, settings, Library().read, clock=lambda: NOON, adapters=means)
    vllm = HttpLoraEngine()
    engine = await FakeEngine.start(vllm, ADDRESS, PORT)
    made = Scene(api_server, cluster, operator, vllm, namespace)
    api_server.kubectl("create", "namespace", namespace)
    api_server.kubectl("create", "serviceaccount", "default", "-n", namespace)
    node = node_body(f"{namespace}-n1", namespace, 4)
    status = node.pop("status")
    await made.write(GPU_TIER, tier_body(namespace, 24, 0.4))
    await made.write(NODE, node)
    await made.write(NODE, {"metadata": {"name": f"{namespace}-n1"}, "status": status}, "status")
    api_server.kubectl("taint", "node", f"{namespace}-n1", "node.kubernetes.io/not-ready-")
    yield made
    operator.queue.close()
    await operator.adapters.close()
    await engine.stop()
    # Nobody empties a namespace here, and what stays would be seen by the tests that follow.
    api_server.kubectl("delete", "specialists,pods", "--all", "-n", namespace, "--wait=false")
    for path in (GPU_TIER.path(name=namespace), NODE.path(name=f"{namespace}-n1")):
        await cluster.call("DELETE", path)
    await cluster.close()


async def test_adapters_come_change_and_go_while_the_pod_stays(scene: Scene) -> None:
    await scene.specialist()
    (before,) = await scene.deployments()
    await scene.run_pod()
    assert "adapters" not in await scene.status()

    await scene.specialist("a", "b")
    assert scene.vllm.loaded == {"sorter:a": "/models/a", "sorter:b": "/models/b"}
    status = await scene.status()
    assert [(row["name"], row["state"]) for row in status["adapters"]] == [
        ("a", "Loaded"),
        ("b", "Loaded"),
    ]

    await scene.specialist("b")
    assert scene.vllm.loaded == {"sorter:b": "/models/b"}
    (after,) = await scene.deployments()
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


async def test_an_adapter_of_too_high_a_rank_is_told_on_the_object(scene: Scene) -> None:
    await scene.specialist("a", "wide")
    await scene.run_pod()
    assert scene.vllm.loaded == {"sorter:a": "/models/a"}
    conditions = {c["type"]: c for c in (await scene.status())["conditions"]}
    told = conditions["AdaptersReady"]
    assert (told["status"], told["reason"]) == ("False", "InvalidAdapter")
    assert told["message"] == (
        "spec.model.adapters[1].source: 'wide' has rank 64, spec.model.adapterLimits.maxRank is "
        "16; set maxRank to 64 or train the adapter with 16 or less"
    )
    assert conditions["ServingReady"]["status"] == "True"


async def test_more_adapters_than_there_is_room_for_are_refused_at_the_door(scene: Scene) -> None:
    with pytest.raises(Exception, match=r"adapters must not be more than adapterLimits\.maxLoaded"):
        await scene.specialist("a", "b", "c", "d")
