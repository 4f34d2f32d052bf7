"""Random fleets to place on, and what a cluster would make of a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hypothesis import strategies as st

from tierwise_core.placement import NodeCapacity, PlacementPlan, Request, Running, Tier
from tierwise_core.sizing import MemoryBreakdown
from tierwise_core.tensor_parallel import CANDIDATES

GIB = 2**30
TIER_NAMES = ("a100", "h100", "l4", "rtx-4090")


@st.composite
def tiers(draw: st.DrawFn) -> Tier:
    """A tier with few nodes, some of them half full, cordoned or lost."""
    name = draw(st.sampled_from(TIER_NAMES))
    totals = draw(st.lists(st.sampled_from([1, 2, 4, 8]), max_size=4))
    nodes = tuple(
        NodeCapacity(
            f"{name}-{i}",
            draw(st.integers(0, total)),
            total,
            ready=draw(st.integers(0, 5)) > 0,
            schedulable=draw(st.integers(0, 5)) > 0,
        )
        for i, total in enumerate(totals)
    )
    nodes = tuple(node if node.schedulable else replace(node, gpus_free=0) for node in nodes)
    price = draw(st.sampled_from([0.4, 1.0, 1.6, 3.0]))
    memory = draw(st.sampled_from([0, 24, 40, 80])) * GIB
    return Tier(name, memory, usd_per_gpu_hour=price, nodes=nodes)


fleets = st.lists(tiers(), max_size=4, unique_by=lambda tier: tier.name)


@st.composite
def newcomers(draw: st.DrawFn) -> list[Request]:
    """Requests that run nowhere yet."""
    return [
        Request(
            f"ns/s{i}",
            priority=draw(st.integers(0, 2)),
            replicas=draw(st.integers(0, 3)),
            allowed_tiers=draw(st.frozensets(st.sampled_from((*TIER_NAMES, "typo")), max_size=2)),
            memory=draw(memories()),
        )
        for i in range(draw(st.integers(0, 7)))
    ]


@st.composite
def memories(draw: st.DrawFn) -> Mapping[int, MemoryBreakdown]:
    """A model of some size, cut as it may be."""
    whole = draw(st.integers(1, 200)) * GIB
    sizes = draw(st.sets(st.sampled_from(CANDIDATES), min_size=1))
    return {size: MemoryBreakdown(whole // size, 0, GIB // 2, 0) for size in sorted(sizes)}


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
