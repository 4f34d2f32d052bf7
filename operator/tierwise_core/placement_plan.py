"""What comes out of the placement solver. Used through ``placement``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tierwise_core.errors import PlacementError
from tierwise_core.model_metadata import MemoryBreakdown

__all__ = ["Assignment", "Move", "PlacementPlan", "Rejection", "RejectionCode", "Share"]


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
