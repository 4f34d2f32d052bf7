"""`tierwise plan`, `tiers discover` and `size` on a real API server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from apiserver import ApiServer
from click.testing import Result
from docblocks import ROOT
from typer.testing import CliRunner

from tierwise_api import API_VERSION
from tierwise_cli.main import app

pytestmark = pytest.mark.apiserver

NAMESPACE = "planning"
GPU = "nvidia.com/gpu"
L4, H100 = "NVIDIA-L4", "NVIDIA-H100-80GB-HBM3"
Body = dict[str, Any]


def node(name: str, product: str, gpus: int, **taint: str) -> Body:
    """A node of the fleet; its own label keeps it apart from what other tests create."""
    labels = {"nvidia.com/gpu.product": product, "pool": "planning"}
    spec = {"taints": [taint]} if taint else {}
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec}


def tier(name: str, product: str, price: float) -> Body:
    selector = {"nvidia.com/gpu.product": product, "pool": "planning"}
    return {
        "apiVersion": API_VERSION,
        "kind": "GPUTier",
        "metadata": {"name": name},
        "spec": {
            "gpu": {"product": product},
            "nodeSelector": selector,
            "price": {"perGPUHour": price},
        },
    }


def specialist(name: str, weights: str, replicas: int) -> Body:
    size = {"weights": weights, "kvBytesPerToken": 1024}
    return {
        "apiVersion": API_VERSION,
        "kind": "Specialist",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "field": name,
            "model": {"source": f"hf://acme/{name}", "maxModelLen": 1024, "size": size},
            "placement": {
                "replicas": {"min": replicas},
                "tensorParallel": 1,
                "tiers": ["plan-h100", "plan-l4"],
            },
        },
    }


def deployment(name: str, tier_name: str, replicas: int) -> Body:
    """What the operator has started for a Specialist."""
    labels = {
        "tierwise.dev/specialist": name,
        "tierwise.dev/revision": "r1",
        "tierwise.dev/tier": tier_name,
    }
    engine = {"name": "engine", "image": "example.com/e", "resources": {"limits": {GPU: "1"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{name}-r1", "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [engine]}},
        },
    }


OBJECTS = [
    tier("plan-l4", L4, 0.4),
    tier("plan-h100", H100, 3.0),
    specialist("sorter", "4Gi", 2),
    specialist("frontier", "40Gi", 1),
    node("plan-l4-0", L4, 2),
    node("plan-h100-0", H100, 2),
    deployment("sorter", "plan-l4", 1),
]


@pytest.fixture(scope="module")
def cluster(api_server: ApiServer) -> Iterator[ApiServer]:
    """Two nodes, two tiers, two Specialists, one of which has a replica already."""
    text = yaml.safe_dump_all(OBJECTS)
    api_server.kubectl("create", "namespace", NAMESPACE)
    api_server.kubectl("apply", "--server-side", "-f", "-", stdin=text)
    for name in ("plan-l4-0", "plan-h100-0"):
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
        status = {"status": {"allocatable": {GPU: "2"}, "conditions": [ready]}}
        patch = ("--subresource=status", "--type=merge", f"--patch={json.dumps(status)}")
        api_server.kubectl("patch", "node", name, *patch)
        # A new node is tainted as not ready until a controller looks at it, and there is none.
        api_server.kubectl("taint", "node", name, "node.kubernetes.io/not-ready-")
    yield api_server
    api_server.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=text)


def tierwise(server: ApiServer, *arguments: object) -> Result:
    environment = {"KUBECONFIG": str(server.kubeconfig), "NO_COLOR": "1"}
    return CliRunner().invoke(app, list(map(str, arguments)), env=environment)


def planned(server: ApiServer, *arguments: object, code: int = 0) -> Body:
    told = tierwise(server, "plan", "--live", "--offline", "--output", "json", *arguments)
    assert told.exit_code == code, told.output
    return dict(json.loads(told.stdout))


def marks(outcome: Body) -> dict[str, str]:
    return {
        line["name"]: line["mark"]
        for line in outcome["changes"]["lines"]
        if line["name"].startswith(NAMESPACE)
    }


def test_the_plan_is_compared_with_what_the_deployments_run(cluster: ApiServer) -> None:
    found = planned(cluster)

    assert found["changes"]["against"] == "what runs now"
    assert marks(found) == {f"{NAMESPACE}/sorter": "~", f"{NAMESPACE}/frontier": "+"}
    rows = {row["name"]: row for row in found["tiers"]}
    assert (rows["plan-l4"]["used"], rows["plan-h100"]["used"]) == (2, 1)


def test_manifests_are_laid_over_the_cluster(cluster: ApiServer, tmp_path: Path) -> None:
    (tmp_path / "new.yaml").write_text(yaml.safe_dump(specialist("sorter", "4Gi", 1)))
    found = planned(cluster, "-f", tmp_path)

    assert marks(found)[f"{NAMESPACE}/sorter"] == "="


def test_a_what_if_on_the_cluster_is_compared_with_what_runs(cluster: ApiServer) -> None:
    found = planned(cluster, "--what-if", "remove node plan-l4-0", "--exit-zero")

    assert found["changes"]["against"] == "what runs now"
    sorter = next(p for p in found["specialists"] if p["name"] == f"{NAMESPACE}/sorter")
    assert {share["tier"] for share in sorter["shares"]} == {"plan-h100"}


def test_planning_writes_nothing(cluster: ApiServer) -> None:
    before = cluster.kubectl("get", "gputiers,specialists,nodes,deployments", "-A", "-o", "yaml")
    planned(cluster, "--what-if", "price plan-l4=9", "--exit-zero")
    after = cluster.kubectl("get", "gputiers,specialists,nodes,deployments", "-A", "-o", "yaml")

    assert before == after


def test_a_model_is_compared_with_the_clusters_tiers(cluster: ApiServer) -> None:
    told = tierwise(
        cluster,
        *("size", ROOT / "examples/models/sorter", "--live", "--output", "json"),
        *("--tier", "plan-l4", "--tier", "plan-h100", "--context", 256),
    )

    fits = json.loads(told.stdout)["fits"]
    assert [(fit["tier"], fit["usd_per_hour"]) for fit in fits] == [
        ("plan-l4", 0.4),
        ("plan-h100", 3.0),
    ]


def test_discovered_tiers_pass_the_server_and_existing_ones_are_not_repeated(
    cluster: ApiServer,
) -> None:
    new = node("plan-a100-0", "NVIDIA-A100-SXM4-80GB", 8, key="gpu", value="a", effect="NoSchedule")
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(new))
    try:
        status = {"status": {"allocatable": {GPU: "4", "nvidia.com/mig-1g.10gb": "7"}}}
        patch = ("--subresource=status", "--type=merge", f"--patch={json.dumps(status)}")
        cluster.kubectl("patch", "node", "plan-a100-0", *patch)
        told = tierwise(cluster, "tiers", "discover", "--live")
    finally:
        cluster.kubectl("delete", "node", "plan-a100-0")

    assert told.exit_code == 0, told.output
    names = [each["metadata"]["name"] for each in yaml.safe_load_all(told.stdout)]
    assert names == ["a100-80gb-1g-10gb", "a100-80gb"]
    assert "there already: plan-h100, plan-l4" in told.stderr.replace("\n", " ")
    apply = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
    assert "serverside-applied" in cluster.kubectl(*apply, stdin=told.stdout)


@pytest.mark.parametrize("form", ["yaml", "json"])
@pytest.mark.parametrize("fleet", ["mixed", "h100", "laptop"])
def test_what_is_discovered_of_the_example_fleets_applies(
    cluster: ApiServer, fleet: str, form: str, tmp_path: Path
) -> None:
    nodes = [
        each
        for path in sorted((ROOT / "examples/fleets" / fleet).glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
        for each in document.get("items", [document])
        if each["kind"] == "Node"
    ]
    (tmp_path / "nodes.yaml").write_text(yaml.safe_dump_all(nodes))
    told = tierwise(
        cluster,
        *("tiers", "discover", "-f", tmp_path, "--output", form),
        *(["--price", "NVIDIA-GeForce-RTX-4090-Laptop-GPU=0.05"] if fleet == "laptop" else []),
    )

    assert told.exit_code == 0, told.output
    apply = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
    cluster.kubectl(*apply, stdin=told.stdout)


@pytest.mark.parametrize("fleet", ["mixed", "h100", "laptop"])
def test_the_example_fleets_are_good_by_the_server(cluster: ApiServer, fleet: str) -> None:
    for path in sorted((ROOT / "examples/fleets" / fleet).glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if document["kind"] in {"GPUTier", "Specialist"}:
                document["metadata"].pop("namespace", None)
                answer = cluster.create(document, dry_run=True)
                assert answer.accepted, (path, answer.body)


def test_the_graph_of_the_cluster_takes_its_figures_from_a_profile(
    cluster: ApiServer, tmp_path: Path
) -> None:
    profile = {"figures": {"frontier": {"parameters": "70G", "contradictionRate": 0.01}}}
    (tmp_path / "figures.yaml").write_text(yaml.safe_dump(profile))
    told = tierwise(
        cluster,
        *("plan", "graph", "--live", "-n", NAMESPACE, "-f", tmp_path / "figures.yaml"),
        *("--output", "json"),
    )

    assert told.exit_code == 0, told.output
    found = {root["field"]: root["decision"] for root in json.loads(told.stdout)["graphs"]}
    assert found == {"frontier": "Consistent", "sorter": "MeasureFirst"}
