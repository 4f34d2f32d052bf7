"""Nodes that are KWOK's, for stories of the scheduler and the controllers: no engine runs there."""

import os
import subprocess
import sys
from typing import Any

from cluster import ROOT, Cluster

TAINT = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}


def kwok(cluster: Cluster, nodes: int) -> None:
    """Have so many fake nodes; the first starts the process that plays their kubelets."""
    command = [sys.executable, "-m", "localcluster", "kwok", "--name", cluster.name]
    subprocess.run(
        [*command, "--nodes", str(nodes), "--gpu", "h100", "--gpus", "1"],
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "hack")},
        stdout=subprocess.DEVNULL,
    )


def node(name: str, pool: str, gpus: int) -> dict[str, Any]:
    """A fake node of a pool, with GPUs."""
    room = {"cpu": "64", "memory": "512Gi", "pods": "110", "nvidia.com/gpu": str(gpus)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"water": pool, "kubernetes.io/hostname": name},
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "spec": {"taints": [TAINT]},
        "status": {"capacity": room, "allocatable": room},
    }


def tier(pool: str, price: float, name: str = "") -> dict[str, Any]:
    """A tier of the nodes of a pool."""
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "GPUTier",
        "metadata": {"name": name or pool},
        "spec": {
            "gpu": {"product": "NVIDIA-L4", "memory": "24Gi"},
            "nodeSelector": {"water": pool},
            "tolerations": [{"key": TAINT["key"], "operator": "Exists"}],
            "price": {"perGPUHour": price},
        },
    }
