"""A made-up cloud: GPU products in regions, and Specialists of all sizes; by a seed."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from tierwise_core.placement import NodeCapacity, PlacementPlan, Request, Running, Tier
from tierwise_core.sizing import MemoryBreakdown

GIB = 2**30
PRODUCTS = (
    # product, GiB, USD per GPU-hour, GPUs of a node
    ("t4", 16, 0.35, (1, 4)),
    ("l4", 24, 0.70, (1, 4, 8)),
    ("rtx-4090", 24, 0.40, (2, 4, 8)),
    ("a40", 48, 0.90, (4, 8)),
    ("l40s", 48, 1.20, (4, 8)),
    ("a100-40", 40, 1.50, (8,)),
    ("a100-80", 80, 2.20, (4, 8)),
    ("h100", 80, 3.00, (8,)),
    ("h200", 141, 4.00, (8,)),
    ("mi300x", 192, 3.50, (8,)),
)
MODELS = ((2, 14), (2, 14), (2, 14), (10, 40), (10, 40), (30, 150), (30, 150), (100, 400))
"""GiB of weights, from and to; as likely as they stand here."""


def cloud(
    specialists: int, nodes: int, tiers: int, load: float, seed: int = 1
) -> tuple[list[Request], list[Tier]]:
    """A fleet, and Specialists that ask for about ``load`` of its GPUs."""
    chance = Random(seed)
    fleet = [_tier(chance, index, nodes, tiers) for index in range(tiers)]
    regions = sorted({tier.name.rpartition("-")[2] for tier in fleet})
    lists = [
        tuple(tier.name for tier in fleet if tier.name.rpartition("-")[2] in some)
        for some in (
            set(chance.sample(regions, chance.randint(1, min(4, len(regions)))))
            for _ in range(2 * len(regions))
        )
    ]
    free = sum(node.gpus_free for tier in fleet for node in tier.nodes)
    least = [_specialist(chance, index, lists) for index in range(specialists)]
    asked = sum(
        min(request.fitting_sizes(tier)[0] for tier in fleet if request.fitting_sizes(tier))
        for request in least
    )
    extra = max(0, int(load * free - asked))
    return _grown(chance, least, extra), fleet


def _tier(chance: Random, index: int, nodes: int, tiers: int) -> Tier:
    product, memory, usd, sizes = PRODUCTS[index % len(PRODUCTS)]
    name = f"{product}-r{index // len(PRODUCTS):02d}"
    gpus = chance.choice(sizes)
    count = nodes // tiers + (index < nodes % tiers)
    return Tier(
        name,
        memory * GIB,
        usd_per_gpu_hour=round(usd * chance.uniform(0.7, 1.4), 3),
        nodes=tuple(
            NodeCapacity(
                f"{name}-n{i}", gpus if chance.random() < 0.8 else chance.randint(0, gpus), gpus
            )
            for i in range(count)
        ),
    )


def _specialist(chance: Random, index: int, lists: Sequence[tuple[str, ...]]) -> Request:
    weights = chance.uniform(*chance.choice(MODELS))
    cache = chance.uniform(0.5, 6)
    return Request(
        f"team-{index % 97:02d}/specialist-{index:05d}",
        priority=chance.choice([0, 0, 0, 100, 1000]),
        allowed_tiers=chance.choice(lists) if chance.random() < 0.4 else (),
        memory={
            size: MemoryBreakdown(
                int(weights / size * GIB), int(cache / size * GIB), GIB // 2, GIB // 2
            )
            for size in (1, 2, 4, 8)
        },
    )


def _grown(chance: Random, requests: Sequence[Request], gpus: int) -> list[Request]:
    """The same with more replicas, until about so many more GPUs are asked for."""
    more: Counter[int] = Counter()
    while gpus > 0:
        index = chance.randrange(len(requests))
        more[index] += 1
        gpus -= 1 + int(requests[index].memory[1].total_bytes_per_gpu / (100 * GIB))
    return [replace(each, replicas=1 + more[i]) for i, each in enumerate(requests)]


def applied(
    requests: Sequence[Request], fleet: Sequence[Tier], plan: PlacementPlan
) -> tuple[list[Request], list[Tier]]:
    """The cluster when every planned pod runs, packed largest first."""
    rooms = {tier.name: [(-node.gpus_free, node.name) for node in tier.nodes] for tier in fleet}
    for room in rooms.values():
        heapq.heapify(room)
    held: dict[tuple[str, str], Counter[str]] = {}
    pods = [
        (-share.tensor_parallel, key, share.tier)
        for key, to in plan.assignments.items()
        for share in to.shares
        for _ in range(share.replicas)
    ]
    for size, key, tier in sorted(pods):
        free, node = rooms[tier][0]
        heapq.heapreplace(rooms[tier], (free - size, node))
        held.setdefault((key, tier), Counter())[node] -= size
    left = {node: -free for room in rooms.values() for free, node in room}
    now = [
        replace(tier, nodes=tuple(replace(n, gpus_free=left[n.name]) for n in tier.nodes))
        for tier in fleet
    ]
    return [
        replace(
            request,
            running=tuple(
                Running(s.tier, s.tensor_parallel, s.replicas, held.get((request.key, s.tier), {}))
                for s in to.shares
            ),
        )
        if (to := plan.assignments.get(request.key))
        else request
        for request in requests
    ], now
