"""Why a tier was not taken, in numbers, and why a request goes nowhere."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tierwise_core.errors import (
    NoCapacityError,
    NoTierFitsError,
    PlacementError,
    UnknownTierError,
)
from tierwise_core.mig import is_slice
from tierwise_core.placement_plan import Assignment, Rejection, RejectionCode
from tierwise_core.placement_types import Request
from tierwise_core.quantities import format_bytes
from tierwise_core.tier_capacity import TierCapacity

__all__ = ["Failures", "Rejections", "failure"]

TIERS_SHOWN: Final = 8
HOPE: Final = frozenset({RejectionCode.NO_CAPACITY, RejectionCode.NO_NODES})
CAPACITY_FIX: Final = "free some, add nodes, or allow another tier in spec.placement.tiers"
FIT_FIX: Final = (
    "add a GPUTier with more memory or larger nodes, lower spec.model.maxModelLen or "
    "spec.placement.targetConcurrency, or correct the estimate in spec.model.size"
)


class Rejections(Mapping[str, tuple[Rejection, ...]]):
    """For each request, every tier it does not go to. Words are made when they are read.

    Reads the capacities as the solver left them: "no room" counts what the plan itself took.
    """

    def __init__(
        self,
        requests: Mapping[str, Request],
        assignments: Mapping[str, Assignment],
        capacities: Sequence[TierCapacity],
    ) -> None:
        self._requests = requests
        self._assignments = assignments
        self._capacities = capacities
        self._prices = {each.tier.name: each.tier.usd_per_gpu_hour for each in capacities}

    def __getitem__(self, key: str) -> tuple[Rejection, ...]:
        request, taken = self._requests[key], self._assignments.get(key)
        tiers = {share.tier for share in taken.shares} if taken else set()
        known = [
            _rejection(request, taken, capacity, self._price_of(taken))
            for capacity in self._capacities
            if capacity.tier.name not in tiers
        ]
        return tuple(sorted(known + self._unknown(request), key=lambda found: found.tier))

    def __iter__(self) -> Iterator[str]:
        return iter(self._requests)

    def __len__(self) -> int:
        return len(self._requests)

    def _price_of(self, taken: Assignment | None) -> float:
        """USD per replica hour where most replicas of the request go."""
        return taken.gpus_per_replica * self._prices[taken.tier] if taken else 0.0

    def _unknown(self, request: Request) -> list[Rejection]:
        """The names in ``spec.placement.tiers`` that no GPUTier has."""
        names = sorted(self._prices)
        return [
            Rejection(name, RejectionCode.UNKNOWN_TIER, _no_such_tier(name, names))
            for name in sorted(set(request.allowed_tiers))
            if name not in self._prices
        ]


class Failures(Mapping[str, PlacementError]):
    """For each request that goes nowhere, why; the error is made when it is read."""

    def __init__(
        self, keys: Sequence[str], requests: Mapping[str, Request], rejections: Rejections
    ) -> None:
        self._keys = dict.fromkeys(keys)
        self._requests = requests
        self._rejections = rejections

    def __getitem__(self, key: str) -> PlacementError:
        if key not in self._keys:
            raise KeyError(key)
        return failure(self._requests[key], self._rejections[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _no_such_tier(name: str, names: Sequence[str]) -> str:
    """The sentence for a name that does not exist, with the nearest one that does."""
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names) or 'none'}"
    return f'spec.placement.tiers: no GPUTier is named "{name}"; {hint}'


def _rejection(
    request: Request, taken: Assignment | None, capacity: TierCapacity, taken_price: float
) -> Rejection:
    """Why the request does not go to this tier: the first obstacle it meets there."""
    tier = capacity.tier
    sizes = request.fitting_sizes(tier)
    on_a_node = [size for size in sizes if size <= capacity.largest_node]
    if not request.allows(tier):
        allowed = ", ".join(sorted(set(request.allowed_tiers)))
        return Rejection(
            tier.name, RejectionCode.NOT_ALLOWED, f"not in spec.placement.tiers [{allowed}]"
        )
    if tier.gpu_memory_bytes <= 0:
        reason = f"the memory of its GPU is not known; set spec.gpu.memory of GPUTier {tier.name}"
        return Rejection(tier.name, RejectionCode.UNKNOWN_GPU, reason)
    if not sizes:
        return Rejection(tier.name, RejectionCode.TOO_SMALL, _too_small(request, capacity))
    if not capacity.totals:
        return Rejection(tier.name, RejectionCode.NO_NODES, _no_nodes(capacity))
    if not on_a_node:
        reason = (
            f"needs {_gpus(sizes[0])} on one node, {tier.name}'s largest node has "
            f"{capacity.largest_node}"
        )
        return Rejection(tier.name, RejectionCode.NODES_TOO_SMALL, reason)
    return _no_room_or_no_reason(request, taken, capacity, on_a_node, taken_price)


def _no_room_or_no_reason(
    request: Request,
    taken: Assignment | None,
    capacity: TierCapacity,
    sizes: Sequence[int],
    taken_price: float,
) -> Rejection:
    """The tier could hold the request: it is full, or another was better."""
    name = capacity.tier.name
    if taken is None or (request.replicas and not max(capacity.room(size) for size in sizes)):
        return Rejection(name, RejectionCode.NO_CAPACITY, _no_capacity(capacity, sizes[0]))
    price = sizes[0] * request.nodes_per_replica * capacity.tier.usd_per_gpu_hour
    accepted = request.usd_per_accepted
    if name in accepted and taken.tier in accepted:
        reason = (
            f"fits at {accepted[name]:.6f} USD per accepted answer, {taken.tier} costs "
            f"{accepted[taken.tier]:.6f}"
        )
        dearer = accepted[name] >= accepted[taken.tier]
    else:
        reason = f"fits at {price:.2f} USD per replica-hour, {taken.tier} costs {taken_price:.2f}"
        dearer = price >= taken_price
    if taken.kept and not dearer:
        reason += "; the saving is too small to move what runs"
        return Rejection(name, RejectionCode.RUNS_ELSEWHERE, reason)
    return Rejection(name, RejectionCode.MORE_EXPENSIVE, reason)


def _too_small(request: Request, capacity: TierCapacity) -> str:
    """The need at each size against what one GPU offers."""
    tier = capacity.tier
    offer = (
        f"{tier.name} has {format_bytes(tier.gpu_memory_bytes)} x {tier.usable_fraction:.2f} = "
        f"{format_bytes(tier.usable_bytes_per_gpu)} usable"
    )
    needs = [
        (size, format_bytes(need.total_bytes_per_gpu))
        for size, need in sorted(request.memory.items())
    ]
    if not needs:
        return f"the model has no tensor-parallel size that could be tried; {offer}"
    (first, need), rest = needs[0], needs[1:]
    on = f" on each of {first}" if first > 1 else ""
    cuts = ", ".join(f"{amount} on each of {size}" for size, amount in rest)
    whole = "; slices of a GPU (MIG) cannot be joined" if is_slice(tier.resource_name) else ""
    return f"needs {need} per GPU{on}{f' ({cuts})' if cuts else ''}, {offer}{whole}"


def _no_nodes(capacity: TierCapacity) -> str:
    """A tier without a ready node of its own."""
    count = len(capacity.tier.nodes)
    if not count:
        return f"{capacity.tier.name} has no nodes"
    return f"none of the {count} nodes of {capacity.tier.name} is ready and its own"


def _no_capacity(capacity: TierCapacity, size: int) -> str:
    """The GPUs a replica needs at once against those that are left."""
    node, left = capacity.most_room()
    return (
        f"needs {_gpus(size, 'free ')} on one node, {capacity.tier.name}'s node with most room "
        f"({node}) has {left} of {capacity.totals[node]} free"
    )


def _gpus(count: int, kind: str = "") -> str:
    return f"{count} {kind}GPU{'s' if count > 1 else ''}"


def failure(request: Request, rejections: Sequence[Rejection]) -> PlacementError:
    """Why a request goes nowhere, as the error whose ``reason`` a condition shows.

    A tier that is full or has no nodes yet can still help, so it decides before an unknown name,
    and that before tiers that are too small.
    """
    told = [found for found in rejections if found.code is not RejectionCode.NOT_ALLOWED]
    said = "; ".join(f"{found.tier}: {found.reason}" for found in told[:TIERS_SHOWN])
    more = f"; and {len(told) - TIERS_SHOWN} more" if len(told) > TIERS_SHOWN else ""
    codes = {found.code for found in told}
    if not rejections:
        return NoTierFitsError("there is no GPUTier in the cluster; create one")
    if codes & HOPE:
        return NoCapacityError(
            f"no tier has enough free GPUs for {request.key} ({said}{more}); {CAPACITY_FIX}"
        )
    if RejectionCode.UNKNOWN_TIER in codes:
        return UnknownTierError(f"{said}{more}")
    return NoTierFitsError(f"{request.key} fits no tier ({said}{more}); {FIT_FIX}")
