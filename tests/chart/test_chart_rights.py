"""The operator does its work with the rights that the chart gives it, and never meets a wall."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from apiserver import ApiServer
from helmchart import NAMESPACE, rendered
from ports import free_port

pytestmark = pytest.mark.apiserver

TIER = "rights-l4"
WITHIN = "--timeout=240s"


def specialist() -> dict[str, Any]:
    """One whose size is told, so that no file has to be read."""
    size = {"weights": "1Gi", "parameters": "500M", "kvBytesPerToken": 1024}
    model = {"source": "pvc://models/sorter", "maxModelLen": 256, "size": size}
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {"name": "rights", "namespace": "default"},
        "spec": {"field": "sorting", "model": model, "placement": {"tiers": [TIER]}},
    }


def tier() -> dict[str, Any]:
    spec = {
        "gpu": {"product": "NVIDIA-L4", "memory": "24Gi"},
        "nodeSelector": {"rights": "l4"},
        "price": {"perGPUHour": 0.5},
    }
    metadata = {"name": TIER}
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "GPUTier",
        "metadata": metadata,
        "spec": spec,
    }


def node() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "rights", "labels": {"rights": "l4"}},
        "spec": {"taints": []},
    }


@pytest.fixture(scope="module")
def limited(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The API server, with a kubeconfig of the operator's own account under the chart's roles."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    roles = [o for o in rendered() if "Role" in o["kind"] or o["kind"] == "ServiceAccount"]
    text = yaml.safe_dump_all([namespace, *roles, node(), tier()])
    api_server.kubectl("apply", "--server-side", "-f", "-", stdin=text)
    api_server.kubectl("taint", "node", "rights", "node.kubernetes.io/not-ready-")
    give_gpus(api_server)
    token = api_server.kubectl("create", "token", "tierwise-operator", "-n", NAMESPACE).strip()
    config = yaml.safe_load(api_server.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = tmp_path_factory.mktemp("rights") / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    yield ApiServer(path, api_server.client)
    api_server.kubectl("delete", "node/rights", f"gputier/{TIER}")


def give_gpus(server: ApiServer) -> None:
    """What a device plugin and a kubelet would report."""
    is_ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
    status = {
        "conditions": [is_ready | {"lastTransitionTime": "2026-01-31T12:00:00Z"}],
        "allocatable": {"nvidia.com/gpu": "4", "cpu": "8"},
        "capacity": {"nvidia.com/gpu": "4", "cpu": "8"},
    }
    patch = json.dumps({"status": status})
    server.kubectl("patch", "node", "rights", "--subresource=status", "--type=merge", "-p", patch)


@pytest.fixture(scope="module")
def log(limited: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the running operator logs."""
    path = tmp_path_factory.mktemp("log") / "operator.log"
    command = [sys.executable, "-m", "tierwise_operator", "run", "--port", str(free_port())]
    identity = {"POD_NAME": "operator-0", "POD_NAMESPACE": NAMESPACE}
    environment = os.environ | identity | {"KUBECONFIG": str(limited.kubeconfig)}
    with (
        path.open("w") as out,
        subprocess.Popen(command, env=environment, stdout=out, stderr=out) as operator,
    ):
        yield path
        operator.send_signal(signal.SIGTERM)


def test_it_places_runs_heals_and_reports(api_server: ApiServer, log: Path) -> None:
    # Placed: the operator has read tier, node and pods, and written both statuses.
    api_server.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(specialist()))
    placed = "--for=jsonpath={.status.placement.tier}=" + TIER
    api_server.kubectl("wait", "specialist/rights", placed, WITHIN)
    api_server.kubectl("wait", f"gputier/{TIER}", "--for=condition=Ready", WITHIN)
    api_server.kubectl("wait", "service/rights", "--for=create", WITHIN)

    # Healed: what a person deletes or edits comes back.
    api_server.kubectl("delete", "service/rights")
    api_server.kubectl("wait", "service/rights", "--for=create", WITHIN)
    (engine,) = children(api_server)
    api_server.kubectl("scale", f"deployment/{engine}", "--replicas=3")
    api_server.kubectl("wait", f"deployment/{engine}", "--for=jsonpath={.spec.replicas}=1", WITHIN)
    events = api_server.kubectl("get", "events", "-o", "name")
    assert events.strip()

    # Gone: the Specialist is deleted without the operator's help.
    api_server.kubectl("delete", "specialist/rights", WITHIN)

    assert "forbidden" not in log.read_text().lower()


def children(server: ApiServer) -> list[str]:
    """The Deployments of the Specialist."""
    selector = "--selector=tierwise.dev/specialist=rights"
    listed = json.loads(server.kubectl("get", "deployments", selector, "-o", "json"))
    return [item["metadata"]["name"] for item in listed["items"]]
