"""How many more replicas a tier's nodes can take, when each needs its GPUs on one node.

Replicas that are planned but not yet bound to a node are kept as counts per size, so the order in
which they are planned does not matter, only which ones.

For sizes that are powers of two whether they fit is a count. A node with ``f`` free GPUs offers
``floor(f / t)`` places of ``t`` GPUs, and a replica of ``s`` GPUs takes ``s / t`` of them on
whichever node it lands, because ``t`` divides ``s``. So the replicas fit exactly if for every
size ``t`` among them::

    sum over planned sizes s >= t of  count(s) x s / t   <=   sum over nodes of  floor(free / t)

Other sizes (a fixed tensor parallel of 3, say) are packed largest first into the nodes with least
room, which finds room nearly always and never finds any that is not there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

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
    >>> capacity.room(4), capacity.room(2)
    (0, 2)
    >>> capacity.take(1, 2)
    >>> capacity.room(2), capacity.most_room()
    (2, ('b', 3))
    """

    def __init__(self, tier: Tier, claimed: frozenset[str] = frozenset()) -> None:
        """``claimed`` names nodes that count for another tier."""
        self.tier = tier
        ready = [node for node in tier.nodes if node.ready and node.name not in claimed]
        self.totals: Mapping[str, int] = {node.name: node.gpus_total for node in ready}
        self.largest_node = max(self.totals.values(), default=0)
        self.usable_bytes_per_gpu = tier.usable_bytes_per_gpu
        self._closed = {node.name for node in ready if not node.schedulable}
        self._free = {node.name: node.gpus_free for node in ready if node.schedulable}
        self._held: Counter[str] = Counter()
        self._planned: Counter[int] = Counter()
        self._left: dict[int, int] = {}
        self._odd = False

    def settle(self, node: str, size: int, replicas: int) -> int:
        """Let replicas stay on a node; how many of them it still has GPUs for."""
        spare = self.totals.get(node, 0) - self._held[node]
        staying = max(0, min(replicas, spare // size))
        if staying:
            self._held[node] += staying * size
            self._open(node, 0)
        return staying

    def release(self, node: str, gpus: int) -> bool:
        """Count GPUs as free that pods hold which leave; whether the node is one of the tier's."""
        self._open(node, gpus)
        return node in self.totals

    def _open(self, node: str, gpus: int) -> None:
        """Give a node's GPUs back, never more than it has beside what still runs there."""
        if node in self._free:
            before = max(0, self._free[node])
            most = self.totals[node] - self._held[node]
            self._free[node] = min(self._free[node] + gpus, most)
            after = max(0, self._free[node])
            for size in self._left:
                self._left[size] += after // size - before // size

    def vacate(self, node: str, size: int) -> None:
        """Count the GPUs of a replica that leaves the node."""
        self._held[node] -= size
        self._open(node, size)

    def occupy(self, node: str, size: int) -> None:
        """Let a replica that had left stay after all; ask ``sound`` whether that is possible."""
        self._held[node] += size
        self._open(node, -size)

    def sound(self) -> bool:
        """Whether everything that is planned fits."""
        if self._odd:
            return self._pack(self._planned) is not None
        return all(left >= 0 for left in self._left.values())

    def room(self, size: int) -> int:
        """How many more replicas of ``size`` GPUs fit beside what is planned."""
        left = self._left
        if size not in left:
            self._learn(size)
        if self._odd:
            return self._room_by_packing(size)
        return max(0, min(left[each] * each // size for each in left if each <= size))

    def must_leave(self, leaving: int, size: int, places: int) -> int | None:
        """How many replicas of ``leaving`` GPUs must go until there are places of ``size`` GPUs.

        ``None`` if that does not help, because larger places are short too. Exact for powers of two
        that are planned, a guess for the rest.

        >>> from tierwise_core.placement_types import NodeCapacity
        >>> capacity = TierCapacity(Tier("t", 1, nodes=(NodeCapacity("n", 8, 8),)))
        >>> capacity.take(2, 4)
        >>> capacity.must_leave(2, 4, 1), capacity.must_leave(2, 8, 1), capacity.must_leave(2, 8, 2)
        (2, 4, None)
        """
        lacking = places - self.room(size)
        if self._odd:
            return -(-lacking * size // leaving)
        most = 0
        for each, left in self._left.items():
            if each <= size:
                short = -(-places * size // each) - left
                if short > 0 and each > leaving:
                    return None
                most = max(most, -(-short // max(1, leaving // each)))
        return most

    def slack(self, size: int) -> int:
        """How many more places of ``size`` GPUs there are before smaller ones count."""
        if size not in self._left:
            self._learn(size)
        return self._left[size]

    def _learn(self, size: int) -> None:
        """Count places of a size that was not asked for before."""
        self._odd = self._odd or size & (size - 1) != 0
        taken = sum(n * (larger // size) for larger, n in self._planned.items() if larger >= size)
        self._left[size] = sum(max(0, free) // size for free in self._free.values()) - taken

    def _room_by_packing(self, size: int) -> int:
        """The largest number found, by halving, that can be packed beside what is planned."""
        fits, too_many = 0, 1 + sum(max(0, free) // size for free in self._free.values())
        while too_many - fits > 1:
            tried = (fits + too_many) // 2
            planned = {**self._planned, size: self._planned[size] + tried}
            if self._pack(planned) is None:
                too_many = tried
            else:
                fits = tried
        return fits

    def take(self, size: int, count: int) -> None:
        """Plan replicas; a negative count gives them back."""
        if size not in self._left:
            self._learn(size)
        self._planned[size] += count
        for each in self._left:
            if each <= size:
                self._left[each] -= count * (size // each)

    def most_room(self) -> tuple[str, int]:
        """The node with most GPUs left beside what is planned, and how many; the first by name."""
        left = self._pack(self._planned) or {}
        return max(sorted(left.items()), key=lambda node: node[1], default=("", 0))

    def _pack(self, planned: Mapping[int, int]) -> dict[str, int] | None:
        """What is left of each node below all planned replicas; ``None`` if they do not fit."""
        left = {node: max(0, free) for node, free in self._free.items()}
        left |= dict.fromkeys(self._closed, 0)
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
