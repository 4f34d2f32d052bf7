"""Which GPU tier each Specialist runs on: first fit by cost, with the reason for every other tier.

:func:`place` is one pure function for live reconcile, plans and what-if. In this order it

1. lets every running Specialist keep its tier if that is still allowed and still large enough;
2. serves the rest, and what running ones want to grow, by priority (higher first), then by name:
   each takes the cheapest tier (``GPUs x price``, then the tier's name) that has room for all its
   replicas, else the one with room for most of them.

It never plans more than the nodes hold: a replica takes all its GPUs on one node, and replicas may
spread over nodes (:mod:`tierwise_core.tier_capacity`). The same input in another order gives the
same plan, and applying a plan and placing again changes nothing.

>>> from tierwise_core.model_metadata import MemoryBreakdown
>>> def need(gib):
...     return MemoryBreakdown(gib * 2**30, 0, 0, 0)
>>> tiers = [
...     Tier("rtx-4090", 24 * 2**30, nodes=(NodeCapacity("a", 4, 4),), usd_per_gpu_hour=0.40),
...     Tier("h100", 80 * 2**30, nodes=(NodeCapacity("b", 2, 2),), usd_per_gpu_hour=3.00)]
>>> plan = place([Request("ai/small", memory={1: need(18)}),
...               Request("ai/large", memory={1: need(44)})], tiers)
>>> plan.assignments["ai/small"].tier, plan.assignments["ai/large"].tier
('rtx-4090', 'h100')
>>> print(plan.rejections["ai/large"][0].reason)
needs 44.0 GiB per GPU, rtx-4090 has 24.0 GiB x 0.90 = 21.6 GiB usable
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from tierwise_core.errors import InvalidPlacementError
from tierwise_core.placement_plan import (
    Assignment,
    Move,
    PlacementPlan,
    Rejection,
    RejectionCode,
    Share,
)
from tierwise_core.placement_reasons import Rejections, failure
from tierwise_core.placement_types import NodeCapacity, Policy, Request, Running, Tier
from tierwise_core.tier_capacity import TierCapacity, tier_capacities

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
    "place",
]


def place(requests: Iterable[Request], tiers: Iterable[Tier]) -> PlacementPlan:
    """Where every request goes, and why not elsewhere.

    Args:
        requests: the Specialists to place; their keys are unique.
        tiers: the fleet; GPUs that running requests hold are not free (``NodeCapacity.gpus_free``).

    Raises:
        InvalidPlacementError: two requests share a key, or two tiers a name.
    """
    ordered = sorted(requests, key=lambda request: (-request.priority, request.key))
    _refuse_duplicates("request", [request.key for request in ordered])
    fleet = sorted(tiers, key=lambda tier: tier.name)
    _refuse_duplicates("tier", [tier.name for tier in fleet])
    capacities, problems = tier_capacities(fleet)
    sizes = {size for request in ordered for size in request.memory}
    solver = _FirstFit({capacity.tier.name: capacity for capacity in capacities}, sizes)
    for request in ordered:
        solver.keep(request)
    for request in ordered:
        solver.grow(request)
    return _plan(ordered, solver, problems)


def _plan(
    requests: Iterable[Request], solver: _FirstFit, problems: tuple[str, ...]
) -> PlacementPlan:
    """The solver's result by key, with the reasons."""
    by_key = {request.key: request for request in sorted(requests, key=lambda each: each.key)}
    taken = {key: solver.assignments[key] for key in by_key if key in solver.assignments}
    rejections = Rejections(by_key, taken, solver.capacities)
    failures = {
        key: failure(request, rejections[key])
        for key, request in by_key.items()
        if key not in taken
    }
    return PlacementPlan(MappingProxyType(taken), rejections, MappingProxyType(failures), problems)


def _refuse_duplicates(kind: str, names: Iterable[str]) -> None:
    """Raise if a name stands twice."""
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise InvalidPlacementError(f"each {kind} needs a name of its own; twice: {twice}")


class _FirstFit:
    """The fleet while it fills: what is assigned, and what room that leaves."""

    def __init__(self, capacities: Mapping[str, TierCapacity], sizes: Iterable[int]) -> None:
        self.capacities = capacities
        self._by_price = _by_price(capacities.values(), sizes)
        self.assignments: dict[str, Assignment] = {}

    def keep(self, request: Request) -> None:
        """Let a running request stay where it is, with the replicas it has there."""
        capacity = self.capacities.get(request.current_tier or "")
        if capacity is None or not request.allows(capacity.tier):
            return
        sizes = request.fitting_sizes(capacity.tier)
        size = request.current_tensor_parallel or next(iter(sizes), 0)
        running = request.replicas if request.current_replicas is None else request.current_replicas
        wanted = min(request.replicas, running)
        if size not in sizes or (request.replicas and not wanted):
            return
        bound = min(wanted, capacity.bound(request.held, size))
        kept = bound + capacity.take(size, wanted - bound)
        if kept or not wanted:
            self.assignments[request.key] = _assignment(request, capacity, size, kept, kept)

    def grow(self, request: Request) -> None:
        """Give a kept request the replicas it lacks, and one without a tier the cheapest."""
        kept = self.assignments.get(request.key)
        assigned: Assignment | None
        if kept is None:
            assigned = self._assign_cheapest(request) or self._assign_by_releasing(request)
        else:
            capacity, size = self.capacities[kept.tier], kept.tensor_parallel
            more = capacity.take(size, kept.missing_replicas)
            assigned = _assignment(request, capacity, size, kept.replicas + more, kept.replicas)
        if assigned is not None:
            self.assignments[request.key] = assigned

    def _assign_cheapest(self, request: Request) -> Assignment | None:
        """Take the cheapest tier with room for all replicas, else the one with room for most."""
        best: tuple[int, TierCapacity, int] | None = None
        for capacity, size in self._options(request):
            room = capacity.room(size, request.replicas)
            if room == request.replicas:
                best = (room, capacity, size)
                break
            if room > (best[0] if best else 0):
                best = (room, capacity, size)
        if best is None:
            return None
        replicas, capacity, size = best
        return _assignment(request, capacity, size, capacity.take(size, replicas))

    def _assign_by_releasing(self, request: Request) -> Assignment | None:
        """Count on the GPUs of the request's own pods, which may not stay where they are."""
        current = self.capacities.get(request.current_tier or "")
        holders = [current] if current else list(self.capacities.values())
        holders = [capacity for capacity in holders if capacity.release(request.held)]
        assigned = self._assign_cheapest(request) if holders else None
        if assigned is not None:
            return replace(assigned, releases_first=True)
        for capacity in holders:
            capacity.release(request.held, sign=-1)
        return None

    def _options(self, request: Request) -> Iterator[tuple[TierCapacity, int]]:
        """Tiers and tensor-parallel sizes that could hold the request, cheapest first."""
        for capacity, size in self._by_price:
            need = request.memory.get(size)
            if (
                need is not None
                and size <= capacity.largest_node
                and request.allows(capacity.tier)
                and need.total_bytes_per_gpu <= capacity.usable_bytes_per_gpu
            ):
                yield capacity, size


def _by_price(
    capacities: Iterable[TierCapacity], sizes: Iterable[int]
) -> tuple[tuple[TierCapacity, int], ...]:
    """Every tier at every size, by what a replica costs there, then by name and size."""
    return tuple(
        sorted(
            ((capacity, size) for capacity in capacities for size in set(sizes)),
            key=lambda option: (
                option[1] * option[0].tier.usd_per_gpu_hour,
                option[0].tier.name,
                option[1],
            ),
        )
    )


def _assignment(
    request: Request, capacity: TierCapacity, size: int, replicas: int, kept: int = 0
) -> Assignment:
    """The request on that tier; its GPUs are planned already."""
    tier, memory = capacity.tier, request.memory_on(capacity.tier.name)[size]
    share = Share(
        tier=tier.name,
        tensor_parallel=size,
        gpus_per_replica=size,
        replicas=replicas,
        usd_per_hour=size * replicas * tier.usd_per_gpu_hour,
        memory=memory,
        usable_bytes_per_gpu=tier.usable_bytes_per_gpu,
        headroom_bytes=tier.usable_bytes_per_gpu - memory.total_bytes_per_gpu,
        kept=kept,
    )
    return Assignment((share,), request.replicas - replicas, share.usd_per_hour)
