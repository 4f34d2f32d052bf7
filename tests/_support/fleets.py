"""Random fleets to place on, for hypothesis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import strategies as st

from tierwise_core.placement import NodeCapacity, Request, Tier
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
