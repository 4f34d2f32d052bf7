"""The best placement there is, by OR-tools CP-SAT: another model of the problem, node by node.

It knows nothing of groups, of counting places, or of linear programs of ours. Every node has its
own variables, so that fragmentation is what it is. Priorities come first, one after the other; then
the cost, moves included.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from ortools.sat.python import cp_model

from tierwise_core.placement import Policy, Request, Tier

MICRO = 1_000_000


@dataclass(slots=True)
class Best:
    """The best there is.

    Attributes:
        placed: replicas of each priority, highest first.
        usd_per_hour: with the fees of moves.
        proven: whether CP-SAT finished its proof in time.
    """

    placed: list[int]
    usd_per_hour: float
    proven: bool


@dataclass(slots=True)
class _Model:
    model: cp_model.CpModel = field(default_factory=cp_model.CpModel)
    used: dict[tuple[str, int], list[cp_model.IntVar]] = field(
        default_factory=lambda: defaultdict(list)
    )
    stays: dict[tuple[str, str], list[tuple[int, cp_model.IntVar]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    held: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    placed: dict[int, list[cp_model.IntVar]] = field(default_factory=lambda: defaultdict(list))
    costs: list[tuple[int, cp_model.IntVar]] = field(default_factory=list)
    fixed_cost: int = 0


def best(
    requests: Sequence[Request], tiers: Sequence[Tier], policy: Policy, effort: float = 5.0
) -> Best:
    """Solve to proven optimality, or as far as the effort goes, in the solver's deterministic time.

    It is the same on every machine, so that a busy one compares the same optima.
    """
    made = _model(requests, tiers, policy)
    solver = cp_model.CpSolver()
    solver.parameters.max_deterministic_time = effort
    solver.parameters.num_workers = 1
    placed = []
    proven = True
    for priority in sorted(made.placed, reverse=True):
        total = sum(made.placed[priority])
        made.model.maximize(total)
        proven &= solver.solve(made.model) == cp_model.OPTIMAL
        placed.append(round(solver.objective_value))
        made.model.add(total >= placed[-1])
    made.model.minimize(sum(cost * count for cost, count in made.costs))
    proven &= solver.solve(made.model) == cp_model.OPTIMAL
    return Best(placed, (solver.objective_value + made.fixed_cost) / MICRO, proven)


def _model(requests: Sequence[Request], tiers: Sequence[Tier], policy: Policy) -> _Model:
    made = _Model()
    by_name = {tier.name: tier for tier in tiers}
    for request in requests:
        _add_request(made, request, by_name, policy)
    for tier in tiers:
        _add_nodes(made, tier)
    return made


def _add_request(made: _Model, request: Request, tiers: dict[str, Tier], policy: Policy) -> None:
    """Each replica is new somewhere, stays, or moves to where that pays."""
    everywhere = [
        (tier, size)
        for tier in tiers.values()
        if request.allows(tier)
        for size in request.fitting_sizes(tier)
    ]
    running = sum(run.replicas for run in request.running)
    new = [_choose(made, request, (tier, size), 0, request.replicas) for tier, size in everywhere]
    made.placed[request.priority] += new
    made.model.add(sum(new) <= request.replicas - running)
    for run in request.running:
        tier = tiers[run.tier]
        now = tier.usd_per_gpu_hour * run.tensor_parallel
        fee = policy.move_penalty_usd_per_hour + now * policy.move_threshold_fraction
        stays = []
        for node, gpus in run.held.items():
            most = gpus // run.tensor_parallel
            stay = made.model.new_int_var(0, most, "")
            stays.append(stay)
            made.stays[run.tier, node].append((run.tensor_parallel, stay))
            made.held[run.tier, node] += gpus
            made.costs.append((round(now * MICRO), stay))
        moves = [
            _choose(made, request, (to, size), fee, run.replicas)
            for to, size in everywhere
            if round((to.usd_per_gpu_hour * size + fee) * MICRO) < round(now * MICRO)
        ]
        made.model.add(sum(stays) + sum(moves) == run.replicas)
        made.placed[request.priority] += [*stays, *moves]


def _choose(
    made: _Model, request: Request, place: tuple[Tier, int], fee: float, most: int
) -> cp_model.IntVar:
    """Replicas of the request that come to a tier, at a size."""
    tier, size = place
    assert request.nodes_per_replica == 1
    count = made.model.new_int_var(0, most, "")
    made.used[tier.name, size].append(count)
    made.costs.append((round((tier.usd_per_gpu_hour * size + fee) * MICRO), count))
    return count


def _add_nodes(made: _Model, tier: Tier) -> None:
    """What comes to a tier is spread over its nodes, none of which holds more than it has."""
    sizes = sorted(size for name, size in made.used if name == tier.name)
    on_nodes: dict[int, list[cp_model.IntVar]] = {size: [] for size in sizes}
    for node in tier.nodes:
        if not (node.ready and node.schedulable):
            continue
        taken = []
        for size in sizes:
            count = made.model.new_int_var(0, node.gpus_total // size, "")
            on_nodes[size].append(count)
            taken.append(size * count)
        for size, stay in made.stays[tier.name, node.name]:
            taken.append(size * stay)
        free = max(0, node.gpus_free) + made.held[tier.name, node.name]
        made.model.add(sum(taken) <= free)
    for size in sizes:
        made.model.add(sum(made.used[tier.name, size]) == sum(on_nodes[size]))
