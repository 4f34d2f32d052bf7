"""Tiers and their nodes as the solver wants to know them: what is free, what is there at all."""

from __future__ import annotations

from collections.abc import Iterable

from tierwise_core.departure import departure
from tierwise_core.fleet import GPUTier, GpuUse, Node, admits, free_gpus, nodes_of
from tierwise_core.placement import NodeCapacity, Tier

__all__ = ["solver_tiers"]


def solver_tiers(tiers: Iterable[GPUTier], nodes: Iterable[Node], use: GpuUse) -> list[Tier]:
    """Return the tiers with the capacity of their nodes.

    >>> tier = GPUTier("t", node_selector={"gpu": "x"}, memory_bytes=2**34)
    >>> node = Node("n", {"gpu": "x"}, {"nvidia.com/gpu": 4}, cordoned=True)
    >>> solver_tiers([tier], [node], {"n": {"nvidia.com/gpu": 1}})[0].nodes
    (NodeCapacity(name='n', gpus_free=0, gpus_total=4, ready=True, schedulable=False),)
    """
    everywhere = tuple(nodes)
    return [_offer(tier, everywhere, use) for tier in tiers]


def _offer(tier: GPUTier, nodes: Iterable[Node], use: GpuUse) -> Tier:
    return Tier(
        name=tier.name,
        gpu_memory_bytes=tier.memory_bytes or 0,
        usable_fraction=tier.usable_fraction,
        usd_per_gpu_hour=tier.usd_per_gpu_hour,
        escalate_to=tier.escalate_to,
        confidence_floor=tier.confidence_floor,
        nodes=tuple(_capacity(tier, node, use) for node in nodes_of(tier, nodes)),
        resource_name=tier.resource_name,
    )


def _capacity(tier: GPUTier, node: Node, use: GpuUse) -> NodeCapacity:
    """Return what a node offers; one that goes away offers nothing, and holds nothing to keep.

    Where a node has lost GPUs, those that pods hold are counted on: who serves there stays.
    """
    held = use.get(node.name, {}).get(tier.resource_name, 0)
    return NodeCapacity(
        name=node.name,
        gpus_free=free_gpus(tier, node, use) if admits(tier, node) else 0,
        gpus_total=max(node.gpus.get(tier.resource_name, 0), held),
        ready=departure(node, tier) is None,
        schedulable=admits(tier, node),
    )
