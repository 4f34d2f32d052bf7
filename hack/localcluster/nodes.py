"""The nodes of the local cluster and the GPUs they play."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .instance import Instance

GPU_RESOURCE = "nvidia.com/gpu"


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU as GPU feature discovery labels it."""

    product: str
    memory_mib: int


RTX_4090 = Gpu("NVIDIA-GeForce-RTX-4090", 24564)
H100 = Gpu("NVIDIA-H100-80GB-HBM3", 81559)
GPUS = {
    "rtx-4090": RTX_4090,
    "h100": H100,
    "a100": Gpu("NVIDIA-A100-SXM4-80GB", 81920),
    "l4": Gpu("NVIDIA-L4", 23034),
    "l40s": Gpu("NVIDIA-L40S", 46068),
}


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node, by name, and its GPUs."""

    name: str
    gpu: Gpu
    gpus: int

    @property
    def labels(self) -> dict[str, str]:
        """The labels GPU feature discovery would put on the node."""
        return {
            "nvidia.com/gpu.present": "true",
            "nvidia.com/gpu.product": self.gpu.product,
            "nvidia.com/gpu.memory": str(self.gpu.memory_mib),
            "nvidia.com/gpu.count": str(self.gpus),
        }


DEFAULT_NODES = (NodeSpec("gpu-4090-0", RTX_4090, 4), NodeSpec("gpu-h100-0", H100, 2))


def folder(instance: Instance, node: str) -> Path:
    """What a node keeps on disk."""
    return instance.state / "nodes" / node


def inventory(instance: Instance, node: str) -> Path:
    """The file in which the node's device plugin reads its GPUs."""
    return folder(instance, node) / "gpus.json"


def write_gpus(instance: Instance, node: str, count: int, unhealthy: Sequence[int] = ()) -> None:
    """Say how many GPUs a node has and which of them are broken; seen within a second."""
    path = inventory(instance, node)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps({"count": count, "unhealthy": sorted(unhealthy)}))
    unfinished.rename(path)


def read_gpus(instance: Instance, node: str) -> tuple[int, tuple[int, ...]]:
    """How many GPUs a node has, and which of them are broken."""
    found = json.loads(inventory(instance, node).read_text())
    return found["count"], tuple(found["unhealthy"])
