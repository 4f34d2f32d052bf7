"""Bringing a cluster up. Every step makes only what is missing, so `up` also repairs."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import addons, cgroups, containerd, images, network, packages, preflight, tools
from .console import Detail, step
from .controlplane import ControlPlane
from .errors import CommandError, NotReadyError
from .instance import Instance, Mode, Network, allocate
from .kubectl import Kubectl
from .locks import locked
from .nodes import DEFAULT_NODES, GPU_RESOURCE, NodeSpec
from .nodesoftware import NodeSoftware
from .resolve import resolve
from .shell import succeeds

_NODE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """One instance with its nodes."""

    instance: Instance
    nodes: Sequence[NodeSpec] = DEFAULT_NODES

    @property
    def plane(self) -> ControlPlane:
        """The control plane."""
        return plane_of(self.instance)

    @property
    def kubectl(self) -> Kubectl:
        """Kubectl as administrator."""
        return Kubectl(self.instance.kubeconfig)

    def stores(self) -> dict[str, containerd.ImageStore]:
        """The images of every node."""
        return {spec.name: containerd.image_store(self.instance, spec.name) for spec in self.nodes}

    def software(self) -> list[NodeSoftware]:
        """The software of every node."""
        pause = images.system_images()["pause"].reference
        return [NodeSoftware(self.plane, spec, n, pause) for n, spec in enumerate(self.nodes)]


def plane_of(instance: Instance) -> ControlPlane:
    """An instance's control plane: in a network namespace of its own, or on the loopback."""
    if instance.mode is Mode.CONTROL_PLANE:
        return ControlPlane(instance)
    return ControlPlane(
        instance,
        enter=network.control_plane(instance).enter,
        cgroup=f"{instance.cgroup}/{cgroups.DAEMONS}",
    )


def up(name: str, nodes: Sequence[NodeSpec] = DEFAULT_NODES) -> Cluster:
    """Bring a cluster up, or what is missing of one, and wait until it can run pods.

    Raises PreflightError before anything is changed, NotReadyError with the end of the
    component's log when something does not start.
    """
    preflight.check()
    packages.install(packages.NODE_PACKAGES)
    tools.ensure(tools.CLUSTER_PROGRAMS)
    cluster = Cluster(allocate(name, Mode.CLUSTER), nodes)
    with locked(cluster.instance.state):
        with step(f"network of {name}: {cluster.instance.network.block}"):
            cgroups.create(f"{cluster.instance.cgroup}/{cgroups.DAEMONS}")
            network.ensure(cluster.instance, [spec.name for spec in nodes])
        with step(f"control plane at {cluster.instance.server}"):
            cluster.plane.start()
        for software in cluster.software():
            _start_node(software)
        with step("nodes ready, their GPUs counted") as detail:
            _wait(lambda: _unready_nodes(cluster), detail)
        _ensure_dns(cluster)
    return cluster


def _start_node(software: NodeSoftware) -> None:
    spec = software.spec
    with step(f"node {spec.name}: {spec.gpus} x {spec.gpu.product}") as detail:
        software.prepare()
        runtime = software.containerd()
        runtime.ensure()
        _wait(lambda: _unready_runtime(software), detail)
        images.load_system_images(containerd.image_store(software.instance, spec.name))
        for daemon in software.daemons():
            daemon.ensure()
        for daemon in software.daemons():
            daemon.check_alive()


def _unready_runtime(software: NodeSoftware) -> str:
    software.containerd().check_alive()
    store = containerd.image_store(software.instance, software.spec.name)
    answers = store.socket.exists() and succeeds(["ctr", "--address", store.socket, "version"])
    return "" if answers else f"containerd of {software.spec.name} does not answer yet"


def _unready_nodes(cluster: Cluster) -> str:
    """Which nodes are not ready yet and why, empty when all are."""
    try:
        items = {item["metadata"]["name"]: item for item in cluster.kubectl.get("nodes")["items"]}
    except CommandError as error:
        return str(error)
    waiting = []
    for spec in cluster.nodes:
        status = items.get(spec.name, {}).get("status", {})
        ready = {c["type"]: c["status"] for c in status.get("conditions", ())}.get("Ready")
        gpus = status.get("capacity", {}).get(GPU_RESOURCE, "0")
        if ready != "True" or gpus == "0":
            waiting.append(f"{spec.name} (Ready {ready}, {gpus} GPUs)")
    return ", ".join(waiting)


def _ensure_dns(cluster: Cluster) -> None:
    with step(f"DNS at {cluster.instance.network.dns}") as detail:
        image = images.system_images()["coredns"].reference
        cluster.kubectl.apply(addons.dns(cluster.instance.network, image))
        wait = ("rollout", "status", "deployment/coredns", "-n", "kube-system", "--timeout=300s")
        cluster.kubectl.run(*wait)
        _wait(lambda: _silent_dns(cluster.instance.network), detail)


def _silent_dns(net: Network) -> str:
    """Asked from this machine, so that its way to Services is proven as well."""
    found = resolve("kubernetes.default.svc.cluster.local", net.dns)
    if found == net.kubernetes_service:
        return ""
    return f"{net.dns} answers {found} for the API server, not {net.kubernetes_service}"


def _wait(unready: Callable[[], str], detail: Detail, seconds: float = _NODE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while reason := unready():
        detail(reason)
        if time.monotonic() > deadline:
            raise NotReadyError(f"still not ready after {seconds:.0f} s: {reason}")
        time.sleep(0.2)
