"""What a cluster would make of a plan: every pod on a node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tierwise_core.placement import PlacementPlan, Request, Running, Tier

Held = dict[str, dict[str, Counter[str]]]
"""GPUs by request, tier and node."""


def bind(
    fleet: Sequence[Tier], requests: Sequence[Request], plan: PlacementPlan
) -> tuple[list[Tier], list[Request]]:
    """The cluster once every planned pod is bound to a node: a witness that all of them fit.

    Pods that stay keep their nodes; those that leave free theirs; the rest are packed, largest
    first, each onto the node with most room.
    """
    free = {
        (tier.name, node.name): max(0, node.gpus_free)
        for tier in fleet
        for node in tier.nodes
        if node.ready
    }
    open_nodes = {(t.name, n.name) for t in fleet for n in t.nodes if n.ready and n.schedulable}
    held: Held = {request.key: {} for request in requests}
    coming: list[tuple[int, str, str, int]] = []
    for request in requests:
        left = {(run.tier, run.tensor_parallel): dict(run.held) for run in request.running}
        to = plan.assignments.get(request.key)
        for share in to.shares if to else ():
            mine = left.get((share.tier, share.tensor_parallel), {})
            stays = _keep(mine, share.tensor_parallel, share.kept)
            held[request.key][share.tier] = stays
            bound = sum(stays.values()) // share.tensor_parallel
            size = share.tensor_parallel
            coming += [(-size, request.key, share.tier, size)] * (share.replicas - bound)
        for (tier, _), nodes in left.items():
            for node, gpus in nodes.items():
                if (tier, node) in open_nodes:
                    free[tier, node] += gpus
    for _, key, tier, size in sorted(coming):
        node = _roomiest(free, tier, size)
        free[tier, node] -= size
        held[key].setdefault(tier, Counter())[node] += size
    return _with_free(fleet, free), [_running(each, plan, held[each.key]) for each in requests]


def _keep(nodes: dict[str, int], size: int, count: int) -> Counter[str]:
    """Take that many replicas from what runs, by the nodes' names."""
    stays: Counter[str] = Counter()
    for node in sorted(nodes):
        while count and nodes[node] >= size:
            nodes[node] -= size
            stays[node] += size
            count -= 1
    return stays


def _roomiest(free: Mapping[tuple[str, str], int], tier: str, size: int) -> str:
    """The node with most room for a replica; the plan is infeasible if there is none."""
    fits = [place for place in sorted(free) if place[0] == tier and free[place] >= size]
    assert fits, f"the plan is infeasible: no node of {tier} has {size} GPUs left"
    return max(fits, key=free.__getitem__)[1]


def _with_free(fleet: Sequence[Tier], free: Mapping[tuple[str, str], int]) -> list[Tier]:
    return [
        replace(
            tier,
            nodes=tuple(
                replace(node, gpus_free=free.get((tier.name, node.name), node.gpus_free))
                for node in tier.nodes
            ),
        )
        for tier in fleet
    ]


def _running(request: Request, plan: PlacementPlan, held: Mapping[str, Counter[str]]) -> Request:
    to = plan.assignments.get(request.key)
    shares = to.shares if to else ()
    return replace(
        request,
        running=tuple(
            Running(s.tier, s.tensor_parallel, s.replicas, held.get(s.tier, Counter()))
            for s in shares
        ),
    )


def pending(requests: Sequence[Request], plan: PlacementPlan) -> list[Request]:
    """The requests when their pods were made and none has a node yet."""
    return [_running(request, plan, {}) for request in requests]


def outcome(plan: PlacementPlan) -> dict[str, set[tuple[str, int, int]]]:
    """Who is where."""
    return {
        key: {(share.tier, share.tensor_parallel, share.replicas) for share in to.shares}
        for key, to in plan.assignments.items()
    }


def placed(requests: Sequence[Request], plan: PlacementPlan) -> list[int]:
    """Replicas placed of each priority, highest first."""
    counts: Counter[int] = Counter()
    for request in requests:
        to = plan.assignments.get(request.key)
        counts[request.priority] += to.placed_replicas if to else 0
    return [counts[priority] for priority in sorted(counts, reverse=True)]
