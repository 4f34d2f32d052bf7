"""Which GPU tiers each Specialist runs on: the cheapest placement, calmly, with reasons.

:func:`place` is one pure function for live reconcile, plans, dry runs and what-if. It finds, in
this order of importance,

1. as many replicas of the highest priority placed as there can be, then of the next one;
2. the least USD per hour (or cost per accepted answer, where that was measured);
3. the earlier name, where two of the same priority want the last GPU, or two tiers cost the same.

What runs stays: a running replica moves only if it cannot stay, if the move saves more than
``Policy`` asks for, or, if ``Policy.preempt`` says so, for a higher priority. A plan never takes
more than the nodes hold: a replica takes all its GPUs on one node (``tier_capacity``). The same
input in another order gives the same plan, and applying a plan and placing again changes nothing.

How: replicas that are alike are counted together (``placement_groups``), the linear program of all
groups and tiers is solved exactly (``placement_simplex``), branch and bound makes its answer whole
(``placement_search``). There is no clock and no chance in it.

>>> from tierwise_core.model_metadata import MemoryBreakdown
>>> def need(gib):
...     return MemoryBreakdown(gib * 2**30, 0, 0, 0)
>>> tiers = [
...     Tier("rtx-4090", 24 * 2**30, nodes=(NodeCapacity("a", 4, 4),), usd_per_gpu_hour=0.40),
...     Tier("h100", 80 * 2**30, nodes=(NodeCapacity("b", 2, 2),), usd_per_gpu_hour=3.00)]
>>> plan = place([Request("ai/small", memory={1: need(18)}),
...               Request("ai/large", memory={1: need(44)})], tiers)
>>> plan.assignments["ai/small"].tier, plan.assignments["ai/large"].tier
('rtx-4090', 'h100')
>>> print(plan.rejections["ai/large"][0].reason)
needs 44.0 GiB per GPU, rtx-4090 has 24.0 GiB x 0.90 = 21.6 GiB usable
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from tierwise_core.errors import InvalidPlacementError
from tierwise_core.placement_chains import Chains
from tierwise_core.placement_demand import Demand, demand
from tierwise_core.placement_groups import NOWHERE
from tierwise_core.placement_moves import moves
from tierwise_core.placement_options import OptionBook
from tierwise_core.placement_order import Deadlock, carry_out
from tierwise_core.placement_plan import (
    Assignment,
    Move,
    PlacementPlan,
    Rejection,
    RejectionCode,
    Share,
)
from tierwise_core.placement_reasons import Failures, Rejections
from tierwise_core.placement_search import Search
from tierwise_core.placement_shares import Outcome, assignment, outcomes, share
from tierwise_core.placement_state import State
from tierwise_core.placement_types import NodeCapacity, Policy, Request, Running, Tier
from tierwise_core.tier_capacity import tier_capacities

__all__ = [
    "Assignment",
    "Move",
    "NodeCapacity",
    "PlacementPlan",
    "Policy",
    "Rejection",
    "RejectionCode",
    "Request",
    "Running",
    "Share",
    "Tier",
    "place",
]

ATTEMPTS: Final = 4


def place(
    requests: Iterable[Request], tiers: Iterable[Tier], policy: Policy | None = None
) -> PlacementPlan:
    """Where every request goes, and why not elsewhere.

    Args:
        requests: the Specialists to place; their keys are unique.
        tiers: the fleet; GPUs that running requests hold are not free (``NodeCapacity.gpus_free``).
        policy: what a move must bring, and who may be pushed out.

    Raises:
        InvalidPlacementError: two requests share a key, or two tiers a name.
    """
    ordered = sorted(requests, key=lambda request: (-request.priority, request.key))
    _refuse_duplicates("request", [request.key for request in ordered])
    fleet = sorted(tiers, key=lambda tier: tier.name)
    _refuse_duplicates("tier", [tier.name for tier in fleet])
    return _plan(ordered, _solve(ordered, fleet, policy or Policy()))


def _refuse_duplicates(kind: str, names: Iterable[str]) -> None:
    """Raise if a name stands twice."""
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise InvalidPlacementError(f"each {kind} needs a name of its own; twice: {twice}")


@dataclass(frozen=True, slots=True)
class _Solution:
    """What was decided, before it is put into words."""

    demand: Demand
    book: OptionBook
    found: Mapping[str, Outcome]
    deadlock: Deadlock
    problems: tuple[str, ...]


def _solve(ordered: Sequence[Request], fleet: Sequence[Tier], policy: Policy) -> _Solution:
    """Solve, again without the moves that wait for each other for no better reason than money."""
    pinned: set[str] = set()
    for attempt in range(ATTEMPTS):
        if attempt == ATTEMPTS - 1:
            pinned |= {request.key for request in ordered}
        capacities, problems = tier_capacities(fleet)
        book = OptionBook(capacities)
        want = demand(ordered, book, policy, pinned)
        if want.groups:
            state = State(want.groups, capacities)
            search = Search(state)
            search.run()
            _make_way(state, search)
        found = outcomes(want)
        deadlock = carry_out(ordered, found, want, tier_capacities(fleet)[0])
        if not deadlock.may - pinned:
            break
        pinned |= deadlock.may
    return _Solution(want, book, found, deadlock, problems)


def _make_way(state: State, search: Search) -> None:
    """Push lower priorities out for those that found no place, where the policy made them yield."""
    if not any(group.yields for group in state.groups):
        return
    chains = Chains(state, search.surcharges, forced=True)
    for index, group in enumerate(state.groups):
        last = group.calm - 1
        if group.origin is None and group.options[last].site == NOWHERE:
            while group.counts[last] and chains.place(index, last):
                pass


def _plan(ordered: Sequence[Request], solution: _Solution) -> PlacementPlan:
    """The solution by key, with the reasons."""
    capacities = solution.book.capacities
    taken: dict[str, Assignment] = {}
    by_key = {request.key: request for request in sorted(ordered, key=lambda each: each.key)}
    for key, request in by_key.items():
        outcome = solution.found.get(key)
        assigned = (
            assignment(request, outcome, capacities) if outcome else _resting(request, solution)
        )
        if assigned is not None:
            if key in solution.deadlock.must:
                assigned = replace(assigned, releases_first=True)
            taken[key] = assigned
    rejections = Rejections(by_key, taken, capacities)
    return PlacementPlan(
        assignments=MappingProxyType(taken),
        rejections=rejections,
        failures=Failures([key for key in by_key if key not in taken], by_key, rejections),
        problems=solution.problems,
        moves=moves(ordered, solution.found, solution.demand, capacities),
        usd_per_hour=sum(each.usd_per_hour for each in taken.values()),
    )


def _resting(request: Request, solution: _Solution) -> Assignment | None:
    """The tier of a request that wants no replicas: where it ran, else the cheapest."""
    if request.replicas:
        return None
    book = solution.book
    places = [book.place_of(request, running) for running in request.running]
    option = next((each for each in (*places, *book.options(request)) if each), None)
    if option is None:
        return None
    return Assignment((share(request, book.capacities[option.site], option.size, 0, 0),))
