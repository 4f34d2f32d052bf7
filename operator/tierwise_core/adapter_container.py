"""The container beside an engine that fetches adapters into the pod when it is told to.

The engine itself could download from the Hub, but does so between two steps of its own: whoever
asks the base waits meanwhile. See docs/decisions/adapters-are-fetched-beside-the-engine.md.
"""

from typing import Any

from tierwise_core.delivery import Delivery
from tierwise_core.fetch_container import COMMAND, credentials_env

__all__ = ["ADAPTER_FETCHER", "FETCHED_PATH", "FETCH_PORT", "adapter_fetcher", "fetched_volume"]

ADAPTER_FETCHER = "adapters"
FETCHED_PATH = "/mnt/tierwise/adapters"
FETCH_PORT = 8001


def adapter_fetcher(
    delivery: Delivery, secret_name: str, hf_endpoint: str | None
) -> dict[str, Any]:
    """Return the container: a sidecar that listens for the operator."""
    insecure = [
        word for host in delivery.insecure_registries for word in ("--insecure-registry", host)
    ]
    return {
        "name": ADAPTER_FETCHER,
        "image": delivery.image,
        "imagePullPolicy": delivery.pull_policy,
        "restartPolicy": "Always",
        "command": list(COMMAND),
        "args": ["adapters", "--to", FETCHED_PATH, "--port", str(FETCH_PORT), *insecure],
        "env": credentials_env(delivery, secret_name, hf_endpoint),
        "ports": [{"name": "adapters", "containerPort": FETCH_PORT}],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": ADAPTER_FETCHER, "mountPath": FETCHED_PATH}],
    }


def fetched_volume() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the volume that it fetches into, and where the engine reads it."""
    mount = {"name": ADAPTER_FETCHER, "mountPath": FETCHED_PATH, "readOnly": True}
    return {"name": ADAPTER_FETCHER, "emptyDir": {}}, mount
