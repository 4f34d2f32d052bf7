"""An HPA owns a Specialist's replicas: Kubernetes' own controller, and a metric of ours.

The pods are on KWOK's nodes: whose number counts is what is told, not what engines do.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster, eventually
from external_metrics import Metrics, external_metrics, registration
from fake_fleet import kwok, node, tier

ASLEEP = None
NAME = "hawk"
METRIC = "hawk-queue"
SELECTOR = f"tierwise.dev/specialist={NAME}"
PERCH = "perch"


@pytest.fixture(scope="module")
def perch(cluster: Cluster) -> Iterator[None]:
    """A fake node with four GPUs, dearer than what others have."""
    kwok(cluster, 1)
    cluster.apply(node(PERCH, PERCH, 4), tier(PERCH, 7.0))
    cluster.wait(f"node/{PERCH}", "condition=Ready")
    yield
    cluster.delete("specialist", NAME)
    cluster.delete("gputier", PERCH)
    cluster.delete("node", PERCH)
    kwok(cluster, 0)


@pytest.fixture(scope="module")
def queue(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Metrics]:
    """A metric of 25 that the API server knows."""
    folder: Path = tmp_path_factory.mktemp("metrics")
    with external_metrics(cluster.our_address, folder) as served:
        served.values[METRIC] = 25
        registered = registration(cluster.our_address, served.port)
        cluster.apply(*registered)
        cluster.wait("apiservice/v1beta1.external.metrics.k8s.io", "condition=Available")
        yield served
        for body in reversed(registered):
            named = (body["kind"], body["metadata"]["name"])
            cluster.kubectl("delete", *named, "-n", body["metadata"].get("namespace", "default"))


def hawk(cluster: Cluster, **replicas: int) -> dict[str, Any]:
    """A Specialist for the fake node; its field is its own, so that nobody else asks it."""
    sorter = cluster.get("specialist", "sorter")["spec"]
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {"name": NAME, "namespace": "default"},
        "spec": {
            "field": "hawks",
            "model": sorter["model"],
            "engine": sorter["engine"],
            "placement": {"tiers": [PERCH], "replicas": replicas},
        },
    }


def autoscaler() -> dict[str, Any]:
    """Ten of the metric for each replica; no waiting before it goes down."""
    target = {"type": "AverageValue", "averageValue": "10"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": NAME, "namespace": "default"},
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "tierwise.dev/v1alpha1",
                "kind": "Specialist",
                "name": NAME,
            },
            "minReplicas": 1,
            "maxReplicas": 4,
            "metrics": [
                {"type": "External", "external": {"metric": {"name": METRIC}, "target": target}}
            ],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        },
    }


def running(cluster: Cluster) -> int:
    return int(cluster.get("specialist", NAME).get("status", {}).get("readyReplicas", 0))


def test_an_hpa_takes_over_and_replicas_follow_its_metric(
    cluster: Cluster, perch: None, queue: Metrics
) -> None:
    cluster.apply(hawk(cluster, min=1, max=2))
    eventually(lambda: running(cluster), lambda ready: ready == 1)
    # The number is tierwise's.
    eventually(lambda: cluster.get("specialist", NAME)["status"], lambda seen: "scaling" in seen)

    cluster.apply(hawk(cluster, min=1), autoscaler())
    try:
        grown = eventually(lambda: running(cluster), lambda ready: ready == 3)
        handed_over = cluster.get("specialist", NAME)
        writers = writers_of_the_number(cluster)
        queue.values[METRIC] = 4
        shrunk = eventually(lambda: running(cluster), lambda ready: ready == 1)
        told = cluster.get("hpa", NAME)
    finally:
        cluster.kubectl("delete", "hpa", NAME)

    assert (grown, shrunk) == (3, 1)
    assert handed_over["spec"]["placement"]["replicas"]["min"] == 3
    assert "scaling" not in handed_over["status"]
    assert "kube-controller-manager" in writers
    assert "tierwise-operator" not in writers
    able = {c["type"]: c["reason"] for c in told["status"]["conditions"]}
    assert able["ScalingActive"] == "ValidMetricFound"
    assert queue.asked[METRIC] >= 2


def writers_of_the_number(cluster: Cluster) -> set[str]:
    """Who owns ``placement.replicas.min``."""
    shown = cluster.kubectl("get", "specialist", NAME, "--show-managed-fields", "-o", "json")
    return {
        entry["manager"]
        for entry in json.loads(shown)["metadata"]["managedFields"]
        if "f:min" in json.dumps(entry["fieldsV1"].get("f:spec", {}))
    }
