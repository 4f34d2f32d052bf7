"""The operator on a real API server: what it makes of our applies, and what comes back.

There are no controllers and no nodes behind it, so the stories play kubelet and garbage collector
themselves where they need one. Passes are driven directly; kopf is not running.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from apiserver import ApiServer
from observed import NOON
from stage import Library, node_body, pod_body, specialist_body, tier_body

from tierwise_core.plan import Plan, Scale
from tierwise_operator import watches
from tierwise_operator.cluster import ClusterError, KubernetesCluster
from tierwise_operator.engine_room import Operator
from tierwise_operator.kinds import (
    DEPLOYMENT,
    GPU_TIER,
    NODE,
    POD,
    SERVED,
    SERVICE,
    SPECIALIST,
    WATCHED,
    Kind,
)
from tierwise_operator.leadership import Leadership
from tierwise_operator.recorder import Subject
from tierwise_operator.settings import Settings

pytestmark = pytest.mark.apiserver

Json = dict[str, Any]


class Counting(KubernetesCluster):
    """The real client, noting what it writes."""

    writes: list[str]

    async def call(self, method: str, path: str, *arguments: Any, **named: Any) -> Any:
        if method != "GET" and "/events" not in path:
            self.writes.append(f"{method} {path}")
        return await super().call(method, path, *arguments, **named)


@dataclass
class Real:
    """An operator beside a real API server, in a namespace and with a GPU product of its own."""

    server: ApiServer
    cluster: Counting
    operator: Operator
    namespace: str

    async def write(self, kind: Kind, body: Json, subresource: str = "") -> Json:
        """Write as somebody else would: a plain server-side apply by another manager."""
        path = kind.path(
            body["metadata"].get("namespace", ""), body["metadata"]["name"], subresource
        )
        answer = await KubernetesCluster.call(
            self.cluster,
            "PATCH",
            path,
            {"fieldManager": "a-person", "force": "true"},
            {"apiVersion": kind.api_version, "kind": kind.name, **body},
            {"Content-Type": "application/apply-patch+yaml"},
        )
        return dict(answer)

    async def look(self) -> None:
        """Let the store see what is there, as the watches would."""
        for kind in WATCHED:
            there = set()
            scope = self.namespace if kind in SERVED else ""
            async for body in self.cluster.objects(kind, scope):
                metadata = body["metadata"]
                there.add(f"{metadata.get('namespace')}/{metadata['name']}")
                self.operator.store.observe(kind, body)
            for key in self.operator.store.shelf(kind):
                if "/" in key and key not in there:
                    self.operator.store.forget(kind, key)

    async def settle(self) -> list[str]:
        """Look and work until the operator rests; return its writes."""
        self.cluster.writes.clear()
        for _ in range(2):
            await self.look()
            await self.operator.settle()
        return list(self.cluster.writes)

    async def specialist(self, name: str = "sorter", **spec: Any) -> Json:
        body = specialist_body(name, **{"placement": {"targetConcurrency": 1}, **spec})
        body["metadata"]["namespace"] = self.namespace
        return await self.write(SPECIALIST, body)

    async def read(self, kind: Kind, name: str) -> Json:
        found = await self.cluster.get(kind, self.namespace if kind.namespaced else "", name)
        assert found is not None
        return dict(found)

    async def deployments(self) -> list[Json]:
        return [
            dict(body)
            async for body in self.cluster.objects(DEPLOYMENT)
            if body["metadata"]["namespace"] == self.namespace
        ]

    async def run_pods(self) -> None:
        """Play the controllers and the kubelet: each Deployment gets one ready pod."""
        for deployment in await self.deployments():
            body = pod_body(deployment)
            name = body["metadata"]["name"]
            if await self.cluster.get(POD, self.namespace, name) is None:
                status = body.pop("status")
                body["spec"]["nodeName"] = f"{self.namespace}-n1"
                await self.write(POD, body)
                await self.write(
                    POD,
                    {"metadata": {"name": name, "namespace": self.namespace}, "status": status},
                    "status",
                )

    def restart(self) -> None:
        self.operator.queue.close()
        self.operator = an_operator(self.cluster, self.namespace)


def an_operator(cluster: KubernetesCluster, namespace: str) -> Operator:
    settings = Settings(identity="operator-0", namespaces=(namespace,))
    return Operator(cluster, settings, Library().read, clock=lambda: NOON)


def conditions(body: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in body["status"]["conditions"]}


@pytest.fixture
async def real(api_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Real]:
    """An operator and a fleet of one tier with one node, of a namespace's own."""
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    cluster = await Counting.connect()
    assert isinstance(cluster, Counting)
    cluster.writes = []
    namespace = f"n{uuid4().hex[:8]}"
    made = Real(api_server, cluster, an_operator(cluster, namespace), namespace)
    api_server.kubectl("create", "namespace", namespace)
    api_server.kubectl("create", "serviceaccount", "default", "-n", namespace)
    tier, node = tier_body(namespace, 24, 0.4), node_body(f"{namespace}-n1", namespace, 4)
    status = node.pop("status")
    await made.write(GPU_TIER, tier)
    await made.write(NODE, node)
    await made.write(NODE, {"metadata": {"name": f"{namespace}-n1"}, "status": status}, "status")
    api_server.kubectl("taint", "node", f"{namespace}-n1", "node.kubernetes.io/not-ready-")
    yield made
    made.operator.queue.close()
    # Nobody empties a namespace here, and what stays would be seen by the tests that follow.
    api_server.kubectl("delete", "specialists,pods", "--all", "-n", namespace, "--wait=false")
    for path in (GPU_TIER.path(name=namespace), NODE.path(name=f"{namespace}-n1")):
        await cluster.call("DELETE", path)
    await cluster.close()


async def test_a_specialist_is_placed_rendered_and_reported(real: Real) -> None:
    await real.specialist()
    await real.settle()
    (deployment,) = await real.deployments()
    await real.run_pods()
    await real.settle()
    body = await real.read(SPECIALIST, "sorter")
    assert conditions(body)["Ready"] == ("True", "Ready")
    assert body["status"]["placement"]["tier"] == real.namespace
    assert body["status"]["endpoints"][0]["url"] == "http://10.0.0.7:8000"
    revision = deployment["metadata"]["labels"]["tierwise.dev/revision"]
    assert body["status"]["activeRevision"] == revision
    row = real.server.kubectl("get", "sp", "sorter", "-n", real.namespace, "--no-headers")
    assert row.split()[:6] == ["sorter", "sorting", real.namespace, "1", "1", "1"]


async def test_a_converged_cluster_gets_no_write_not_even_after_a_restart(real: Real) -> None:
    await real.specialist(
        engine={
            "podTemplate": {
                "spec": {
                    "containers": [
                        {
                            "name": "engine",
                            "resources": {"limits": {"cpu": "0.5", "memory": "1024Mi"}},
                            "env": [{"name": "EMPTY", "value": ""}],
                        }
                    ],
                    "hostNetwork": False,
                    "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "1000Mi"}}],
                }
            }
        }
    )
    await real.settle()
    await real.run_pods()
    await real.settle()
    real.restart()
    assert await real.settle() == []


async def test_edits_by_hand_are_healed_and_what_others_add_is_left(real: Real) -> None:
    await real.specialist()
    await real.settle()
    (deployment,) = await real.deployments()
    name = deployment["metadata"]["name"]
    edit = {
        "metadata": {
            "name": name,
            "namespace": real.namespace,
            "annotations": {"team": "blue"},
            "labels": {"tierwise.dev/tier": "stolen"},
        },
        "spec": {
            "replicas": 7,
            "template": {
                "spec": {
                    "containers": [{"name": "engine", "image": "evil:1"}],
                    "nodeSelector": {"gpu": "elsewhere"},
                }
            },
        },
    }
    await real.write(DEPLOYMENT, edit)
    assert await real.settle() == [f"PATCH {DEPLOYMENT.path(real.namespace, name)}"]
    healed = await real.read(DEPLOYMENT, name)
    assert healed["spec"]["replicas"] == 1
    template = healed["spec"]["template"]["spec"]
    assert template["containers"][0]["image"] == "vllm/vllm-openai:v0.33.0"
    assert template["nodeSelector"] == {"gpu": real.namespace}
    assert healed["metadata"]["annotations"]["team"] == "blue"
    assert healed["metadata"]["labels"]["tierwise.dev/tier"] == real.namespace


async def test_a_deleted_child_comes_back(real: Real) -> None:
    await real.specialist()
    await real.settle()
    (deployment,) = await real.deployments()
    name = deployment["metadata"]["name"]
    real.server.kubectl("delete", f"deploy/{name}", "svc/sorter", "-n", real.namespace)
    writes = await real.settle()
    assert sorted(writes) == sorted(
        [
            f"PATCH {DEPLOYMENT.path(real.namespace, name)}",
            f"PATCH {SERVICE.path(real.namespace, 'sorter')}",
        ]
    )


async def test_a_child_has_one_manager_who_applied_it(real: Real) -> None:
    """So a field that we stop setting goes away by itself."""
    await real.specialist()
    await real.settle()
    (deployment,) = await real.deployments()
    managers = {m["manager"]: m["operation"] for m in deployment["metadata"]["managedFields"]}
    assert managers == {"tierwise-operator": "Apply"}


async def test_a_new_image_makes_a_second_deployment_and_then_replaces_the_first(
    real: Real,
) -> None:
    await real.specialist()
    await real.settle()
    await real.run_pods()
    await real.settle()
    (old,) = await real.deployments()
    await real.specialist(engine={"image": "vllm/vllm-openai:v0.33.1"})
    await real.settle()
    assert len(await real.deployments()) == 2
    await real.run_pods()
    await real.settle()
    (new,) = await real.deployments()
    assert new["metadata"]["name"] != old["metadata"]["name"]


async def test_a_pod_whose_node_is_about_to_go_is_marked_and_one_more_is_asked_for(
    real: Real,
) -> None:
    await real.specialist()
    await real.settle()
    await real.run_pods()
    await real.settle()
    spare = node_body(f"{real.namespace}-n2", real.namespace, 4)
    status = spare.pop("status")
    await real.write(NODE, spare)
    await real.write(NODE, {"metadata": spare["metadata"], "status": status}, "status")
    both = [f"{real.namespace}-n1", f"{real.namespace}-n2"]
    real.server.try_kubectl("taint", "node", both[1], "node.kubernetes.io/not-ready-")
    real.server.kubectl("taint", "node", both[0], "tierwise.dev/leaving=:NoSchedule")
    try:
        await real.settle()
        (deployment,) = await real.deployments()
        assert deployment["spec"]["replicas"] == 2
        pod = await real.read(POD, f"{deployment['metadata']['name']}-x")
        cost = "controller.kubernetes.io/pod-deletion-cost"
        assert pod["metadata"]["annotations"][cost] == "-1000"
        assert await real.settle() == []
        real.server.kubectl("taint", "node", both[0], "tierwise.dev/leaving-")
        await real.settle()
        pod = await real.read(POD, f"{deployment['metadata']['name']}-x")
        assert cost not in pod["metadata"].get("annotations", {})
        assert (await real.deployments())[0]["spec"]["replicas"] == 1
    finally:
        real.server.kubectl("delete", "node", both[1])


async def test_an_old_revision_gives_way_by_its_scale_alone(real: Real) -> None:
    """Its template is of a spec that is no more, so nothing but the number is written."""
    await real.specialist()
    await real.settle()
    (deployment,) = await real.deployments()
    name = deployment["metadata"]["name"]
    shrink = Scale("Deployment", real.namespace, name, 0, "no room for both")
    subject = Subject(SPECIALIST, real.namespace, "sorter", "u")
    await real.operator.passes.executor.carry_out(Plan(actions=(shrink,)), subject)
    after = await real.read(DEPLOYMENT, name)
    assert after["spec"]["replicas"] == 0
    assert after["spec"]["template"] == deployment["spec"]["template"]
    await real.settle()
    assert (await real.deployments())[0]["spec"]["replicas"] == 1


async def test_kubectl_scale_is_followed(real: Real) -> None:
    await real.specialist()
    await real.settle()
    real.server.kubectl("scale", "sp/sorter", "--replicas=3", "-n", real.namespace)
    await real.settle()
    (deployment,) = await real.deployments()
    assert deployment["spec"]["replicas"] == 3


async def test_a_template_that_the_api_server_refuses_is_told_and_disturbs_nobody(
    real: Real,
) -> None:
    bad = {"spec": {"containers": [{"name": "engine", "imagePullPolicy": "Sometimes"}]}}
    await real.specialist("bad", engine={"podTemplate": bad})
    await real.specialist("worse", engine={"podTemplate": {"spec": {"nonsense": True}}})
    await real.specialist()
    await real.settle()
    for name, word in (("bad", "Sometimes"), ("worse", "nonsense")):
        body = await real.read(SPECIALIST, name)
        assert conditions(body)["Ready"] == ("False", "ApplyRejected")
        assert word in body["status"]["conditions"][-1]["message"]
    assert conditions(await real.read(SPECIALIST, "sorter"))["Placed"] == ("True", "Placed")


async def test_the_status_is_ours_and_other_writers_fields_stay(real: Real) -> None:
    await real.specialist()
    await real.settle()
    other = {
        "metadata": {"name": "sorter", "namespace": real.namespace},
        "status": {
            "conditions": [
                {
                    "type": "Inspected",
                    "status": "True",
                    "reason": "ByHand",
                    "message": "",
                    "lastTransitionTime": "2026-03-01T12:00:00Z",
                }
            ]
        },
    }
    await real.write(SPECIALIST, other, "status")
    assert await real.settle() == []
    await real.run_pods()
    await real.settle()
    body = await real.read(SPECIALIST, "sorter")
    assert conditions(body)["Inspected"] == ("True", "ByHand")
    assert conditions(body)["Ready"] == ("True", "Ready")


async def test_the_tier_counts_its_gpus(real: Real) -> None:
    await real.specialist()
    await real.settle()
    await real.run_pods()
    await real.settle()
    body = await real.read(GPU_TIER, real.namespace)
    assert body["status"]["gpus"] == {"capacity": 4, "allocated": 1, "free": 3}
    assert body["status"]["nodes"] == 1
    assert body["status"]["usdPerHour"] == 1.6
    assert conditions(body)["Ready"] == ("True", "Matched")


async def test_events_show_in_kubectl_describe(real: Real) -> None:
    await real.specialist()
    await real.settle()
    described = real.server.kubectl("describe", "sp", "sorter", "-n", real.namespace)
    assert "RevisionStarted" in described
    assert "tierwise.dev/operator" in described


async def test_the_lease_is_taken_renewed_and_given_back(real: Real) -> None:
    first, second = (Leadership(real.cluster, real.namespace, name) for name in "ab")
    assert await first.attempt(0.0)
    assert await first.attempt(2.0)
    assert not await second.attempt(3.0)
    await first.give_back()
    assert await second.attempt(4.0)


async def test_an_error_of_the_api_server_carries_its_words(real: Real) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "Not A Name", "namespace": real.namespace},
    }
    with pytest.raises(ClusterError, match="Not A Name") as caught:
        await real.cluster.apply(SERVICE, body)
    assert caught.value.rejected


@pytest.mark.parametrize("everywhere", [True, False], ids=["everywhere", "one namespace"])
async def test_kopf_feeds_the_store_and_writes_nothing(real: Real, *, everywhere: bool) -> None:
    """The one test with kopf itself: an object appears, changes and goes; one was there before."""
    namespaces = () if everywhere else (real.namespace,)
    ours = asyncio.all_tasks()
    listed: list[str] = []
    await real.specialist("before")
    where = "" if everywhere else real.namespace
    there = len([body async for body in real.cluster.objects(SPECIALIST, where)])
    kopfs = await watches.start(
        real.operator.store, lambda kind: listed.append(kind.name), namespaces
    )
    watching = [asyncio.create_task(watches.run(tasks, ours)) for tasks in kopfs]
    try:
        created = await real.specialist()
        key = f"{real.namespace}/sorter"
        shelf = real.operator.store.specialists

        async def until(seen: Any) -> None:
            while not seen():  # noqa: ASYNC110 - the store has no event to wait for
                await asyncio.sleep(0.01)

        async with asyncio.timeout(60):
            await until(lambda: shelf.get(f"{real.namespace}/before") is not None)
            await until(lambda: shelf.get(key) is not None)
            await real.specialist(priority=5)
            await until(lambda: (found := shelf.get(key)) is not None and found.priority == 5)
            body = await real.read(SPECIALIST, "sorter")
            assert "annotations" not in body["metadata"]
            assert "finalizers" not in body["metadata"]
            assert body["metadata"]["uid"] == created["metadata"]["uid"]
            real.server.kubectl("delete", "sp", "sorter", "-n", real.namespace)
            await until(lambda: shelf.get(key) is None)
        assert 1 <= listed.count("Specialist") <= there + 1  # the new one may be in the listing
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
