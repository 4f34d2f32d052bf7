"""An operator beside a cluster in memory, driven by hand, for the stories of its shell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from fake_cluster import FakeCluster
from observed import NOON, SMALL

from tierwise_core.model_metadata import ModelMetadata
from tierwise_operator.engine_room import Operator
from tierwise_operator.kinds import WATCHED, Kind
from tierwise_operator.readings import Asked
from tierwise_operator.settings import Settings
from tierwise_operator.store import Store


@dataclass
class Library:
    """The models that can be read in a story; an error is raised instead."""

    models: dict[str, ModelMetadata | Exception] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)

    async def read(self, asked: Asked) -> ModelMetadata:
        self.reads.append(asked.source)
        found = self.models.get(asked.source, SMALL)
        if isinstance(found, Exception):
            raise found
        return found


@dataclass
class Stage:
    """An operator beside a cluster in memory, driven by hand."""

    cluster: FakeCluster
    library: Library
    operator: Operator
    now: list[datetime]

    async def settle(self) -> list[str]:
        """Let the operator work until it rests; return its writes."""
        self.cluster.forget_writes()
        await self.operator.settle()
        return self.cluster.writes

    def restart(self, **settings: Any) -> None:
        """A new process: nothing is remembered but what the cluster holds."""
        self.operator.queue.close()
        self.operator = an_operator(self.cluster, self.library, lambda: self.now[0], **settings)

    async def start(self) -> list[str]:
        self.cluster.forget_writes()
        await self.operator.load()
        return await self.settle()


def an_operator(
    cluster: FakeCluster, library: Library, clock: Callable[[], datetime], **settings: Any
) -> Operator:
    known = {"identity": "operator-0", **settings}
    operator = Operator(cluster, Settings(**known), library.read, clock=clock)
    cluster.told = feeding(operator.store)
    return operator


def feeding(store: Store) -> Callable[[Kind, Any, str], None]:
    """The watch: what others write reaches the store at once."""

    def told(kind: Kind, body: Any, key: str) -> None:
        if kind not in WATCHED:
            return
        if body is None:
            store.forget(kind, key)
        else:
            store.observe(kind, body)

    return told


@pytest.fixture
async def stage() -> Any:
    """A cluster with two tiers of one node each, and an operator that has not looked yet."""
    cluster, library, now = FakeCluster(), Library(), [NOON]
    for body in (
        tier_body("rtx-4090", 24, 0.4),
        tier_body("h100", 80, 3.0),
        node_body("n1", "rtx-4090", 4),
        node_body("n2", "h100", 2),
    ):
        cluster.put(body)
    made = Stage(cluster, library, an_operator(cluster, library, lambda: now[0]), now)
    yield made
    made.operator.queue.close()


def tier_body(name: str, gib: int, price: float, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "GPUTier",
        "metadata": {"name": name},
        "spec": {
            "gpu": {"product": name, "memory": f"{gib}Gi"},
            "nodeSelector": {"gpu": name},
            "price": {"perGPUHour": price},
            **spec,
        },
    }


def node_body(name: str, gpu: str, gpus: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"gpu": gpu}},
        "status": {
            "allocatable": {"cpu": "8", "nvidia.com/gpu": str(gpus)},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def specialist_body(name: str = "sorter", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {"name": name, "namespace": "ai"},
        "spec": {"field": "sorting", "model": {"source": f"file:///models/{name}"}, **spec},
    }


def pod_body(deployment: dict[str, Any], name: str = "", *, ready: bool = True) -> dict[str, Any]:
    template = deployment["spec"]["template"]
    title = name or f"{deployment['metadata']['name']}-x"
    status = "True" if ready else "False"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": title,
            "namespace": deployment["metadata"]["namespace"],
            "labels": template["metadata"]["labels"],
        },
        "spec": {**template["spec"], "nodeName": "n1"},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.7",
            "conditions": [{"type": "Ready", "status": status}],
            "containerStatuses": [
                {"name": "engine", "state": {"running": {"startedAt": "2026-03-01T11:00:00Z"}}}
            ],
        },
    }
