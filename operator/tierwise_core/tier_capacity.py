"""How many more replicas a tier's nodes can take, when each needs its GPUs on one node.

Replicas that are planned but not yet bound to a node are kept as counts per size, so the order in
which they are planned does not matter, only which ones.

For sizes that divide each other (1, 2, 4, 8) whether they fit is a count. A node with ``f`` free
GPUs offers ``floor(f / t)`` places of ``t`` GPUs, and a replica of ``s`` GPUs takes ``s / t`` of
them on whichever node it lands, because ``t`` divides ``s``. So the replicas fit exactly if for
every size ``t`` among them::

    sum over planned sizes s >= t of  count(s) x s / t   <=   sum over nodes of  floor(free / t)

Other sizes (a fixed tensor parallel of 3, say) are packed largest first into the nodes with least
room, which finds room nearly always and never finds any that is not there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from tierwise_core.placement_types import Tier

__all__ = ["TierCapacity", "tier_capacities"]


class TierCapacity:
    """One tier's nodes while the solver fills them.

    Attributes:
        tier: the tier.
        totals: allocatable GPUs of each ready node.
        largest_node: GPUs of the largest ready node, free or not.
        usable_bytes_per_gpu: the tier's.

    >>> from tierwise_core.placement_types import NodeCapacity
    >>> nodes = (NodeCapacity("a", 3, 4), NodeCapacity("b", 3, 4))
    >>> capacity = TierCapacity(Tier("h100", 80 * 2**30, nodes=nodes))
    >>> capacity.room(4, 1), capacity.room(2, 5)
    (0, 2)
    >>> capacity.take(1, 2), capacity.room(2, 5), capacity.most_room()
    (2, 2, ('b', 3))
    """

    def __init__(self, tier: Tier, claimed: frozenset[str] = frozenset()) -> None:
        """``claimed`` names nodes that count for another tier."""
        self.tier = tier
        ready = [node for node in tier.nodes if node.ready and node.name not in claimed]
        self.totals: Mapping[str, int] = {node.name: node.gpus_total for node in ready}
        self.largest_node = max(self.totals.values(), default=0)
        self.usable_bytes_per_gpu = tier.usable_bytes_per_gpu
        self._free = {node.name: max(0, node.gpus_free) for node in ready}
        self._planned: Counter[int] = Counter()
        self._places: dict[int, int] = {}

    def room(self, size: int, wanted: int) -> int:
        """How many of ``wanted`` replicas of ``size`` GPUs fit beside what is planned."""
        sizes = sorted({*self._planned, size})
        if all(larger % smaller == 0 for smaller, larger in pairwise(sizes)):
            left = (self._places_left(t) * t // size for t in sizes if t <= size)
            return max(0, min(wanted, *left))
        most = self._places_of(size)
        for count in range(min(wanted, most), 0, -1):
            if self._pack({**self._planned, size: self._planned[size] + count}) is not None:
                return count
        return 0

    def _places_of(self, size: int) -> int:
        """How many replicas of that size the nodes would hold if nothing else were planned."""
        if size not in self._places:
            self._places[size] = sum(free // size for free in self._free.values())
        return self._places[size]

    def _places_left(self, size: int) -> int:
        """Those places, less what the planned replicas of this size and larger take."""
        taken = sum(
            count * (larger // size) for larger, count in self._planned.items() if larger >= size
        )
        return self._places_of(size) - taken

    def take(self, size: int, wanted: int) -> int:
        """Plan as many of ``wanted`` replicas as fit, and say how many those are."""
        count = self.room(size, wanted)
        if count:
            self._planned[size] += count
        return count

    def bound(self, held: Mapping[str, int], size: int) -> int:
        """How many replicas of that size the held GPUs on ready nodes are."""
        return sum(gpus // size for node, gpus in held.items() if node in self._free)

    def release(self, held: Mapping[str, int], sign: int = 1) -> bool:
        """Count held GPUs as free (with ``sign=-1`` as held again); whether there were any."""
        mine = {node: gpus for node, gpus in held.items() if node in self._free and gpus}
        for node, gpus in mine.items():
            self._free[node] += sign * gpus
        self._places.clear()
        return bool(mine)

    def most_room(self) -> tuple[str, int]:
        """The node with most GPUs left beside what is planned, and how many; the first by name."""
        left = self._pack(self._planned) or {}
        return max(sorted(left.items()), key=lambda node: node[1], default=("", 0))

    def _pack(self, planned: Mapping[int, int]) -> dict[str, int] | None:
        """What is left of each node below all planned replicas; ``None`` if they do not fit."""
        left = dict(self._free)
        for size in sorted(planned, reverse=True):
            count = planned[size]
            for node in sorted(left, key=lambda name: (left[name], name)):
                if not count:
                    break
                here = min(count, left[node] // size)
                left[node] -= here * size
                count -= here
            if count:
                return None
        return left


def tier_capacities(tiers: Sequence[Tier]) -> tuple[list[TierCapacity], tuple[str, ...]]:
    """The capacity of each tier, no node counted twice, and what is wrong with the fleet.

    A node that two tiers of the same resource claim counts for the one named first.

    >>> from tierwise_core.placement_types import NodeCapacity
    >>> node = (NodeCapacity("n", 4, 4),)
    >>> capacities, problems = tier_capacities([Tier("a", 1, nodes=node), Tier("b", 1, nodes=node)])
    >>> [capacity.largest_node for capacity in capacities]
    [4, 0]
    >>> print(*problems)
    node n matches GPUTiers a and b and counts for a alone; make their spec.nodeSelector disjoint
    """
    owners: dict[tuple[str, str], str] = {}
    problems: list[str] = []
    capacities = []
    for tier in tiers:
        claimed = frozenset(_claimed(tier, owners))
        problems += [
            f"node {node} matches GPUTiers {owners[tier.resource_name, node]} and {tier.name} and "
            f"counts for {owners[tier.resource_name, node]} alone; make their spec.nodeSelector "
            "disjoint"
            for node in sorted(claimed)
        ]
        capacities.append(TierCapacity(tier, claimed))
        owners |= {
            (tier.resource_name, node.name): tier.name
            for node in tier.nodes
            if node.name not in claimed
        }
    return capacities, tuple(problems)


def _claimed(tier: Tier, owners: Mapping[tuple[str, str], str]) -> Iterable[str]:
    """The nodes of the tier that another tier has already."""
    return (node.name for node in tier.nodes if (tier.resource_name, node.name) in owners)
