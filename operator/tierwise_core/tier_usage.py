"""How much of each tier a plan takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tierwise_core.fleet import GPUTier, Node, admits, nodes_of
from tierwise_core.fleet_plan import Fleet, FleetPlan
from tierwise_core.tiers import lost_nodes

__all__ = ["TierUsage", "tier_usage"]


@dataclass(frozen=True, slots=True)
class TierUsage:
    """The GPUs of one tier under a plan.

    Attributes:
        name: the tier's name.
        nodes: nodes that count for it.
        gpus: GPUs on them.
        closed: GPUs on nodes that take no new pods (cordoned, not ready, tainted).
        used: GPUs that the plan gives to Specialists.
        others: GPUs that pods hold which are not ours.
        usd_per_gpu_hour: price of one.
    """

    name: str
    nodes: int
    gpus: int
    closed: int
    used: int
    others: int
    usd_per_gpu_hour: float

    @property
    def free(self) -> int:
        """GPUs that are left for more.

        >>> TierUsage("l4", 2, 8, 4, 3, 0, 0.44).free
        1
        """
        return max(0, self.gpus - self.closed - self.used - self.others)

    @property
    def utilization(self) -> float | None:
        """The used share of all GPUs; None of a tier without any."""
        return (self.used + self.others) / self.gpus if self.gpus else None

    @property
    def usd_per_hour(self) -> float:
        """The price of the GPUs that the plan uses."""
        return self.used * self.usd_per_gpu_hour


def tier_usage(fleet: Fleet, plan: FleetPlan) -> tuple[TierUsage, ...]:
    """Return each tier's GPUs under the plan, cheapest first."""
    used = dict.fromkeys(plan.tiers, 0)
    for assignment in plan.placements.assignments.values():
        for share in assignment.shares:
            used[share.tier] += share.replicas * share.gpus_per_replica
    rows = [
        _usage(tier, fleet, list(plan.tiers.values()), used[name])
        for name, tier in plan.tiers.items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.usd_per_gpu_hour, row.name)))


def _usage(tier: GPUTier, fleet: Fleet, tiers: Sequence[GPUTier], used: int) -> TierUsage:
    matched = nodes_of(tier, fleet.nodes)
    lost = lost_nodes(tier, matched, [other for other in tiers if other.name != tier.name])
    nodes = [node for node in matched if node.name not in lost]
    return TierUsage(
        name=tier.name,
        nodes=len(nodes),
        gpus=sum(_gpus(tier, node) for node in nodes),
        closed=sum(_gpus(tier, node) for node in nodes if not admits(tier, node)),
        used=used,
        others=sum(_held_by_others(tier, node, fleet) for node in nodes),
        usd_per_gpu_hour=tier.usd_per_gpu_hour,
    )


def _gpus(tier: GPUTier, node: Node) -> int:
    return node.gpus.get(tier.resource_name, 0)


def _held_by_others(tier: GPUTier, node: Node, fleet: Fleet) -> int:
    held = fleet.use.get(node.name, {}).get(tier.resource_name, 0)
    ours = sum(
        runs.held.get(node.name, 0) for holding in fleet.holdings.values() for runs in holding
    )
    return max(0, held - ours)
