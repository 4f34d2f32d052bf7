"""Whole rollouts against a real API server: the operator creates, decides, adopts, and survives.

There are no controllers and no nodes behind it: the stories play kubelet and garbage collector.
The ledger and the routers say what the story says. Each story makes a new operator whenever it
likes, as a kill would.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from apiserver import ApiServer
from rolling import NOON, ScriptedExaminer, ScriptedLedger, ScriptedRouters, rollout_body
from stage import Library, node_body, pod_body, specialist_body, tier_body
from typer.testing import CliRunner

from tierwise_cli.main import app
from tierwise_operator.cluster import KubernetesCluster
from tierwise_operator.engine_room import Operator
from tierwise_operator.kinds import (
    DEPLOYMENT,
    GPU_TIER,
    NODE,
    POD,
    ROLLOUT,
    SERVED,
    SPECIALIST,
    WATCHED,
    Kind,
)
from tierwise_operator.rolling.means import Means
from tierwise_operator.settings import Settings
from tierwise_operator.workqueue import Item

pytestmark = pytest.mark.apiserver

Json = dict[str, Any]
STRATEGY = {"cooldown": "5m", "deadline": "24h"}


@dataclass
class Land:
    """A namespace with one tier of one node, and an operator that is killed and made anew."""

    cluster: KubernetesCluster
    namespace: str
    ledger: ScriptedLedger = field(default_factory=ScriptedLedger)
    examiner: ScriptedExaminer = field(default_factory=ScriptedExaminer)
    now: datetime = NOON
    broken: str = ""

    def __post_init__(self) -> None:
        self.routers = ScriptedRouters(self._written)
        self.begin()

    def begin(self) -> None:
        """A new process, which knows nothing."""
        self.operator = Operator(
            self.cluster,
            Settings(identity="operator-0", namespaces=(self.namespace,)),
            Library().read,
            clock=lambda: self.now,
            rollouts=lambda changed: Means(
                self.ledger,  # type: ignore[arg-type]
                self.routers,  # type: ignore[arg-type]
                self.examiner,
                changed,
            ),
        )

    def kill(self) -> None:
        self.operator.queue.close()
        self.begin()

    async def write(self, kind: Kind, body: Json, subresource: str = "") -> Json:
        """Write as somebody else would."""
        metadata = body["metadata"]
        path = kind.path(metadata.get("namespace", ""), metadata["name"], subresource)
        answer = await self.cluster.call(
            "PATCH",
            path,
            {"fieldManager": "a-person", "force": "true"},
            {"apiVersion": kind.api_version, "kind": kind.name, **body},
            {"Content-Type": "application/apply-patch+yaml"},
        )
        return dict(answer)

    async def specialist(self, model: str = "v1") -> None:
        spec = {"model": {"source": f"file:///models/{model}"}}
        body = specialist_body(
            "sorter", **spec, placement={"targetConcurrency": 1}, rollout=STRATEGY
        )
        body["metadata"]["namespace"] = self.namespace
        await self.write(SPECIALIST, body)

    async def look(self) -> None:
        """Let the store see what is there, as the watches would."""
        for kind in WATCHED:
            there = set()
            async for body in self.cluster.objects(kind, self.namespace if kind in SERVED else ""):
                metadata = body["metadata"]
                there.add(f"{metadata.get('namespace')}/{metadata['name']}")
                self.operator.store.observe(kind, body)
            for key in self.operator.store.shelf(kind):
                if "/" in key and key not in there:
                    self.operator.store.forget(kind, key)

    async def settle(self) -> None:
        """Look and work, and play the kubelet, until the operator rests."""
        for _ in range(3):
            await self.look()
            for key in self.operator.store.rollouts:
                self.operator.queue.add(Item("Rollout", key))
            await self.operator.settle()
            await self.run_pods()
        await self.look()
        await self.operator.settle()

    async def after(self, seconds: float) -> Json:
        """Let time go by, settle, and return the one Rollout's status."""
        self.now += timedelta(seconds=seconds)
        means = self.operator.rollouts.means
        for one in (means.sums, means.failures, means.taken, means.history):
            one.expire()
        await self.settle()
        return (await self.rollouts())[-1]["status"]

    async def run_pods(self) -> None:
        """Each Deployment has one ready pod, except the one whose image is broken; others go."""
        wanted = {}
        async for body in self.cluster.objects(DEPLOYMENT, self.namespace):
            if body["spec"]["replicas"]:
                wanted[body["metadata"]["name"]] = body
        async for pod in self.cluster.objects(POD, self.namespace):
            name = pod["metadata"]["name"]
            if name.removesuffix("-x") not in wanted:
                path = f"{POD.path(self.namespace, name)}?gracePeriodSeconds=0"
                await self.cluster.call("DELETE", path)
        for name, deployment in wanted.items():
            if await self.cluster.get(POD, self.namespace, f"{name}-x") is None:
                await self._run_pod(dict(deployment))

    async def _run_pod(self, deployment: Json) -> None:
        body = pod_body(deployment)
        status = body.pop("status")
        body["spec"]["nodeName"] = f"{self.namespace}-n1"
        if self.broken and self.broken in str(deployment["spec"]["template"]):
            waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
            status["conditions"] = [{"type": "Ready", "status": "False"}]
            status["containerStatuses"] = [{"name": "engine", "state": {"waiting": waiting}}]
        await self.write(POD, body)
        meta = {"name": body["metadata"]["name"], "namespace": self.namespace}
        await self.write(POD, {"metadata": meta, "status": status}, "status")

    async def rollouts(self) -> list[Json]:
        found = [dict(body) async for body in self.cluster.objects(ROLLOUT, self.namespace)]
        return sorted(found, key=lambda body: body["metadata"]["creationTimestamp"])

    async def read(self, kind: Kind, name: str) -> Json:
        found = await self.cluster.get(kind, self.namespace, name)
        assert found is not None
        return dict(found)

    async def deployments(self) -> list[str]:
        return [
            body["metadata"]["name"]
            async for body in self.cluster.objects(DEPLOYMENT, self.namespace)
        ]

    async def until(
        self, stage: str, answers: Callable[[], None] = lambda: None, *, killed: bool = False
    ) -> Json:
        """Go on until the Rollout is in a stage; ``killed`` makes a new operator at every turn."""
        seen = []
        for _ in range(40):
            answers()
            if killed:
                self.kill()
            status = await self.after(10)
            seen.append(status.get("stage"))
            if status.get("stage") == stage:
                return status
        raise AssertionError(f"never {stage}: {seen}")

    def better(self) -> None:
        self.ledger.judged("blue", 12, 8)
        self.ledger.judged("green", 39, 1)

    def worse(self) -> None:
        self.ledger.judged("blue", 19, 1)
        self.ledger.judged("green", 2, 8)

    def _written(self) -> dict[tuple[str, str], int]:
        return {
            (order.specialist_key, order.name): int(
                (order.status.get("weights") or {}).get("green") or 0
            )
            for order in self.operator.store.rollouts.all()
        }


@pytest.fixture
async def land(api_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Land]:
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    cluster = await KubernetesCluster.connect()
    namespace = f"n{uuid4().hex[:8]}"
    made = Land(cluster, namespace)
    api_server.kubectl("create", "namespace", namespace)
    api_server.kubectl("create", "serviceaccount", "default", "-n", namespace)
    node = node_body(f"{namespace}-n1", namespace, 4)
    status = node.pop("status")
    await made.write(GPU_TIER, tier_body(namespace, 24, 0.4))
    await made.write(NODE, node)
    await made.write(NODE, {"metadata": {"name": f"{namespace}-n1"}, "status": status}, "status")
    api_server.kubectl("taint", "node", f"{namespace}-n1", "node.kubernetes.io/not-ready-")
    made.ledger.judged("day", 800, 200)
    await made.specialist("v1")
    await made.settle()
    yield made
    made.operator.queue.close()
    api_server.kubectl("delete", "rollouts,specialists", "--all", "-n", namespace)
    api_server.kubectl(
        "delete", "pods", "--all", "-n", namespace, "--grace-period=0", "--force", "--wait=false"
    )
    for path in (GPU_TIER.path(name=namespace), NODE.path(name=f"{namespace}-n1")):
        await cluster.call("DELETE", path)
    await cluster.close()


async def test_a_changed_model_proves_itself_and_is_adopted_killed_at_every_turn(
    land: Land,
) -> None:
    (blue,) = await land.deployments()
    await land.specialist("v2")
    await land.until("Canary", killed=True)
    (green,) = set(await land.deployments()) - {blue}
    uid = (await land.read(POD, f"{green}-x"))["metadata"]["uid"]
    status = await land.until("Promoted", land.better, killed=True)
    assert status["weights"] == {"blue": 0, "green": 100}
    assert blue in await land.deployments()  # warm, for an instant way back
    for _ in range(5):
        await land.after(61)
        land.kill()
    status = await land.until("Complete", killed=True)
    await land.after(10)
    assert await land.deployments() == [green]
    assert (await land.read(POD, f"{green}-x"))["metadata"]["uid"] == uid  # never restarted
    body = await land.read(SPECIALIST, "sorter")
    assert body["status"]["stable"]["model"]["source"] == "file:///models/v2"
    assert len(await land.rollouts()) == 1
    assert status["sides"]["blue"]["model"]["source"] == "file:///models/v1"


async def test_a_worse_model_goes_back_and_the_spec_is_not_touched(land: Land) -> None:
    (blue,) = await land.deployments()
    await land.specialist("v2")
    await land.until("Canary")
    moving = (await land.read(SPECIALIST, "sorter"))["status"]["conditions"]
    assert "RolloutInProgress" in {c["reason"] for c in moving if c["type"] == "Reconciling"}
    status = await land.until("RolledBack", land.worse, killed=True)
    assert status["verdict"]["reason"] == "UtilityRegression"
    assert status["failuresKept"] > 0
    await land.after(10)
    assert await land.deployments() == [blue]
    body = await land.read(SPECIALIST, "sorter")
    assert body["spec"]["model"]["source"] == "file:///models/v2"
    holds = {c["type"]: c["status"] == "True" for c in body["status"]["conditions"]}
    assert holds["RolloutRejected"]
    assert holds["Stalled"]  # so kstatus says failed: what git asks for is not what runs
    assert holds["Ready"]  # though blue serves
    assert "Reconciling" not in holds
    assert body["status"]["stable"]["model"]["source"] == "file:///models/v1"
    await land.after(600)
    assert len(await land.rollouts()) == 1  # it is not tried again until the spec changes


async def test_a_broken_image_never_gets_a_share(land: Land) -> None:
    land.broken = "v2"
    await land.specialist("v2")
    status = await land.until("RolledBack")
    assert status["verdict"]["reason"] == "GreenFailed"
    assert {point["greenPercent"] for point in status["trajectory"]} == {0}


async def test_three_changes_in_a_row_try_only_the_last(land: Land) -> None:
    await land.specialist("v2")
    await land.until("Canary")
    await land.specialist("v3")
    await land.specialist("v4")
    for _ in range(6):
        await land.after(10)
        land.kill()
    stages = {
        body["spec"]["candidate"]["model"]["source"][-2:]: body["status"]["stage"]
        for body in await land.rollouts()
    }
    assert stages["v2"] == "Aborted"
    assert stages["v4"] == "Canary"
    assert stages.get("v3", "Aborted") == "Aborted"


async def test_a_specialist_that_goes_takes_a_hand_made_rollout_back(
    land: Land, api_server: ApiServer
) -> None:
    body = rollout_body("by-hand", land.namespace, strategy=STRATEGY)
    await land.write(ROLLOUT, body)
    await land.until("Canary")
    assert (await land.read(SPECIALIST, "sorter"))["status"]["stable"]["answers"]
    api_server.kubectl("delete", "specialist", "sorter", "-n", land.namespace)
    status = await land.until("Aborted")
    assert status["verdict"]["reason"] == "SpecialistDeleted"


async def test_two_rollouts_take_turns_and_a_pause_and_an_abort_are_edits(land: Land) -> None:
    for name in ("one", "two"):
        await land.write(ROLLOUT, rollout_body(name, land.namespace, strategy=STRATEGY))
        await land.after(1)
    await land.after(5)
    one, two = [(await land.read(ROLLOUT, name))["status"] for name in ("one", "two")]
    assert (one["stage"], two["stage"]) == ("Canary", "Pending")
    assert "AnotherRollout" in {c["reason"] for c in two["conditions"]}
    await land.write(ROLLOUT, rollout_body("one", land.namespace, strategy=STRATEGY, paused=True))
    await land.after(10)
    assert (await land.read(ROLLOUT, "one"))["status"]["stage"] == "Paused"
    await land.write(ROLLOUT, rollout_body("one", land.namespace, strategy=STRATEGY, abort=True))
    land.ledger.away = True
    for _ in range(4):
        await land.after(2)
    assert (await land.read(ROLLOUT, "one"))["status"]["weights"]["green"] == 0
    land.ledger.away = False
    for _ in range(4):
        await land.after(10)
    one, two = [(await land.read(ROLLOUT, name))["status"] for name in ("one", "two")]
    assert (one["stage"], two["stage"]) == ("Aborted", "Canary")


async def test_what_a_person_promotes_is_adopted_and_undone_by_the_command_line(
    land: Land, api_server: ApiServer
) -> None:
    def tierwise(*arguments: str) -> str:
        where = ("--namespace", land.namespace, "--kubeconfig", str(api_server.kubeconfig))
        done = CliRunner().invoke(app, ["rollout", *arguments, *where])
        assert done.exit_code == 0, done.output
        return done.output

    async def said(*arguments: str) -> str:
        return await asyncio.to_thread(tierwise, *arguments)

    await land.specialist("v2")
    await land.until("Canary")
    (first,) = await land.rollouts()
    await said("promote", first["metadata"]["name"])
    await land.until("Promoted")
    await land.after(301)
    assert (await land.rollouts())[0]["status"]["stage"] == "Complete"
    await land.after(10)

    await said("undo", "sorter")

    for _ in range(4):
        await land.after(10)
    status = {body["metadata"]["name"]: body["status"] for body in await land.rollouts()}
    (back,) = status.keys() - {first["metadata"]["name"]}
    assert (status[back]["stage"], status[back]["weights"]["green"]) == ("Promoted", 100)
    assert status[back]["trigger"]["reason"] == "Undo"
    await land.after(601)
    await land.after(10)
    body = await land.read(SPECIALIST, "sorter")
    assert body["status"]["stable"]["model"]["source"] == "file:///models/v1"
    assert body["spec"]["model"]["source"] == "file:///models/v2"  # git's word is git's to change
    assert len(await land.rollouts()) == 2  # and what git asks for is not tried once more
    told = await said("list", "--output", "json")
    assert {row["stage"] for row in json.loads(told)["rollouts"]} == {"Complete"}
