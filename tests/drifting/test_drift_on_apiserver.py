"""A drift and its training against a real API server, which checks and merges what is written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import yaml
from apiserver import ApiServer
from drifting_sorter import NOON, SORTER, ScriptedLessons

from tierwise_api import Specialist
from tierwise_operator.cluster import KubernetesCluster
from tierwise_operator.distill_rollouts import rollout as observed_rollout
from tierwise_operator.drifting.watch import DriftWatch
from tierwise_operator.kinds import CONFIG_MAP, JOB, POD, ROLLOUT, SPECIALIST, Kind
from tierwise_operator.recorder import Recorder
from tierwise_operator.store import Store

pytestmark = pytest.mark.apiserver

READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Serving",
    "message": "",
    "observedGeneration": 1,
    "lastTransitionTime": "2026-03-01T12:00:00Z",
}


@dataclass
class Land:
    """A namespace with the sorter, and the watch over drift."""

    cluster: KubernetesCluster
    namespace: str
    lessons: ScriptedLessons = field(default_factory=ScriptedLessons)
    now: datetime = NOON

    def __post_init__(self) -> None:
        self.store = Store(lambda _: None)
        recorder = Recorder(self.cluster, "op", lambda: self.now)
        self.watch = DriftWatch(self.store, self.cluster, recorder, self.lessons, lambda: self.now)

    async def begin(self) -> None:
        body = yaml.safe_load(SORTER)
        body["metadata"]["namespace"] = self.namespace
        status = body.pop("status")
        await self.cluster.create(SPECIALIST, body)
        await self.other_pass(status)

    async def other_pass(self, status: dict[str, Any]) -> None:
        """Write as the Specialist's own pass does."""
        body = yaml.safe_load(SORTER)
        body["metadata"]["namespace"] = self.namespace
        body.pop("spec")
        body["status"] = {**status, "conditions": [READY]}
        await self.cluster.apply(SPECIALIST, body, "status")

    async def look(self, right: int = 0, wrong: int = 0, times: int = 1) -> dict[str, Any]:
        for _ in range(times):
            self.lessons.add(right, wrong)
            self.now += timedelta(seconds=61)
            for kind in (SPECIALIST, ROLLOUT):
                async for body in self.cluster.objects(kind, self.namespace):
                    self.store.observe(kind, body)
            await self.watch.round()
        body = await self.read(SPECIALIST, "sorter")
        Specialist.from_cluster(body)
        return dict(body["status"])

    async def read(self, kind: Kind, name: str) -> dict[str, Any]:
        found = await self.cluster.get(kind, self.namespace, name)
        assert found is not None
        return dict(found)

    async def end(self, job: dict[str, Any], message: str) -> None:
        """Play the Job's controller and the kubelet."""
        template = job["spec"]["template"]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "trains",
                "namespace": self.namespace,
                "labels": template["metadata"]["labels"],
            },
            "spec": template["spec"],
        }
        await self.cluster.create(POD, pod)
        state = {"terminated": {"exitCode": 0, "message": message}}
        told = {
            "name": "train",
            "image": "x",
            "imageID": "x",
            "ready": False,
            "restartCount": 0,
            "state": state,
        }
        status = {"phase": "Succeeded", "containerStatuses": [told]}
        await self.cluster.apply(POD, {**pod, "status": status}, "status", "a-kubelet")


def reasons(status: dict[str, Any]) -> dict[str, str]:
    return {one["type"]: one["reason"] for one in status["conditions"]}


@pytest.fixture
async def land(api_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Land]:
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    cluster = await KubernetesCluster.connect()
    namespace = f"d{uuid4().hex[:8]}"
    api_server.kubectl("create", "namespace", namespace)
    api_server.kubectl("create", "serviceaccount", "default", "-n", namespace)
    made = Land(cluster, namespace)
    await made.begin()
    yield made
    api_server.kubectl("delete", "rollouts,specialists,jobs", "--all", "-n", namespace)
    api_server.kubectl(
        "delete", "pods", "--all", "-n", namespace, "--grace-period=0", "--force", "--wait=false"
    )
    await cluster.close()


async def test_a_drift_is_told_answered_and_tried_beside_what_others_write(land: Land) -> None:
    status = await land.look(right=18, wrong=2, times=8)
    assert reasons(status) == {"Ready": "Serving", "DriftDetected": "Steady"}

    await land.other_pass({"endpoints": status["endpoints"], "phase": "Ready"})
    status = await land.look()
    assert reasons(status) == {"Ready": "Serving", "DriftDetected": "Steady"}
    assert status["phase"] == "Ready"

    status = await land.look(right=2, wrong=18, times=9)
    assert reasons(status)["DriftDetected"] == "UtilityFell"
    assert reasons(status)["Retraining"] == "TrainingRunning"
    job = await land.read(JOB, status["training"]["run"])
    assert (await land.read(CONFIG_MAP, job["metadata"]["name"]))["data"]["pairs.jsonl"]
    assert job["spec"]["backoffLimit"] == 1
    assert job["metadata"]["ownerReferences"][0]["kind"] == "Specialist"

    name = status["training"]["rollout"]
    waiting = observed_rollout(await land.read(ROLLOUT, name))
    assert (waiting.candidate, waiting.making and waiting.making.job) == (None, name)

    await land.end(job, '{"source": "pvc://trained/sorter-2"}')
    status = await land.look()
    assert reasons(status)["Retraining"] == "CandidateReady"
    rollout = observed_rollout(await land.read(ROLLOUT, name))
    assert rollout.candidate is not None
    assert rollout.candidate.source == "pvc://trained/sorter-2"
    assert await land.cluster.get(CONFIG_MAP, land.namespace, job["metadata"]["name"]) is None
