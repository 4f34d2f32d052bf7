"""Models from a registry and from a Hub, with the node's weight cache, on real pods."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from cluster import ROOT, Cluster, answer, eventually
from hub_server import FakeHub, fake_hub
from oci_server import MODELPACK, FakeRegistry, digest, fake_registry

ASLEEP = None
MODELS = ROOT / "examples" / "models"
WEIGHTS = "model.safetensors"
SYSTEM = "tierwise-system"


@pytest.fixture(scope="module")
def registry(cluster: Cluster) -> Iterator[FakeRegistry]:
    """A registry with the adder as a ModelPack, each file a layer of its own."""
    with fake_registry(host=cluster.our_address) as running:
        layers = [
            running.layer(
                f"{MODELPACK}.{'weight' if path.name == WEIGHTS else 'weight.config'}.v1.raw",
                path.read_bytes(),
                org__cncf__model__filepath=path.name,
            )
            for path in sorted((MODELS / "adder").iterdir())
        ]
        kind = f"{MODELPACK}.manifest.v1+json"
        running.push("acme/adder:v1", *layers, artifactType=kind)
        yield running


@pytest.fixture(scope="module")
def hub(cluster: Cluster) -> Iterator[FakeHub]:
    """A mirror of the Hub with another model: equal weights would be in the cache already."""
    with fake_hub(host=cluster.our_address) as running:
        files = (MODELS / "reverser").iterdir()
        running.files["acme/reverser"] = {path.name: path.read_bytes() for path in files}
        yield running


@pytest.fixture(scope="module")
def told(cluster: Cluster, registry: FakeRegistry, hub: FakeHub) -> Iterator[None]:
    """An operator that is told of both; the H100 that nobody has is room enough."""
    operator = cluster.get("deployment", "tierwise-operator", SYSTEM)["spec"]["template"]["spec"]
    (container,) = operator["containers"]
    args = [*container["args"], f"--insecure-registry={registry.host}"]
    env = [{"name": "HF_ENDPOINT", "value": hub.endpoint}]
    reconfigure(cluster, {"name": container["name"], "args": args, "env": env})
    yield
    removed = [{"name": "HF_ENDPOINT", "$patch": "delete"}]
    before = {"name": container["name"], "args": container["args"], "env": removed}
    reconfigure(cluster, before)


def reconfigure(cluster: Cluster, container: Mapping[str, Any]) -> None:
    """Start the operator anew with other words."""
    what = ("deployment/tierwise-operator", "-n", SYSTEM)
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    cluster.kubectl("patch", *what, "-p", json.dumps(patch))
    cluster.kubectl("rollout", "status", *what, "--timeout=180s")


@contextmanager
def serving(cluster: Cluster, name: str, source: str) -> Iterator[None]:
    """A Specialist with a model from elsewhere, unknown to `auto`."""
    body = {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "field": name,
            "model": {"source": source, "maxModelLen": 256},
            "engine": cluster.get("specialist", "sorter")["spec"]["engine"],
            "placement": {"tiers": ["h100"]},
        },
    }
    cluster.apply(body)
    try:
        cluster.wait(f"specialist/{name}", "condition=Ready", seconds=400)
        assert cluster.condition(name, "Sized")["reason"] == "MetadataRead"
        yield
    finally:
        cluster.delete("specialist", name)
        eventually(lambda: cluster.names("pods", selector(name)), lambda pods: pods == [])


def selector(name: str) -> str:
    return f"tierwise.dev/specialist={name}"


def test_a_model_of_a_registry_serves_and_is_fetched_once(
    cluster: Cluster, told: None, registry: FakeRegistry
) -> None:
    with serving(cluster, "packed", f"oci://{registry.host}/acme/adder:v1"):
        assert answer(cluster.once_answered("add 17 and 25", "packed")) == "42"
        assert whole_reads(registry) == 1

        has_its_files_again(cluster, "packed")
        assert whole_reads(registry) == 1


def test_a_model_of_a_hub_serves_and_is_fetched_once(
    cluster: Cluster, told: None, hub: FakeHub
) -> None:
    with serving(cluster, "hubbed", "hf://acme/reverser"):
        assert answer(cluster.once_answered("reverse abcdef", "hubbed")) == "fedcba"
        assert downloads(hub) == 1

        has_its_files_again(cluster, "hubbed")
        assert downloads(hub) == 1


def has_its_files_again(cluster: Cluster, name: str) -> None:
    """Replace the pod, and wait until the new one has its files: that container is ready."""
    (before,) = cluster.pods(selector(name))
    cluster.kubectl("delete", "pod", before, "--wait=false")
    eventually(
        lambda: [
            container["name"]
            for pod in cluster.get_all("pods", selector(name))
            if pod["metadata"]["name"] != before
            for container in pod["status"].get("initContainerStatuses", [])
            if container.get("ready") or container.get("started")
        ],
        lambda ready: "weights" in ready,
    )


def whole_reads(registry: FakeRegistry) -> int:
    """How often the weights were fetched; metadata is read from their beginning alone."""
    content = (MODELS / "adder" / WEIGHTS).read_bytes()
    return sum(is_whole(span, len(content)) for span in registry.ranges(digest(content)))


def downloads(hub: FakeHub) -> int:
    """The same of a Hub."""
    size = (MODELS / "reverser" / WEIGHTS).stat().st_size
    spans = [headers.get("Range", "") for path, headers in hub.requests if path.endswith(WEIGHTS)]
    return sum(is_whole(span, size) for span in spans)


def is_whole(span: str, size: int) -> bool:
    """Whether a range reaches the end; none at all does."""
    return not span or span.endswith(f"-{size - 1}")
