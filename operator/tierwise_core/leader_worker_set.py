"""One replica over several nodes: a leader that answers, and workers that hold other layers.

LeaderWorkerSet starts and restarts the pods of a replica together. vLLM's own multi-node start is
used (``--nnodes``, ``--node-rank``, ``--master-addr``), so no Ray is needed: the leader is node 0
and serves, the others run without an API (``vllm serve --headless``). LeaderWorkerSet gives each
container the leader's address and its own number.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from tierwise_core.errors import PlacementError

__all__ = ["MissingLeaderWorkerSetError", "group_spec", "spans", "worker_template"]

CONTAINER: Final = "engine"
HEADLESS: Final = ("python3", "-m", "vllm.entrypoints.cli.main", "serve")
INSTALL: Final = "https://lws.sigs.k8s.io/docs/installation/"
LEADER_ONLY: Final = ("ports", "startupProbe", "readinessProbe", "livenessProbe")


class MissingLeaderWorkerSetError(PlacementError):
    """A replica over several nodes is asked for, and nothing starts its pods together."""

    reason = "LeaderWorkerSetMissing"
    retryable = True

    def __init__(self, nodes: int) -> None:
        super().__init__(
            f"spec.placement.nodesPerReplica: {nodes} needs LeaderWorkerSet, which this cluster "
            f"does not have; install it ({INSTALL}), or set nodesPerReplica to 1"
        )


def spans(nodes: int) -> dict[str, Any]:
    """Return the engine's arguments for a replica over so many nodes; none for one.

    >>> spans(1)
    {}
    >>> spans(2)["--pipeline-parallel-size"]
    2
    """
    if nodes == 1:
        return {}
    return {
        "--pipeline-parallel-size": nodes,
        "--distributed-executor-backend": "mp",
        "--nnodes": nodes,
        "--node-rank": "$(LWS_WORKER_INDEX)",
        "--master-addr": "$(LWS_LEADER_ADDRESS)",
    }


def worker_template(leader: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """Return the workers' template: the leader's engine without an API, under other labels.

    The Service and the endpoints select the leader's labels: a worker answers nobody.
    """
    template: dict[str, Any] = copy.deepcopy(dict(leader))
    template["metadata"]["labels"] = dict(labels)
    for container in template["spec"]["containers"]:
        if container["name"] == CONTAINER:
            for name in LEADER_ONLY:
                container.pop(name, None)
            container["command"] = list(HEADLESS)
            container["args"] = _headless(container.get("args") or [])
    return template


def _headless(args: list[str]) -> list[str]:
    """Return the same arguments as ``vllm serve`` takes them, which names the model first.

    >>> _headless(["--model", "/models/m", "--port", "8000"])
    ['/models/m', '--port', '8000', '--headless']
    """
    if args[:1] != ["--model"]:
        return [*args, "--headless"]
    return [*args[1:], "--headless"]


def group_spec(
    replicas: int, nodes: int, leader: Mapping[str, Any], worker: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the spec of a LeaderWorkerSet."""
    return {
        "replicas": replicas,
        "leaderWorkerTemplate": {
            "size": nodes,
            "restartPolicy": "RecreateGroupOnPodRestart",
            "leaderTemplate": leader,
            "workerTemplate": worker,
        },
        "startupPolicy": "LeaderCreated",
    }
