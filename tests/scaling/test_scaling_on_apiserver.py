"""Who owns the number of replicas, on a real API server: us, or an HPA, KEDA and kubectl scale."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import yaml
from apiserver import ApiServer
from docblocks import blocks
from stage import Library, node_body, specialist_body, tier_body

from tierwise_core.engine_metrics import EngineMetrics
from tierwise_core.fleet import Pod
from tierwise_operator.cluster import KubernetesCluster
from tierwise_operator.engine_room import Operator
from tierwise_operator.kinds import DEPLOYMENT, GPU_TIER, NODE, SERVED, SPECIALIST, WATCHED, Kind
from tierwise_operator.settings import Settings

pytestmark = pytest.mark.apiserver

PAGE = "docs/scaling.md"


@dataclass
class Real:
    """An operator beside a real API server, in a namespace of its own; passes are made by hand."""

    server: ApiServer
    cluster: KubernetesCluster
    namespace: str
    now: list[datetime]
    operator: Operator

    async def settle(self) -> None:
        for _ in range(3):
            for kind in WATCHED:
                scope = self.namespace if kind in SERVED else ""
                async for body in self.cluster.objects(kind, scope):
                    self.operator.store.observe(kind, body)
            await self.operator.settle()

    async def apply(self, kind: Kind, body: Mapping[str, Any], manager: str = "a-person") -> None:
        metadata = body["metadata"]
        await self.cluster.call(
            "PATCH",
            kind.path(metadata.get("namespace", ""), metadata["name"]),
            {"fieldManager": manager, "force": "true"},
            {"apiVersion": kind.api_version, "kind": kind.name, **body},
            {"Content-Type": "application/apply-patch+yaml"},
        )

    async def specialist(self, **replicas: int) -> None:
        placement = {"replicas": replicas, "targetConcurrency": 1}
        body = specialist_body(placement=placement)
        body["metadata"]["namespace"] = self.namespace
        await self.apply(SPECIALIST, body)
        await self.settle()

    async def read(self) -> dict[str, Any]:
        found = await self.cluster.get(SPECIALIST, self.namespace, "sorter")
        assert found is not None
        return dict(found)

    async def replicas(self) -> int:
        async for body in self.cluster.objects(DEPLOYMENT, self.namespace):
            return int(body["spec"]["replicas"])
        raise AssertionError("no Deployment")

    async def scale(self, replicas: int) -> dict[str, Any]:
        """What an HPA does: read the scale subresource, put it back with another number."""
        path = SPECIALIST.path(self.namespace, "sorter", "scale")
        scale = dict(await self.cluster.call("GET", path))
        scale["spec"] = {"replicas": replicas}
        return dict(await self.cluster.call("PUT", path, {}, scale))

    def restart(self) -> None:
        self.operator.queue.close()
        self.operator = an_operator(self.cluster, self.namespace, self.now)


async def nothing_answers(_: Iterable[Pod]) -> Mapping[str, EngineMetrics]:
    return {}


def an_operator(cluster: KubernetesCluster, namespace: str, now: list[datetime]) -> Operator:
    settings = Settings(identity="operator-0", namespaces=(namespace,))
    operator = Operator(cluster, settings, Library().read, clock=lambda: now[0])
    operator.load_watch.scrape = nothing_answers
    return operator


@pytest.fixture
async def real(api_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Real]:
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    cluster = await KubernetesCluster.connect()
    namespace, now = f"scale-{uuid4().hex[:8]}", [datetime(2026, 3, 1, 12, tzinfo=UTC)]
    real = Real(api_server, cluster, namespace, now, an_operator(cluster, namespace, now))
    api_server.kubectl("create", "namespace", namespace)
    node, tier = f"{namespace}-n1", f"{namespace}-gpu"
    body = node_body(node, tier, 8)
    status = json.dumps({"status": body.pop("status") | {"capacity": {"nvidia.com/gpu": "8"}}})
    await real.apply(NODE, body)
    api_server.kubectl("taint", "node", node, "node.kubernetes.io/not-ready-")
    api_server.kubectl("patch", "node", node, "--subresource=status", "--type=merge", "-p", status)
    await real.apply(GPU_TIER, tier_body(tier, 24, 0.4))
    yield real
    real.operator.queue.close()
    api_server.kubectl("delete", "specialists,pods", "--all", "-n", namespace, "--wait=false")
    api_server.kubectl("delete", "namespace", namespace, "--wait=false")
    api_server.kubectl("delete", f"node/{node}", f"gputier/{tier}", "--ignore-not-found")
    await cluster.close()


async def test_whoever_scales_by_the_subresource_owns_the_number(real: Real) -> None:
    await real.specialist(min=1)
    assert await real.replicas() == 1

    scaled = await real.scale(3)
    await real.settle()

    assert scaled["status"]["selector"] == "tierwise.dev/specialist=sorter"
    assert await real.replicas() == 3
    assert "scaling" not in (await real.read())["status"]

    real.server.kubectl("scale", "specialist/sorter", "-n", real.namespace, "--replicas=0")
    await real.settle()
    assert await real.replicas() == 0


async def test_with_a_max_nobody_else_scales_past_it(real: Real) -> None:
    await real.specialist(min=1, max=2)

    done = real.server.try_kubectl(
        "scale", "specialist/sorter", "-n", real.namespace, "--replicas=3"
    )

    assert done.returncode != 0
    assert "replicas.max must be at least replicas.min" in done.stderr


async def test_a_router_s_word_wakes_it_and_stays_the_router_s(real: Real) -> None:
    await real.specialist(min=0, max=3)
    assert await real.replicas() == 0
    assert (await real.read())["status"]["scaling"]["asleep"] is True

    await real.cluster.call(
        "PATCH",
        SPECIALIST.path(real.namespace, "sorter", "status"),
        {"fieldManager": "tierwise-router", "force": "true"},
        {
            "apiVersion": SPECIALIST.api_version,
            "kind": "Specialist",
            "metadata": {"name": "sorter", "namespace": real.namespace},
            "status": {"wake": {"requestedAt": "2026-03-01T12:00:00Z", "waiting": 2}},
        },
        {"Content-Type": "application/apply-patch+yaml"},
    )
    await real.settle()

    assert await real.replicas() == 3  # 2 / (0.8 x targetConcurrency 1)
    status = (await real.read())["status"]
    assert status["wake"] == {"requestedAt": "2026-03-01T12:00:00Z", "waiting": 2}
    assert (status["scaling"]["desiredReplicas"], status["scaling"]["asleep"]) == (3, False)
    seen = real.server.kubectl("get", "events", "-n", real.namespace, "-o", "json")
    assert "Woken" in {event["reason"] for event in json.loads(seen)["items"]}


async def test_a_new_operator_goes_on_with_the_number_it_finds(real: Real) -> None:
    await test_a_router_s_word_wakes_it_and_stays_the_router_s(real)
    before = (await real.read())["metadata"]["resourceVersion"]
    real.now[0] += timedelta(minutes=5)

    real.restart()
    await real.settle()

    assert await real.replicas() == 3
    assert (await real.read())["metadata"]["resourceVersion"] == before


def test_the_manifests_of_the_page_are_accepted(api_server: ApiServer) -> None:
    manifests = [yaml.safe_load(block) for block in blocks(PAGE, "yaml")]
    assert [body["kind"] for body in manifests] == [
        "Specialist",
        "Specialist",
        "HorizontalPodAutoscaler",
        "ScaledObject",
        "Specialist",
    ]
    for body in (one for one in manifests if one["kind"] != "ScaledObject"):
        api_server.kubectl(
            *("apply", "--dry-run=server", "--validate=strict", "-f", "-"),
            stdin=yaml.safe_dump(body),
        )


def test_an_hpa_and_keda_aim_at_what_has_a_scale_subresource(api_server: ApiServer) -> None:
    manifests = [yaml.safe_load(block) for block in blocks(PAGE, "yaml")]
    scalers = [body for body in manifests if body["kind"] != SPECIALIST.name]
    served = json.loads(api_server.kubectl("get", "--raw", f"/apis/{SPECIALIST.api_version}"))
    scale = next(r for r in served["resources"] if r["name"] == "specialists/scale")

    assert (scale["kind"], scale["group"]) == ("Scale", "autoscaling")
    assert len(scalers) == 2
    for scaler in scalers:
        assert scaler["spec"]["scaleTargetRef"] == {
            "apiVersion": SPECIALIST.api_version,
            "kind": "Specialist",
            "name": "sorter",
        }
