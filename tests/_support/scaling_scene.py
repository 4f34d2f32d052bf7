"""A Specialist that scales beside a cluster in memory: its pods, and the load they tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from stage import Stage, pod_body, specialist_body

from tierwise_core.engine_metrics import EngineMetrics
from tierwise_core.fleet import Pod
from tierwise_operator.kinds import POD

WINDOWS = {"scaleDownAfter": "20s", "sleepAfter": "40s", "targetInFlightPerReplica": 5.0}


@dataclass
class Scene:
    """A Specialist that scales, its pods, and what they say of their load."""

    stage: Stage
    load: int = 0
    generated: float = 0.0
    silent: set[str] = field(default_factory=set)
    asked: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watch()

    def watch(self) -> None:
        self.stage.operator.load_watch.scrape = self.scrape

    async def scrape(self, pods: Iterable[Pod]) -> Mapping[str, EngineMetrics]:
        """The load, spread over the pods; a silent one does not answer."""
        names = [pod.key for pod in pods]
        self.asked.append(names)
        share, rest = divmod(self.load, max(1, len(names)))
        return {
            name: EngineMetrics(share + (n < rest), 0, self.generated, 0.0)
            for n, name in enumerate(names)
            if name not in self.silent
        }

    async def begin(self, least: int, most: int | None, **placement: Any) -> list[str]:
        self.respecify(least, most, **placement)
        return await self.stage.start()

    async def respec(self, least: int, most: int | None) -> None:
        """What an HPA, or a person, writes later."""
        self.respecify(least, most)
        await self.stage.operator.settle()

    def respecify(self, least: int, most: int | None, **placement: Any) -> None:
        replicas = {"min": least} | ({"max": most} if most is not None else {})
        self.stage.cluster.put(
            specialist_body(
                placement={
                    "replicas": replicas,
                    "scaling": WINDOWS,
                    "targetConcurrency": 1,
                    **placement,
                }
            )
        )

    async def pass_time(self, seconds: float) -> None:
        """Let the operator look every two seconds."""
        for _ in range(round(seconds / 2)):
            self.stage.now[0] += timedelta(seconds=2)
            await self.stage.operator.load_watch.round()
            await self.stage.operator.settle()

    async def run_pods(self, *, ready: bool = True) -> None:
        """Play the controllers and the kubelet: as many pods as the Deployment asks for."""
        body = self.deployment
        for n in range(body["spec"]["replicas"]):
            name = f"{body['metadata']['name']}-{n}"
            pod = pod_body(body, name, ready=ready)
            pod["status"]["podIP"] = f"10.0.0.{n + 1}"
            self.stage.cluster.put(pod)
        for _, key in [k for k in self.stage.cluster.objects_by_key if k[0] == "Pod"]:
            if int(key.rpartition("-")[2]) >= body["spec"]["replicas"]:
                self.stage.cluster.remove(POD, key)
        await self.stage.operator.settle()

    async def wake(self, waiting: int) -> None:
        """What a router writes."""
        stored = self.stage.cluster.find("Specialist", "ai/sorter")
        moment = self.stage.now[0].isoformat()
        status = {**stored["status"], "wake": {"requestedAt": moment, "waiting": waiting}}
        self.stage.cluster.put({**stored, "status": status})
        await self.stage.operator.settle()

    @property
    def deployment(self) -> dict[str, Any]:
        (found,) = [
            body
            for (kind, _), body in self.stage.cluster.objects_by_key.items()
            if kind == "Deployment"
        ]
        return found

    @property
    def replicas(self) -> int:
        return int(self.deployment["spec"]["replicas"])

    @property
    def status(self) -> dict[str, Any]:
        return dict(self.stage.cluster.find("Specialist", "ai/sorter")["status"])

    @property
    def ready(self) -> Mapping[str, str]:
        return {c["type"]: c["reason"] for c in self.status["conditions"]}
