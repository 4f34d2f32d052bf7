"""KWOK nodes: nodes that exist in the API only, for a fleet larger than this machine.

Their kubelet is one process that says every pod runs. They carry a taint, so that nothing lands
on them which does not mean to.
"""

from collections.abc import Sequence
from typing import Any

from . import tools
from .controlplane import ControlPlane
from .instance import Instance
from .kubectl import Kubectl
from .nodes import GPU_RESOURCE, Gpu, NodeSpec
from .processes import Daemon, read_record, stop

TAINT = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}
_ANNOTATION = {"kwok.x-k8s.io/node": "fake"}
_SELECTOR = "type=kwok"


def daemon(plane: ControlPlane) -> Daemon:
    """The process that plays every fake node's kubelet."""
    instance = plane.instance
    return Daemon(
        name="kwok",
        argv=(
            str(tools.binary("kwok")),
            f"--kubeconfig={instance.kubeconfig}",
            "--manage-all-nodes=false",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            "--node-lease-duration-seconds=40",
            f"--server-address=127.0.0.1:{instance.ports.kwok}",
        ),
        log=instance.logs / "kwok.log",
        records=instance.runtime / "processes",
        cgroup=plane.cgroup,
        enter=plane.enter,
        env={"GOGC": "50", "HOME": str(instance.state)},
    )


def scale(plane: ControlPlane, gpu_name: str, gpu: Gpu, nodes: int, gpus: int) -> None:
    """Have exactly `nodes` fake nodes with `gpus` GPUs of a kind; other kinds stay."""
    kubectl = Kubectl(plane.instance.kubeconfig)
    wanted = [NodeSpec(f"kwok-{gpu_name}-{n}", gpu, gpus) for n in range(nodes)]
    if wanted:
        daemon(plane).ensure()
        kubectl.apply([manifest(spec) for spec in wanted])
    selector = f"{_SELECTOR},nvidia.com/gpu.product={gpu.product}"
    names = {spec.name for spec in wanted}
    _delete(kubectl, [name for name in _listed(kubectl, selector) if name not in names])
    if not _listed(kubectl, _SELECTOR):
        _stop(plane.instance)


def manifest(spec: NodeSpec) -> dict[str, Any]:
    """A fake node with a server's processors and memory."""
    room = {"cpu": "64", "memory": "512Gi", "pods": "110", GPU_RESOURCE: str(spec.gpus)}
    labels = {
        "type": "kwok",
        "kubernetes.io/hostname": spec.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        **spec.labels,
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": spec.name, "labels": labels, "annotations": _ANNOTATION},
        "spec": {"taints": [TAINT]},
        "status": {"capacity": room, "allocatable": room},
    }


def _listed(kubectl: Kubectl, selector: str) -> Sequence[str]:
    found = kubectl.get("nodes", "--selector", selector)["items"]
    return [item["metadata"]["name"] for item in found]


def _delete(kubectl: Kubectl, names: Sequence[str]) -> None:
    if names:
        kubectl.run("delete", "node", "--wait=false", *names)


def _stop(instance: Instance) -> None:
    record = read_record(instance.runtime / "processes" / "kwok.json")
    if record is not None:
        stop(record)
