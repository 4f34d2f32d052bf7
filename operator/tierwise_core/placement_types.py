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
    "Move",
    "NodeCapacity",
    "PlacementPlan",
    "Policy",
    "Rejection",
    "RejectionCode",
    "Request",
    "Running",
    "Share",
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
        running: what runs now; several where it spans tiers or moves.
        usd_per_accepted: measured cost of an accepted answer by tier; empty compares prices alone.
        current_tier: where it runs now, for callers without ``running``.
        current_tensor_parallel: over how many GPUs each replica runs now, likewise.
        current_replicas: how many replicas run or start there; ``None`` for all of ``replicas``.
        held: GPUs that its pods hold now, by node; see ``Running.held``.
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
    current_tier: str | None = None
    current_tensor_parallel: int | None = None
    current_replicas: int | None = None
    held: Mapping[str, int] = field(default_factory=dict)

    def allows(self, tier: Tier) -> bool:
        """Whether ``spec.placement.tiers`` lets it run there."""
        return not self.allowed_tiers or tier.name in self.allowed_tiers

    def memory_on(self, tier: str) -> Mapping[int, MemoryBreakdown]:
        """The need of each GPU by tensor-parallel size, as that tier has taught us."""
        return self.memory_by_tier.get(tier, self.memory)

    def fitting_sizes(self, tier: Tier) -> tuple[int, ...]:
        """The tensor-parallel sizes at which the memory fits one GPU of the tier, ascending."""
        usable = tier.usable_bytes_per_gpu
        return tuple(
            size
            for size, need in sorted(self.memory_on(tier.name).items())
            if need.total_bytes_per_gpu <= usable
        )


@dataclass(frozen=True, slots=True)
class Share:
    """The replicas of one request on one tier.

    Attributes:
        tier: the tier's name.
        tensor_parallel: over how many GPUs of a node each replica is cut.
        gpus_per_replica: GPUs of a replica over all its nodes.
        replicas: pods that have room; the plan never gives more.
        usd_per_hour: all of them together.
        memory: the need of each GPU.
        usable_bytes_per_gpu: what the tier offers on each GPU.
        headroom_bytes: usable less needed.
        kept: how many of the replicas are there already.
    """

    tier: str
    tensor_parallel: int
    gpus_per_replica: int
    replicas: int
    usd_per_hour: float
    memory: MemoryBreakdown
    usable_bytes_per_gpu: int
    headroom_bytes: int
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where a request goes: one tier, or several where none has room for all replicas.

    The properties named as those of :class:`Share` are the primary share's.

    Attributes:
        shares: by replicas (most first), price, name; never empty.
        missing_replicas: pods wanted beyond those that have room.
        usd_per_hour: all shares together.
        releases_first: there is room only once its own old pods are gone.
    """

    shares: tuple[Share, ...]
    missing_replicas: int = 0
    usd_per_hour: float = 0.0
    releases_first: bool = False

    @property
    def primary(self) -> Share:
        """The share with most replicas."""
        return self.shares[0]

    @property
    def tier(self) -> str:
        """The primary share's tier."""
        return self.shares[0].tier

    @property
    def tensor_parallel(self) -> int:
        """Over how many GPUs of a node each replica of the primary share is cut."""
        return self.shares[0].tensor_parallel

    @property
    def gpus_per_replica(self) -> int:
        """GPUs of each replica of the primary share."""
        return self.shares[0].gpus_per_replica

    @property
    def replicas(self) -> int:
        """Replicas of the primary share."""
        return self.shares[0].replicas

    @property
    def placed_replicas(self) -> int:
        """Replicas of all shares."""
        return sum(share.replicas for share in self.shares)

    @property
    def memory(self) -> MemoryBreakdown:
        """The need of each GPU of the primary share."""
        return self.shares[0].memory

    @property
    def usable_bytes_per_gpu(self) -> int:
        """What each GPU of the primary share's tier offers."""
        return self.shares[0].usable_bytes_per_gpu

    @property
    def headroom_bytes(self) -> int:
        """What is left of it."""
        return self.shares[0].headroom_bytes

    @property
    def kept(self) -> bool:
        """Whether replicas stay where they are."""
        return any(share.kept for share in self.shares)


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


@dataclass(frozen=True, slots=True)
class Move:
    """Running replicas that go elsewhere.

    Attributes:
        key: the request.
        from_tier: where they run.
        to_tier: where they go; ``None`` if they stop.
        replicas: how many.
        saves_usd_per_hour: what all of them cost less there; below zero if they cost more.
        reason: why, in words.
    """

    key: str
    from_tier: str
    to_tier: str | None
    replicas: int
    saves_usd_per_hour: float
    reason: str


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
        moves: who leaves where it runs, and why; by key.
        usd_per_hour: everything that is placed.
    """

    assignments: Mapping[str, Assignment]
    rejections: Mapping[str, tuple[Rejection, ...]]
    failures: Mapping[str, PlacementError]
    problems: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()
    usd_per_hour: float = 0.0
