"""The operator's own picture of the cluster: distilled observations, and who cares about a change.

kopf's events and the operator's own writes both end here. What did not change causes nothing: a
kubelet's heartbeat, or the echo of a status that the operator has just written.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from tierwise_core.children import Child
from tierwise_core.fleet import GPUTier, Node, Pod
from tierwise_core.rollout.order import Order
from tierwise_core.specialist import Specialist
from tierwise_operator import distill, distill_pods, distill_rollouts
from tierwise_operator.distill_rollouts import Profile
from tierwise_operator.kinds import (
    DEPLOYMENT,
    FIELD_PROFILE,
    GPU_TIER,
    LEADER_WORKER_SET,
    NODE,
    POD,
    ROLLOUT,
    SERVICE,
    SPECIALIST,
    Kind,
)
from tierwise_operator.shelf import Shelf
from tierwise_operator.workqueue import Item

Json = Mapping[str, Any]
FLEET = Item("Fleet")
READERS: Mapping[str, Callable[[Json], Any]] = {
    SPECIALIST.name: distill.specialist,
    GPU_TIER.name: distill.gpu_tier,
    POD.name: distill_pods.pod,
    ROLLOUT.name: distill_rollouts.rollout,
    FIELD_PROFILE.name: distill_rollouts.field_profile,
}


class Store:
    """What is in the cluster, as far as it was seen; ``enqueue`` is told what needs a pass."""

    def __init__(
        self, enqueue: Callable[[Item], None], leaving_taints: Collection[str] = ()
    ) -> None:
        """``leaving_taints`` say that a node is about to go, beside those that are known."""
        self._enqueue = enqueue
        self._leaving_taints = frozenset(leaving_taints)
        self.specialists: Shelf[Specialist] = Shelf()
        self.tiers: Shelf[GPUTier] = Shelf()
        self.nodes: Shelf[Node] = Shelf()
        self.pods: Shelf[Pod] = Shelf(lambda pod: f"{pod.namespace}/{pod.specialist}")
        self.deployments: Shelf[Child] = Shelf(lambda c: f"{c.namespace}/{c.specialist}")
        self.gangs: Shelf[Child] = Shelf(lambda c: f"{c.namespace}/{c.specialist}")
        self.services: Shelf[Child] = Shelf(lambda c: f"{c.namespace}/{c.specialist}")
        self.rollouts: Shelf[Order] = Shelf(lambda order: order.specialist_key)
        self.profiles: Shelf[Profile] = Shelf()
        self.use: dict[str, dict[str, int]] = {}
        self._shelves: dict[str, Shelf[Any]] = {
            SPECIALIST.name: self.specialists,
            GPU_TIER.name: self.tiers,
            NODE.name: self.nodes,
            POD.name: self.pods,
            DEPLOYMENT.name: self.deployments,
            SERVICE.name: self.services,
            LEADER_WORKER_SET.name: self.gangs,
            ROLLOUT.name: self.rollouts,
            FIELD_PROFILE.name: self.profiles,
        }

    def workloads(self, key: str) -> tuple[Child, ...]:
        """Return what runs the pods of a Specialist: Deployments and LeaderWorkerSets."""
        return (*self.deployments.of(key), *self.gangs.of(key))

    def blue_deployments(self, key: str) -> tuple[Child, ...]:
        """Return the Deployments of a Specialist that run no candidate."""
        return tuple(child for child in self.deployments.of(key) if not child.side)

    def blue_pods(self, key: str) -> tuple[Pod, ...]:
        """Return the pods of a Specialist that run no candidate."""
        greens = {child.revision for child in self.workloads(key) if child.side}
        return tuple(pod for pod in self.pods.of(key) if pod.revision not in greens)

    def shelf(self, kind: Kind) -> Shelf[Any]:
        """Return where objects of a kind are kept."""
        return self._shelves[kind.name]

    def observe(self, kind: Kind, body: Json, *, echo: bool = False) -> None:
        """Take in an object as it is now; ``echo`` marks the answer to a write of our own."""
        metadata = body["metadata"]
        key = key_of(metadata)
        shelf, version = self.shelf(kind), str(metadata.get("resourceVersion", ""))
        if shelf.has_seen(key, version):
            return
        seen = self._distilled(kind, body)
        if seen is None:
            self.forget(kind, key)
            return
        before = shelf.put(key, seen, version)
        self._notice(kind, key, before, seen, echo=echo)

    def forget(self, kind: Kind, key: str) -> None:
        """Drop an object that is gone."""
        before = self.shelf(kind).drop(key)
        if before is not None:
            self._notice(kind, key, before, None, echo=False)

    def _distilled(self, kind: Kind, body: Json) -> Any:
        match kind.name:
            case "Node":
                return distill.node(body, self._leaving_taints)
            case "Service" | "LeaderWorkerSet" | "Deployment" as name:
                return distill.child(name, body)
            case name if name in READERS:
                return READERS[name](body)
            case unknown:
                raise ValueError(f"nothing is kept of the kind {unknown}")

    def _notice(self, kind: Kind, key: str, before: Any, after: Any, *, echo: bool) -> None:
        match kind.name:
            case "Specialist":
                self._specialist_changed(key, before, after, echo=echo)
            case "GPUTier":
                self._tier_changed(key, before, after, echo=echo)
            case "Node" if before != after:
                self._fleet_changed()
                self._those_on(key)
            case "Pod":
                self._pod_changed(before, after)
            case "Deployment" | "Service" | "LeaderWorkerSet" if before != after:
                self._child_changed(before, after)
            case "Rollout":
                self._rollout_changed(before, after, echo=echo)
            case "FieldProfile" if before != after:
                for order in self.rollouts.all():
                    self._enqueue(Item("Rollout", order.key))

    def _specialist_changed(
        self, key: str, before: Specialist | None, after: Specialist | None, *, echo: bool
    ) -> None:
        if before != after:
            self._enqueue(FLEET)
            self._enqueue(Item("Specialist", key))
        elif not echo and _status_differs(before, after):  # somebody else wrote it: put it right
            self._enqueue(Item("Specialist", key))

    def _tier_changed(
        self, key: str, before: GPUTier | None, after: GPUTier | None, *, echo: bool
    ) -> None:
        if before != after:
            self._fleet_changed()
        elif not echo and _status_differs(before, after):
            self._enqueue(Item("GPUTier", key))

    def _pod_changed(self, before: Pod | None, after: Pod | None) -> None:
        if before == after:
            return
        for pod in (before, after):
            if pod is not None and pod.specialist:
                self._enqueue(Item("Specialist", f"{pod.namespace}/{pod.specialist}"))
        if _gpus_held(before) != _gpus_held(after):
            self._count(before, -1)
            self._count(after, +1)
            self._fleet_changed()

    def _those_on(self, node: str) -> None:
        """Ask for a pass over the Specialists with pods on a node: it may be about to go."""
        for pod in self.pods.all():
            if pod.node == node and pod.specialist:
                self._enqueue(Item("Specialist", f"{pod.namespace}/{pod.specialist}"))

    def _child_changed(self, before: Child | None, after: Child | None) -> None:
        for child in (before, after):
            if child is not None:
                self._enqueue(Item("Specialist", f"{child.namespace}/{child.specialist}"))
        if _running(before) != _running(after):
            self._enqueue(FLEET)

    def _rollout_changed(self, before: Order | None, after: Order | None, *, echo: bool) -> None:
        """Ask for a pass over it, those that wait for it, and the pods that follow its stage."""
        order = after or before
        if order is None or (before == after and _moves(before) == _moves(after)):
            if order is not None and not echo and _status_differs(before, after):
                self._enqueue(Item("Rollout", order.key))
            return
        self._enqueue(FLEET)
        self._enqueue(Item("Specialist", order.specialist_key))
        for one in self.rollouts.of(order.specialist_key):
            self._enqueue(Item("Rollout", one.key))
        self._enqueue(Item("Rollout", order.key))

    def _fleet_changed(self) -> None:
        """Ask for whatever depends on nodes, tiers or GPUs in use."""
        self._enqueue(FLEET)
        for name in self.tiers:
            self._enqueue(Item("GPUTier", name))

    def _count(self, pod: Pod | None, sign: int) -> None:
        """Keep the count of GPUs in use as pods come and go."""
        node, gpus = _gpus_held(pod)
        held = self.use.setdefault(node, {})
        for resource, count in gpus.items():
            held[resource] = held.get(resource, 0) + sign * count
            if not held[resource]:
                del held[resource]
        if not held:
            del self.use[node]


def key_of(metadata: Json) -> str:
    """Return ``namespace/name``, or the name of a cluster-scoped object.

    >>> key_of({"namespace": "ai", "name": "sorter"}), key_of({"name": "h100"})
    ('ai/sorter', 'h100')
    """
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def _moves(order: Order | None) -> tuple[object, ...]:
    """Return what the pods of a Rollout's two sides depend on."""
    return () if order is None else (order.standing is None, order.stage, order.percent)


def _status_differs(
    before: Specialist | GPUTier | Order | None, after: Specialist | GPUTier | Order | None
) -> bool:
    return before is not None and after is not None and before.status != after.status


def _gpus_held(pod: Pod | None) -> tuple[str, Mapping[str, int]]:
    if pod is None or pod.finished or not pod.node:
        return "", {}
    return pod.node, pod.gpus


def _running(child: Child | None) -> tuple[object, ...]:
    if child is None or child.kind == "Service":
        return ()
    return (child.name, child.tier, child.replicas, child.gpus_per_replica, child.deleting)
