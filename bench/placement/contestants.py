"""Three ways to place the same fleet, each told as replicas placed by priority and USD per hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ortools.sat.python import cp_model

from tierwise_core.placement import Policy, Request, Tier, place
from tierwise_core.placement_demand import demand
from tierwise_core.placement_groups import NOWHERE, Group
from tierwise_core.placement_options import MICRO, OptionBook
from tierwise_core.tier_capacity import TierCapacity, tier_capacities


@dataclass(frozen=True, slots=True)
class Result:
    """What came out.

    Attributes:
        missing: replicas without a place, by priority, highest first.
        usd_per_hour: of the others.
        bound: USD per hour that no placement of as many can be below; 0 if nothing was proven.
        proven: whether it was proven to be the best.
    """

    missing: tuple[int, ...]
    usd_per_hour: float
    bound: float = 0.0
    proven: bool = False


def ours(requests: Sequence[Request], tiers: Sequence[Tier]) -> Result:
    """tierwise's solver."""
    plan = place(requests, tiers)
    missing = dict.fromkeys(sorted({r.priority for r in requests}, reverse=True), 0)
    for request in requests:
        to = plan.assignments.get(request.key)
        missing[request.priority] += request.replicas - (to.placed_replicas if to else 0)
    return Result(tuple(missing.values()), plan.usd_per_hour)


def first_fit_decreasing(requests: Sequence[Request], tiers: Sequence[Tier]) -> Result:
    """Largest first; each replica onto the first node with room of the cheapest tier it fits."""
    by_price = sorted(tiers, key=lambda tier: (tier.usd_per_gpu_hour, tier.name))
    free = {tier.name: [node.gpus_free for node in tier.nodes] for tier in tiers}
    missing = dict.fromkeys(sorted({r.priority for r in requests}, reverse=True), 0)
    usd = 0.0
    for request in sorted(requests, key=lambda r: (-r.priority, -_weight(r), r.key)):
        options = sorted(
            (size * tier.usd_per_gpu_hour, tier.name, size)
            for tier in by_price
            if request.allows(tier)
            for size in request.fitting_sizes(tier)[:1]
        )
        for _ in range(request.replicas):
            price = next((p for p, name, size in options if _first_fit(free[name], size)), None)
            missing[request.priority] += price is None
            usd += price or 0.0
    return Result(tuple(missing.values()), usd)


def _weight(request: Request) -> int:
    return min(need.total_bytes_per_gpu * size for size, need in request.memory.items())


def _first_fit(nodes: list[int], size: int) -> bool:
    for index, gpus in enumerate(nodes):
        if gpus >= size:
            nodes[index] -= size
            return True
    return False


def cp_sat(requests: Sequence[Request], tiers: Sequence[Tier], seconds: float) -> Result:
    """OR-tools CP-SAT, with replicas grouped and nodes counted as tierwise does.

    With a variable for every Specialist and node it would have 50 million of them.
    """
    ordered = sorted(requests, key=lambda request: (-request.priority, request.key))
    capacities, _ = tier_capacities(sorted(tiers, key=lambda tier: tier.name))
    groups = demand(ordered, OptionBook(capacities), Policy()).groups
    model, counts = _model(groups, capacities)
    solver = cp_model.CpSolver()
    priorities = sorted({request.priority for request in requests}, reverse=True)
    solver.parameters.max_time_in_seconds = seconds / (len(priorities) + 1)
    missing: list[int] = []
    proven = True
    for priority in priorities:
        nowhere = sum(counts[g][-1] for g, group in enumerate(groups) if group.priority == priority)
        model.minimize(nowhere)
        proven &= solver.solve(model) == cp_model.OPTIMAL
        missing.append(round(solver.objective_value))
        model.add(nowhere <= missing[-1])
        model.clear_hints()
        for mine in counts:
            for count in mine:
                model.add_hint(count, solver.value(count))
    model.minimize(
        sum(
            option.cost * count
            for group, mine in zip(groups, counts, strict=True)
            for option, count in zip(group.options, mine, strict=True)
            if option.site != NOWHERE
        )
    )
    proven &= solver.solve(model) == cp_model.OPTIMAL
    return Result(
        tuple(missing),
        solver.objective_value / MICRO,
        solver.best_objective_bound / MICRO,
        proven=proven,
    )


def _model(
    groups: Sequence[Group], capacities: Sequence[TierCapacity]
) -> tuple[cp_model.CpModel, list[list[cp_model.IntVar]]]:
    model = cp_model.CpModel()
    counts = [[model.new_int_var(0, g.replicas, "") for _ in g.options] for g in groups]
    takes: dict[tuple[int, int], list[tuple[int, cp_model.IntVar]]] = {}
    sizes: dict[int, set[int]] = {}
    for group in groups:
        for option in group.options[:-1]:
            sizes.setdefault(option.site, set()).add(option.size)
    for group, mine in zip(groups, counts, strict=True):
        model.add(sum(mine) == group.replicas)
        for option, count in zip(group.options[:-1], mine, strict=False):
            for size in sizes[option.site]:
                if size <= option.size:
                    takes.setdefault((option.site, size), []).append((option.size // size, count))
    for (site, size), terms in takes.items():
        model.add(sum(weight * count for weight, count in terms) <= capacities[site].slack(size))
    return model, counts


def gpus(requests: Sequence[Request], tiers: Sequence[Tier]) -> Counter[str]:
    """How many GPUs are free, and replicas wanted."""
    return Counter(
        free=sum(node.gpus_free for tier in tiers for node in tier.nodes),
        replicas=sum(request.replicas for request in requests),
    )
