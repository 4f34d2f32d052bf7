"""Seeded fleets and requests of many shapes, for the oracle's tests and the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from bound import bind

from tierwise_core.placement import NodeCapacity, Request, Tier, place
from tierwise_core.sizing import MemoryBreakdown

GIB = 2**30

GPUS = (
    ("t4", 16, 0.35),
    ("l4", 24, 0.70),
    ("rtx-4090", 24, 0.40),
    ("a40", 48, 0.90),
    ("l40s", 48, 1.20),
    ("a100-40", 40, 1.50),
    ("a100-80", 80, 2.20),
    ("h100", 80, 3.00),
    ("h200", 141, 4.00),
    ("mi300x", 192, 3.50),
)
"""Product, GiB of memory and USD per hour, around which the tiers' prices lie."""

MODEL_GIB = ((2, 14), (10, 40), (30, 150), (100, 500))
CUTS = ((1, 2, 4, 8), (1, 2, 4, 8), (1, 2, 4), (1, 2, 4), (2,), (4,), (8,), (1,))


@dataclass(frozen=True, slots=True)
class Shape:
    """What kind of instance to make.

    Attributes:
        tiers: how many.
        nodes: how many each has, about.
        load: GPUs asked for, as a share of those that are free.
        priorities: how many levels.
        resident: the share of requests that run already, where other prices had put them.
    """

    tiers: int = 6
    nodes: int = 4
    load: float = 0.8
    priorities: int = 1
    resident: float = 0.0


def instance(seed: int, shape: Shape) -> tuple[list[Request], list[Tier]]:
    """Requests and tiers of a shape; the same seed makes the same ones."""
    chance = Random(seed)  # noqa: S311 - made-up fleets, no secrets
    tiers = [_tier(chance, index, shape.nodes) for index in range(shape.tiers)]
    free = sum(node.gpus_free for tier in tiers for node in tier.nodes)
    requests: list[Request] = []
    asked = 0
    while asked < shape.load * free:
        request = _request(chance, len(requests), tiers, shape.priorities)
        least = min(s for t in tiers if request.allows(t) for s in request.fitting_sizes(t)[:1])
        asked += least * request.replicas
        requests.append(request)
    if shape.resident:
        return _settle(chance, requests, tiers, shape.resident)
    return requests, tiers


def _tier(chance: Random, index: int, nodes: int) -> Tier:
    product, memory, usd = chance.choice(GPUS)
    total = chance.choice([1, 2, 4, 8, 8])
    name = f"{product}-{index}"
    count = chance.randint(max(1, nodes // 2), 2 * nodes)
    return Tier(
        name,
        memory * GIB,
        usd_per_gpu_hour=round(usd * chance.uniform(0.7, 1.4), 2),
        nodes=tuple(
            NodeCapacity(
                f"{name}-n{i}",
                chance.randint(0, total) if chance.random() < 0.3 else total,
                total,
            )
            for i in range(count)
        ),
    )


def _request(chance: Random, index: int, tiers: Sequence[Tier], priorities: int) -> Request:
    """A request that some tier can hold."""
    while True:
        whole = chance.uniform(*chance.choice(MODEL_GIB))
        memory = {
            size: MemoryBreakdown(int(whole / size * GIB), 0, GIB // 2, 0)
            for size in chance.choice(CUTS)
        }
        names = [tier.name for tier in tiers]
        allowed = chance.sample(names, chance.randint(1, len(names)))
        request = Request(
            f"ns/s{index:04d}",
            priority=chance.randrange(priorities),
            replicas=chance.choice([1, 1, 1, 2, 3, chance.randint(1, 8)]),
            allowed_tiers=allowed if chance.random() < 0.3 else (),
            memory=memory,
        )
        if any(request.allows(tier) and request.fitting_sizes(tier) for tier in tiers):
            return request


def _settle(
    chance: Random, requests: Sequence[Request], tiers: Sequence[Tier], share: float
) -> tuple[list[Request], list[Tier]]:
    """Let some requests run where other prices had put them."""
    count = int(len(requests) * share)
    residents, strangers = list(requests[:count]), list(requests[count:])
    past = [
        replace(tier, usd_per_gpu_hour=tier.usd_per_gpu_hour * chance.uniform(0.4, 2.5))
        for tier in tiers
    ]
    now, settled = bind(past, residents, place(residents, past))
    prices = {tier.name: tier.usd_per_gpu_hour for tier in tiers}
    tiers_now = [replace(tier, usd_per_gpu_hour=prices[tier.name]) for tier in now]
    return settled + strangers, tiers_now
