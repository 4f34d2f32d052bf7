"""What goes into the placement solver. Used through ``placement``."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from tierwise_core.mig import is_slice
from tierwise_core.model_metadata import MemoryBreakdown

__all__ = [
    "NodeCapacity",
    "Policy",
    "Request",
    "Running",
    "Tier",
]

DEFAULT_RESOURCE: Final = "nvidia.com/gpu"
DEFAULT_USABLE_FRACTION: Final = 0.9


@dataclass(frozen=True, slots=True)
class NodeCapacity:
    """The GPUs of one node.

    Attributes:
        name: the node's name.
        gpus_free: GPUs that no pod has requested, save those that a request's ``held`` names: they
            are counted there.
        gpus_total: allocatable GPUs.
        ready: a node that is not ready offers nothing, and what runs there counts as lost.
        schedulable: a node that is cordoned or tainted keeps what runs there and takes nothing new.
    """

    name: str
    gpus_free: int
    gpus_total: int
    ready: bool = True
    schedulable: bool = True


@dataclass(frozen=True, slots=True)
class Tier:
    """One class of GPU and the nodes that have it.

    Attributes:
        name: the GPUTier's name.
        gpu_memory_bytes: memory of one GPU; 0 if it is not known, and nothing fits.
        usable_fraction: the share vLLM may take (``--gpu-memory-utilization``).
        usd_per_gpu_hour: the price of one GPU.
        escalate_to: the tier that takes what this one is not confident of.
        confidence_floor: the confidence below which an answer escalates.
        nodes: the nodes of the tier.
        resource_name: the extended resource the pods ask for; tiers of different resources (MIG
            profiles) may share a node.
    """

    name: str
    gpu_memory_bytes: int
    usable_fraction: float = DEFAULT_USABLE_FRACTION
    usd_per_gpu_hour: float = 0.0
    escalate_to: str | None = None
    confidence_floor: float | None = None
    nodes: tuple[NodeCapacity, ...] = ()
    resource_name: str = DEFAULT_RESOURCE

    @property
    def usable_bytes_per_gpu(self) -> int:
        """What a pod may take of one GPU.

        >>> Tier("rtx-4090", 24 * 2**30).usable_bytes_per_gpu / 2**30
        21.5999999996...
        """
        return int(self.gpu_memory_bytes * self.usable_fraction)


@dataclass(frozen=True, slots=True)
class Running:
    """Replicas of a request that run, start or are being started on one tier.

    Attributes:
        tier: the tier they are on.
        tensor_parallel: GPUs of each replica.
        replicas: how many there are, bound to nodes or not yet.
        held: GPUs that their pods hold now, by node, beside the nodes' ``gpus_free``. Replicas
            beyond those that ``held`` accounts for still need room.
    """

    tier: str
    tensor_parallel: int = 1
    replicas: int = 1
    held: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """One Specialist that wants GPUs.

    Attributes:
        key: ``namespace/name``.
        priority: higher is served first; nobody who runs is pushed out, save by ``Policy.preempt``.
        replicas: pods wanted; 0 finds a tier and takes nothing.
        allowed_tiers: ``spec.placement.tiers``; empty allows all.
        memory: need of each GPU by tensor-parallel size, from ``sizing.size_request``.
        memory_by_tier: the same for single tiers, where what was learned there differs.
        nodes_per_replica: nodes that one replica spans, with a tensor-parallel group on each.
        running: what runs now; several where it spans tiers or moves. Where more runs than is
            wanted, the last ones leave.
        usd_per_accepted: measured cost of an accepted answer by tier; empty compares prices alone.
    """

    key: str
    priority: int = 0
    replicas: int = 1
    allowed_tiers: Collection[str] = ()
    memory: Mapping[int, MemoryBreakdown] = field(default_factory=dict)
    memory_by_tier: Mapping[str, Mapping[int, MemoryBreakdown]] = field(default_factory=dict)
    nodes_per_replica: int = 1
    running: tuple[Running, ...] = ()
    usd_per_accepted: Mapping[str, float] = field(default_factory=dict)

    def allows(self, tier: Tier) -> bool:
        """Whether ``spec.placement.tiers`` lets it run there."""
        return not self.allowed_tiers or tier.name in self.allowed_tiers

    def memory_on(self, tier: str) -> Mapping[int, MemoryBreakdown]:
        """The need of each GPU by tensor-parallel size, as that tier has taught us."""
        return self.memory_by_tier.get(tier, self.memory)

    def fitting_sizes(self, tier: Tier) -> tuple[int, ...]:
        """The tensor-parallel sizes at which the memory fits one GPU of the tier, ascending.

        Slices of a GPU (MIG) cannot be joined, so there only 1 is possible.
        """
        usable = tier.usable_bytes_per_gpu
        largest = 1 if is_slice(tier.resource_name) else math.inf
        return tuple(
            size
            for size, need in sorted(self.memory_on(tier.name).items())
            if need.total_bytes_per_gpu <= usable and size <= largest
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """What a move must bring, and who may be pushed out.

    A running replica moves of its own accord only if that saves more than
    ``move_threshold_fraction`` of what it costs now, and ``move_penalty_usd_per_hour`` besides.

    Attributes:
        move_threshold_fraction: the least saving, as a share of the present price.
        move_penalty_usd_per_hour: what a move costs by itself (loading twice), per replica.
        preempt: whether a running replica may be moved, or stopped where it fits nowhere else, to
            place one of a higher priority.
    """

    move_threshold_fraction: float = 0.2
    move_penalty_usd_per_hour: float = 0.05
    preempt: bool = False
