"""A healthy cluster as the doctor sees it, and small changes to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tierwise_api import KINDS
from tierwise_api.crd import custom_resource_definition
from tierwise_cli.checks import Probe, Snapshot, Workload

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
VERSION = "0.1.0"
NAMESPACE = "tierwise-system"

Object = dict[str, Any]


def ready(status: str = "True", reason: str = "Ready", message: str = "") -> Object:
    found = {"type": "Ready", "status": status, "reason": reason, "message": message}
    return {"conditions": [found]}


def node(
    name: str = "gpu-0",
    product: str = "L4",
    gpus: int = 2,
    status: str = "True",
    **allocatable: str,
) -> Object:
    offered = {"cpu": "8", "nvidia.com/gpu": str(gpus), **allocatable}
    return {
        "metadata": {"name": name, "labels": {"nvidia.com/gpu.product": product}},
        "status": {
            **ready(status, "KubeletReady", "the kubelet is silent"),
            "allocatable": offered,
        },
    }


def tier(name: str = "l4", product: str = "L4", **status: str) -> Object:
    spec = {"gpu": {"product": product}, "price": {"perGPUHour": 0.5}}
    return {"metadata": {"name": name}, "spec": spec, "status": ready(**status)}


def specialist(
    name: str = "sorter", status: str = "True", reason: str = "Ready", message: str = ""
) -> Object:
    return {
        "metadata": {"name": name, "namespace": "demo", "generation": 1},
        "spec": {"field": "sorting"},
        "status": {"observedGeneration": 1, **ready(status, reason, message)},
    }


def deployment(name: str, replicas: int = 1, up: int | None = None) -> Object:
    return {
        "metadata": {"name": name, "labels": {"app.kubernetes.io/version": VERSION}},
        "spec": {"replicas": replicas},
        "status": {"readyReplicas": replicas if up is None else up},
    }


def router_with_keys(**env: str) -> Object:
    """The router's Deployment as the chart makes it, with a Secret to seal contents with."""
    folder = "/var/run/tierwise/keys"
    container = {
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            *({"name": name, "value": value} for name, value in env.items()),
            {"name": "TIERWISE_KEYS_DIR", "value": folder},
        ],
        "volumeMounts": [
            {"name": "files", "mountPath": "/files"},
            {"name": "k", "mountPath": folder},
        ],
    }
    volumes = [
        {"name": "files", "emptyDir": {}},
        {"name": "k", "secret": {"secretName": "tierwise-contents", "optional": True}},
    ]
    made = deployment("tierwise-router", replicas=2)
    made["spec"]["template"] = {"spec": {"containers": [container], "volumes": volumes}}
    return made


def keeping(*tenants: str, name: str = "default") -> Object:
    """A RouterPolicy that has prompts and answers of tenants kept."""
    return {"metadata": {"name": name}, "spec": {"contents": {"tenants": list(tenants)}}}


def waiting_pod(name: str, reason: str, message: str) -> Object:
    waiting = {"state": {"waiting": {"reason": reason, "message": message}}}
    status = {"phase": "Pending", **ready("False"), "containerStatuses": [waiting]}
    return {"metadata": {"name": name}, "status": status}


def lease(holder: str = "operator-a", age_seconds: float = 3) -> Object:
    renewed = NOW - timedelta(seconds=age_seconds)
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": renewed.isoformat()}
    return {"spec": spec}


def healthy(**changes: Any) -> Snapshot:
    """A small cluster on which everything is as it should be, but for the changes."""
    seen: dict[str, Any] = {
        "namespace": NAMESPACE,
        "context": "test",
        "server": "https://cluster.example.com",
        "version": "v1.34.4",
        "tierwise": VERSION,
        "now": NOW,
        "definitions": [custom_resource_definition(kind) for kind in KINDS],
        "nodes": [node()],
        "tiers": [tier()],
        "specialists": [specialist()],
        "operator": Workload(deployment("tierwise-operator")),
        "router": Workload(deployment("tierwise-router", replicas=2)),
        "ledger": Workload(deployment("tierwise-ledger")),
        "lease": lease(),
        "ready": Probe(200, "ok"),
        "ledger_ready": Probe(200, "ready"),
    }
    return Snapshot(**(seen | changes))
