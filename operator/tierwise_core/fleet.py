"""Nodes, pods and tiers as observed, and how many GPUs are where."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

NO_EXECUTE = "NoExecute"
NO_SCHEDULE = "NoSchedule"


@dataclass(frozen=True, slots=True)
class Taint:
    """A node's taint."""

    key: str
    value: str = ""
    effect: str = NO_SCHEDULE


@dataclass(frozen=True, slots=True)
class Node:
    """A node with the extended resources (GPUs) it offers, by resource name.

    ``leaving`` is what announces that it is about to go, empty while nothing does.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    gpus: Mapping[str, int] = field(default_factory=dict)
    ready: bool = True
    cordoned: bool = False
    taints: tuple[Taint, ...] = ()
    leaving: str = ""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container's last run ended."""

    code: int
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that is an engine of ours or that holds GPUs; only what decisions read.

    ``specialist`` and ``revision`` are empty for pods that are not ours, and ``edition`` for those
    that an older version of the operator started. ``waiting_reason`` is why the engine's container
    (or an init container before it) does not run. ``gates`` are those that
    keep it from the scheduler. ``deletion_cost`` says which pods of a Deployment go first. A
    ``worker`` holds GPUs of a replica over several nodes and answers nobody.
    ``held_up_by`` is the init container that ``waiting_reason`` is about, if it is one;
    ``fetching_since`` and ``fetch_exit`` tell of the container that fetches the model first.
    """

    namespace: str
    name: str
    uid: str = ""
    node: str = ""
    gpus: Mapping[str, int] = field(default_factory=dict)
    specialist: str = ""
    revision: str = ""
    edition: str = ""
    tier: str = ""
    worker: bool = False
    ip: str = ""
    ready: bool = False
    ready_since: str = ""
    terminating: bool = False
    finished: bool = False
    unschedulable: str = ""
    gates: tuple[str, ...] = ()
    deletion_cost: int = 0
    waiting_reason: str = ""
    waiting_message: str = ""
    running_since: str = ""
    restarts: int = 0
    last_exit: Exit | None = None
    held_up_by: str = ""
    fetching_since: str = ""
    fetch_exit: Exit | None = None

    @property
    def key(self) -> str:
        """``namespace/name`` of the pod.

        >>> Pod("default", "sorter-5d8f7c9b-abcde").key
        'default/sorter-5d8f7c9b-abcde'
        """
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class GPUTier:
    """One GPUTier as last observed, defaults of the GPU catalogue filled in.

    ``memory_bytes`` is None when neither the spec nor the catalogue knows the GPU: such a tier
    counts its nodes but nothing is placed on it. ``invalid`` says why the spec cannot be read.
    """

    name: str
    uid: str = ""
    generation: int = 1
    product: str = ""
    memory_bytes: int | None = None
    memory_text: str | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    resource_name: str = "nvidia.com/gpu"
    usd_per_gpu_hour: float = 0.0
    usable_fraction: float = 0.9
    confidence_floor: float | None = None
    escalate_to: str | None = None
    kueue_resource_flavor: str | None = None
    invalid: str | None = None
    status: Mapping[str, Any] = field(default_factory=dict, compare=False)


def matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Say whether labels carry everything a node selector asks for; an empty one matches nothing.

    A tier that matched every node would count GPUs of other products as its own.

    >>> matches({"gpu": "h100"}, {"gpu": "h100", "zone": "a"}), matches({}, {"gpu": "h100"})
    (True, False)
    """
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def tolerates(tolerations: Iterable[Mapping[str, Any]], taint: Taint) -> bool:
    """Say whether any toleration covers a taint, by the scheduler's rules.

    >>> tolerates([{"key": "gpu", "operator": "Exists"}], Taint("gpu", "h100"))
    True
    >>> tolerates([{"key": "gpu", "value": "a40"}], Taint("gpu", "h100"))
    False
    """
    return any(_covers(toleration, taint) for toleration in tolerations)


def _covers(toleration: Mapping[str, Any], taint: Taint) -> bool:
    if toleration.get("effect") not in {None, "", taint.effect}:
        return False
    key = toleration.get("key") or ""
    exists = toleration.get("operator") == "Exists"
    if not key:
        return exists
    return key == taint.key and (exists or (toleration.get("value") or "") == taint.value)


def closure(tier: GPUTier, node: Node) -> str | None:
    """Return why no new pod of the tier can be scheduled on a node, GPUs aside, or None.

    >>> closure(GPUTier("t"), Node("n", taints=(Taint("gpu", "h100"),)))
    'has the taint gpu=h100:NoSchedule, which spec.tolerations does not cover'
    >>> closure(GPUTier("t"), Node("n", cordoned=True))
    'is cordoned'
    """
    if not node.ready:
        return "is not ready"
    if node.leaving:
        return f"is about to go ({node.leaving})"
    if node.cordoned:
        return "is cordoned"
    for taint in node.taints:
        if taint.effect in {NO_SCHEDULE, NO_EXECUTE} and not tolerates(tier.tolerations, taint):
            name = f"{taint.key}={taint.value}" if taint.value else taint.key
            return f"has the taint {name}:{taint.effect}, which spec.tolerations does not cover"
    return None


def admits(tier: GPUTier, node: Node) -> bool:
    """Say whether a pod of the tier could be scheduled on the node now, GPUs aside."""
    return closure(tier, node) is None


def nodes_of(tier: GPUTier, nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Return the nodes of a tier that offer its resource, by name."""
    return tuple(
        sorted(
            (n for n in nodes if matches(tier.node_selector, n.labels)),
            key=lambda node: node.name,
        )
    )


GpuUse = Mapping[str, Mapping[str, int]]
"""GPUs in use: node name -> resource name -> count."""


def gpu_use(pods: Iterable[Pod]) -> dict[str, dict[str, int]]:
    """Return the GPUs that pods bound to nodes hold; a finished pod holds nothing.

    A terminating pod holds its GPUs until it is gone.

    >>> gpu_use([Pod("a", "p", node="n1", gpus={"nvidia.com/gpu": 2}, terminating=True)])
    {'n1': {'nvidia.com/gpu': 2}}
    """
    use: dict[str, dict[str, int]] = {}
    for pod in pods:
        if pod.node and pod.gpus and not pod.finished:
            held = use.setdefault(pod.node, {})
            for resource, count in pod.gpus.items():
                held[resource] = held.get(resource, 0) + count
    return use


def free_gpus(tier: GPUTier, node: Node, use: GpuUse) -> int:
    """Return how many of a node's GPUs of the tier's resource nobody holds, never below zero."""
    held = use.get(node.name, {}).get(tier.resource_name, 0)
    return max(0, node.gpus.get(tier.resource_name, 0) - held)


def free_slots(tier: GPUTier, nodes: Iterable[Node], use: GpuUse, gpus_per_replica: int) -> int:
    """Return how many more replicas of that many GPUs the tier's nodes could start now.

    A replica never spans nodes: two nodes with one free GPU each hold no replica of two.

    >>> tier = GPUTier("t", node_selector={"gpu": "x"})
    >>> nodes = [Node(n, {"gpu": "x"}, {"nvidia.com/gpu": 4}) for n in "ab"]
    >>> free_slots(tier, nodes, {"a": {"nvidia.com/gpu": 3}}, 2)
    2
    """
    return sum(
        free_gpus(tier, node, use) // max(1, gpus_per_replica)
        for node in nodes_of(tier, nodes)
        if admits(tier, node)
    )
