"""A cluster that lives: Kubernetes' controllers, scheduler and kubelets, step by step.

For stories and properties of the operator's decisions over time. Each part does what Kubernetes
documents of it: which pods a ReplicaSet removes first is
https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-down-a-replicaset
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from observed import GPU, World, a_pod

from tierwise_core.children import Child
from tierwise_core.fleet import Exit, Node, Pod, admits, gpu_use
from tierwise_core.plan import Plan

NO_GPU = "0/9 nodes are available: 9 Insufficient nvidia.com/gpu."


@dataclass
class Living(World):
    """A world whose Deployments have pods, whose pods find nodes, and whose engines load."""

    born: int = 0

    def step(self, name: str = "sorter") -> Plan:
        """One pass of the operator, and what the controllers make of it at once."""
        plan = self.carry_out(self.look(name), name)
        self.control()
        return plan

    def control(self) -> None:
        """What the controllers do: pods for every Deployment, none for those that are gone."""
        wanted = {child.revision: child for child in self.deployments}
        for pod in list(self.pods):
            if pod.revision not in wanted and not pod.terminating:
                self.change(pod, terminating=True, ready=False)
        for child in self.deployments:
            self._replicate(child)

    def _replicate(self, child: Child) -> None:
        alive = [p for p in self.pods if p.revision == child.revision and not p.terminating]
        for _ in range(child.replicas - len(alive)):
            self.born += 1
            name = f"{child.name}-{self.born}"
            gpus = max(1, child.gpus_per_replica)
            new = a_pod(child.revision, name, child.specialist, gpus, node="", ip="")
            self.pods.append(replace(new, tier=child.tier))
        for pod in sorted(alive, key=_goes_first)[: max(0, len(alive) - child.replicas)]:
            if pod.node:
                self.change(pod, terminating=True, ready=False)
            else:
                self.pods.remove(pod)

    def schedule(self) -> None:
        """What the scheduler does: nodes for the pods that wait, as long as there are GPUs."""
        for pod in [p for p in self.pods if not p.node and not p.terminating]:
            home = next((node for node in self.nodes if self._fits(pod, node)), None)
            if home is None:
                self.change(pod, unschedulable=NO_GPU)
            else:
                self.change(pod, node=home.name, unschedulable="", running_since="now")

    def _fits(self, pod: Pod, node: Node) -> bool:
        tier = next(tier for tier in self.tiers if tier.name == pod.tier)
        used = gpu_use(self.pods).get(node.name, {}).get(GPU, 0)
        free = node.gpus.get(GPU, 0) - used
        here = node.labels.get("gpu") == pod.tier and admits(tier, node)
        return here and free >= pod.gpus.get(GPU, 0)

    def load(self, most: int = 99) -> None:
        """Engines that have loaded: so many of those that run become ready; failed ones do not."""
        alive = {node.name for node in self.nodes if node.ready}
        loading = [p for p in self.pods if p.node in alive and not p.ready and not p.terminating]
        for pod in [p for p in loading if p.last_exit is None][:most]:
            self.born += 1
            self.change(pod, ready=True, ip=f"10.0.0.{self.born}")

    def fail(self, pod: Pod) -> None:
        """The engine ends and will end again: its GPU is broken."""
        self.change(pod, ready=False, restarts=1, last_exit=Exit(1, "Error", "CUDA error"))

    def reap(self) -> None:
        """Pods that were told to stop are gone; those on a dead node stay, as they do."""
        alive = {node.name for node in self.nodes if node.ready}
        self.pods = [p for p in self.pods if not p.terminating or p.node not in alive]

    def lose_node(self, name: str) -> None:
        """The node object is deleted, and the pods on it with it."""
        self.nodes = [node for node in self.nodes if node.name != name]
        self.pods = [pod for pod in self.pods if pod.node != name]

    def change_node(self, name: str, **changes: object) -> None:
        self.nodes = [replace(n, **changes) if n.name == name else n for n in self.nodes]
        if changes.get("ready") is False:
            for pod in [p for p in self.pods if p.node == name]:
                self.change(pod, ready=False)

    def change(self, pod: Pod, **changes: object) -> None:
        self.pods[self.pods.index(pod)] = replace(pod, **changes)

    def live(self, rounds: int = 60, name: str = "sorter") -> None:
        """Let everything run until nothing changes any more."""
        for _ in range(rounds):
            before = (list(self.pods), list(self.deployments))
            plan = self.step(name)
            self.reap()
            self.schedule()
            self.load()
            if plan.converged and before == (self.pods, self.deployments):
                return
        raise AssertionError(f"never at rest: {plan.actions}, {self.pods}")

    def serving(self, name: str = "sorter") -> list[Pod]:
        return [p for p in self.pods if p.specialist == name and p.ready and not p.terminating]


def _goes_first(pod: Pod) -> tuple[bool, bool, int, str]:
    """The order in which a ReplicaSet removes pods, its random last step aside."""
    return (bool(pod.node), pod.ready, pod.deletion_cost, _newest_first(pod.name))


def _newest_first(name: str) -> str:
    number = int(name.rpartition("-")[2])
    return f"{10**9 - number:010d}"


def where(pods: Iterable[Pod]) -> dict[str, int]:
    """How many of the pods are on each node."""
    counted: dict[str, int] = {}
    for pod in pods:
        counted[pod.node] = counted.get(pod.node, 0) + 1
    return counted
