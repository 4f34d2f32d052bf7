"""The doctor, `status` and the quickstart on a real API server."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from apiserver import ApiServer
from click.testing import Result
from fleetseen import deployment, keeping, ready, router_with_keys
from typer.testing import CliRunner

from quickstart.manifests import names, rendered
from tierwise_api import API_VERSION, GPUTier, Resource, Specialist
from tierwise_cli.main import app

pytestmark = pytest.mark.apiserver

NAMESPACE = "doctor"
MODELS: dict[str, type[Resource]] = {"GPUTier": GPUTier, "Specialist": Specialist}


@pytest.fixture(scope="module")
def fleet(api_server: ApiServer) -> Iterator[ApiServer]:
    """A cluster whose operator has just put the quickstart's models into place."""
    objects = [*rendered(Path("/srv/models")), *programs()]
    text = yaml.safe_dump_all(objects)
    api_server.kubectl("create", "namespace", NAMESPACE)
    api_server.kubectl("apply", "--server-side", "-f", "-", stdin=text)
    for made in objects:
        set_status(api_server, made)
    yield api_server
    api_server.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=text)


def programs() -> list[dict[str, Any]]:
    """Two nodes, operator and router, and the operator's Lease, as they are on a cluster."""
    renewed = datetime.now(UTC) + timedelta(hours=1)
    lease = {
        "holderIdentity": "operator-a",
        "leaseDurationSeconds": 15,
        "renewTime": renewed.isoformat(timespec="microseconds"),
    }
    return [
        gpu_node("gpu-4090-0", "NVIDIA-GeForce-RTX-4090"),
        gpu_node("gpu-h100-0", "NVIDIA-H100-80GB-HBM3"),
        whole(deployment("tierwise-operator")),
        whole(router_with_keys()),
        whole(deployment("tierwise-ledger")),
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "tierwise-operator", "namespace": NAMESPACE},
            "spec": lease,
        },
    ]


def gpu_node(name: str, product: str) -> dict[str, Any]:
    labels = {"nvidia.com/gpu.product": product}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def whole(small: dict[str, Any]) -> dict[str, Any]:
    """A Deployment that an API server takes."""
    labels = {"app": small["metadata"]["name"]}
    pod = small["spec"].get("template", {}).get("spec", {"containers": [{}]})
    pod["containers"][0] |= {"name": "c", "image": "example.com/c"}
    small["spec"] |= {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    small["metadata"]["namespace"] = NAMESPACE
    return {"apiVersion": "apps/v1", "kind": "Deployment", **small}


def set_status(server: ApiServer, made: dict[str, Any]) -> None:
    """Write the status that a controller, the kubelet or the operator would write."""
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = ready(reason="PodsReady", message="as it should be")
    found["conditions"][0]["lastTransitionTime"] = moment
    kind, name = made["kind"], made["metadata"]["name"]
    status: dict[str, Any] = {
        "Node": {**found, "allocatable": {"nvidia.com/gpu": "4"}},
        "GPUTier": {**found, "nodes": 1, "gpus": {"capacity": 4, "allocated": 3, "free": 1}},
        "Specialist": {**found, "observedGeneration": 1, "replicas": 1, "readyReplicas": 1},
        "Deployment": {"replicas": 2, "readyReplicas": 2},
    }.get(kind, {})
    if status:
        where = f"--namespace={made['metadata'].get('namespace', 'default')}"
        patch = (
            "--subresource=status",
            "--type=merge",
            f"--patch={json.dumps({'status': status})}",
        )
        server.kubectl("patch", kind, name, where, *patch)


def tierwise(server: ApiServer, *arguments: str) -> Result:
    environment = {"KUBECONFIG": str(server.kubeconfig), "NO_COLOR": "1", "COLUMNS": "200"}
    return CliRunner().invoke(app, arguments, env=environment)


def test_the_doctor_reads_everything_a_real_api_server_has(fleet: ApiServer) -> None:
    told = tierwise(fleet, "doctor", "-n", NAMESPACE, "-o", "json")

    found = {check["name"]: check for check in json.loads(told.stdout)["checks"]}
    statuses = {name: check["status"] for name, check in found.items()}
    # There are no Services behind which they could answer, and the doctor says so.
    assert statuses == dict.fromkeys(found, "ok") | {"router": "fail", "ledger": "fail"}, found
    assert told.exit_code == 1
    assert found["crds"]["summary"].endswith("up to date")
    assert found["gpus"]["summary"] == (
        "allocatable: 4 NVIDIA-GeForce-RTX-4090, 4 NVIDIA-H100-80GB-HBM3"
    )
    assert found["specialists"]["summary"] == "5 of 5 are ready or at rest"


def test_the_doctor_tells_people_the_same(fleet: ApiServer) -> None:
    told = tierwise(fleet, "doctor", "--namespace", NAMESPACE)

    assert told.exit_code == 1
    assert "ok    specialists 5 of 5 are ready or at rest" in told.stdout
    assert "fix: kubectl -n doctor logs deployment/tierwise-router" in told.stdout
    assert told.stdout.splitlines()[-1] == "2 to mend: router, ledger. Begin with the first."


def test_the_doctor_finds_the_key_that_contents_are_sealed_with(fleet: ApiServer) -> None:
    policy = {"apiVersion": API_VERSION, "kind": "RouterPolicy", **keeping("demo/team-a")}
    fleet.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(policy))
    try:
        before = contents(fleet)
        fleet.kubectl(
            *("create", "secret", "generic", "tierwise-contents", "-n", NAMESPACE),
            f"--from-literal=2026-11={'5d' * 32}",
        )
        after = contents(fleet)
    finally:
        fleet.kubectl("delete", "routerpolicy", "default")

    assert (before["status"], after["status"]) == ("fail", "ok")
    assert after["summary"].endswith("sealed with key 2026-11")


def contents(server: ApiServer) -> dict[str, str]:
    told = json.loads(tierwise(server, "doctor", "-n", NAMESPACE, "-o", "json").stdout)
    return next(check for check in told["checks"] if check["name"] == "contents")


def test_status_shows_the_fleet(fleet: ApiServer) -> None:
    rows = json.loads(tierwise(fleet, "status", "-o", "json").stdout)

    assert [(row["name"], row["free"], row["ready"]) for row in rows["tiers"]] == [
        ("h100", 1, True),
        ("rtx-4090", 1, True),
    ]
    assert {row["name"] for row in rows["specialists"]} >= {"default/sorter", "default/frontier"}
    assert "default/sorter" in tierwise(fleet, "status").stdout


def test_asking_through_the_api_server_says_when_there_is_no_router(fleet: ApiServer) -> None:
    told = tierwise(fleet, "ask", "sort dbca", "-n", NAMESPACE)

    assert told.exit_code == 1
    assert "the router of namespace doctor" in told.stderr
    assert "tierwise doctor" in told.stderr


def test_a_token_the_cluster_does_not_know_is_said_to_be_refused(
    fleet: ApiServer, tmp_path: Path
) -> None:
    config = yaml.safe_load(fleet.kubeconfig.read_text())
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": "unknown"}}]
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))

    told = CliRunner().invoke(app, ["doctor", "--kubeconfig", str(path), "-o", "json"])

    (check,) = json.loads(told.stdout)["checks"]
    assert told.exit_code == 1
    assert "refuses" in check["summary"]
    assert "administrator" in check["fix"]


def test_a_context_that_does_not_exist_is_named(fleet: ApiServer) -> None:
    told = tierwise(fleet, "doctor", "--context", "elsewhere")

    assert told.exit_code == 1
    assert "elsewhere" in told.stdout


def test_the_quickstarts_manifests_are_good_by_the_models_and_by_the_server(
    api_server: ApiServer,
) -> None:
    for manifest in rendered(Path("/srv/models")):
        MODELS[manifest["kind"]].model_validate(manifest)
        answer = api_server.create(manifest, dry_run=True)
        assert answer.accepted or answer.status_code == 409, answer.body
        assert answer.warnings == ()


def test_every_specialist_gets_the_engine_of_the_cluster() -> None:
    engine = {"image": "localhost/engine:dev", "podTemplate": {"spec": {"hostIPC": False}}}

    manifests = rendered(Path("/srv/models"), engine)

    made = [m for m in manifests if m["kind"] == "Specialist"]
    assert len(list(names(manifests))) == len(made) == 5
    for specialist in made:
        assert specialist["spec"]["engine"] == engine
        assert specialist["spec"]["model"]["source"].startswith("file:///srv/models/")


def test_parents_and_escalations_name_specialists_that_exist() -> None:
    manifests = [m for m in rendered(Path("/models")) if m["kind"] == "Specialist"]
    known = set(names(manifests))

    for manifest in manifests:
        spec = manifest["spec"]
        asked = {spec.get("parent"), *spec.get("routing", {}).get("escalateTo", [])} - {None}
        assert asked <= known


def test_the_laptops_routes_are_good_by_the_models() -> None:
    routes = Path(__file__).parents[2] / "examples" / "laptop" / "routes.yaml"

    for manifest in yaml.safe_load_all(routes.read_text()):
        MODELS[manifest["kind"]].model_validate(manifest)
