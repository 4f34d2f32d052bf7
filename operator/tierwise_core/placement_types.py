"""What goes into the placement solver, and what comes out. Used through ``placement``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tierwise_core.errors import PlacementError
from tierwise_core.model_metadata import MemoryBreakdown

__all__ = [
    "Assignment",
    "NodeCapacity",
    "PlacementPlan",
    "Rejection",
    "RejectionCode",
    "Request",
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
            are counted there. 0 on a cordoned node.
        gpus_total: allocatable GPUs.
        ready: a node that is not ready offers nothing, and what runs there counts as lost.
    """

    name: str
    gpus_free: int
    gpus_total: int
    ready: bool = True


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
class Request:
    """One Specialist that wants GPUs.

    Attributes:
        key: ``namespace/name``.
        priority: higher is served first; nobody who runs is pushed out.
        replicas: pods wanted; 0 finds a tier and takes nothing.
        allowed_tiers: ``spec.placement.tiers``; empty allows all.
        memory: need of each GPU by tensor-parallel size, from ``sizing.size_request``.
        current_tier: where it runs now, ``None`` if nowhere.
        current_tensor_parallel: over how many GPUs each replica runs now.
        current_replicas: how many replicas run or start there; ``None`` for all of ``replicas``.
        held: GPUs that its pods hold now, by node, beside the nodes' ``gpus_free``. Without it
            they must be counted free, and the solver may believe in room that fragments deny.
    """

    key: str
    priority: int = 0
    replicas: int = 1
    allowed_tiers: Collection[str] = ()
    memory: Mapping[int, MemoryBreakdown] = field(default_factory=dict)
    current_tier: str | None = None
    current_tensor_parallel: int | None = None
    current_replicas: int | None = None
    held: Mapping[str, int] = field(default_factory=dict)

    def allows(self, tier: Tier) -> bool:
        """Whether ``spec.placement.tiers`` lets it run there."""
        return not self.allowed_tiers or tier.name in self.allowed_tiers

    def fitting_sizes(self, tier: Tier) -> tuple[int, ...]:
        """The tensor-parallel sizes at which the memory fits one GPU of the tier, ascending."""
        usable = tier.usable_bytes_per_gpu
        return tuple(
            size for size, need in sorted(self.memory.items()) if need.total_bytes_per_gpu <= usable
        )


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where a request goes.

    Attributes:
        tier: the tier's name.
        tensor_parallel: over how many GPUs each replica is cut.
        gpus_per_replica: the same number, as pods request it.
        replicas: pods that have room; the plan never gives more.
        missing_replicas: pods wanted beyond those.
        usd_per_hour: all replicas together.
        memory: the need of each GPU.
        usable_bytes_per_gpu: what the tier offers on each GPU.
        headroom_bytes: usable less needed.
        kept: it ran there before.
        releases_first: there is room only once its own old pods are gone.
    """

    tier: str
    tensor_parallel: int
    gpus_per_replica: int
    replicas: int
    missing_replicas: int
    usd_per_hour: float
    memory: MemoryBreakdown
    usable_bytes_per_gpu: int
    headroom_bytes: int
    kept: bool = False
    releases_first: bool = False


class RejectionCode(StrEnum):
    """Why a tier was not taken, for programs; the reason in words stands beside it."""

    NOT_ALLOWED = "NotAllowed"
    UNKNOWN_TIER = "UnknownTier"
    UNKNOWN_GPU = "UnknownGPU"
    TOO_SMALL = "TooSmall"
    NO_NODES = "NoNodes"
    NODES_TOO_SMALL = "NodesTooSmall"
    NO_CAPACITY = "NoCapacity"
    MORE_EXPENSIVE = "MoreExpensive"
    LESS_ROOM = "LessRoom"
    RUNS_ELSEWHERE = "RunsElsewhere"


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a tier was not taken, in words and numbers."""

    tier: str
    code: RejectionCode
    reason: str


@dataclass(frozen=True, slots=True)
class PlacementPlan:
    """The outcome for every request.

    Attributes:
        assignments: the requests that go somewhere, by key.
        rejections: for each request, every tier it does not go to, by the tier's name.
        failures: for the requests without an assignment, why (NoTierFitsError, NoCapacityError or
            UnknownTierError, ready for a condition).
        problems: what is wrong with the fleet itself.
    """

    assignments: Mapping[str, Assignment]
    rejections: Mapping[str, tuple[Rejection, ...]]
    failures: Mapping[str, PlacementError]
    problems: tuple[str, ...] = ()
