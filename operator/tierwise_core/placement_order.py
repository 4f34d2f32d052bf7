"""Whether a plan can be carried out step by step: new replicas start before the old ones leave.

A replica that moves keeps its old GPUs until the new one is ready. Where movers wait for each
other's GPUs in a circle, nobody could begin. Then those who move only to save money stay, and of
those who must move one lets go first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tierwise_core.placement_demand import Demand
from tierwise_core.placement_shares import Outcome
from tierwise_core.placement_types import Request
from tierwise_core.tier_capacity import TierCapacity

__all__ = ["Deadlock", "carry_out"]

Held = tuple[str, str, int]
"""GPUs that come free: tier, node, how many."""


@dataclass(slots=True)
class Deadlock:
    """Who could not move without letting go first.

    Attributes:
        must: those who have to move: their old pods go first.
        may: those who would only save money.
    """

    must: set[str] = field(default_factory=set)
    may: set[str] = field(default_factory=set)


def carry_out(
    requests: Sequence[Request],
    found: Mapping[str, Outcome],
    demand: Demand,
    capacities: Sequence[TierCapacity],
) -> Deadlock:
    """Play the moves through, in the order in which requests are served.

    ``capacities`` are the tiers as they are now, with everything that runs in its place.
    """
    deadlock = Deadlock()
    leaving = {r.key: held for r in requests if (held := _held(r, found, demand, capacities))}
    if not leaving:
        return deadlock
    by_name = {capacity.tier.name: capacity for capacity in capacities}
    waiting = [request for request in requests if request.key in found or request.key in leaving]
    while True:
        still = [r for r in waiting if not _moves(r, found.get(r.key), capacities)]
        done = [request for request in waiting if request not in still]
        for request in done:
            _let_go(leaving.pop(request.key, ()), by_name)
        waiting = still
        if done:
            continue
        blocked = [request for request in waiting if request.key in leaving]
        if not blocked:
            return deadlock
        first = next((r for r in blocked if _must(r, found, demand)), blocked[0])
        (deadlock.must if _must(first, found, demand) else deadlock.may).add(first.key)
        _let_go(leaving.pop(first.key), by_name)


def _held(
    request: Request,
    found: Mapping[str, Outcome],
    demand: Demand,
    capacities: Sequence[TierCapacity],
) -> tuple[Held, ...]:
    """The GPUs that come free when the request has moved."""
    held = [
        (leaver.running.tier, node, leaver.running.tensor_parallel)
        for leaver in demand.leavers.get(request.key, ())
        for node in leaver.nodes
    ]
    if request.key in found:
        held += [
            (capacities[gone.before.site].tier.name, node, gone.before.size)
            for gone in found[request.key].departures
            for node in gone.nodes
            if node
        ]
    return tuple(held)


def _moves(request: Request, outcome: Outcome | None, capacities: Sequence[TierCapacity]) -> bool:
    """Start the new replicas if there is room for all of them now."""
    coming = list(outcome.new.items()) if outcome else []
    started: list[tuple[TierCapacity, int, int]] = []
    for (site, size), count in coming:
        capacity, places = capacities[site], count * request.nodes_per_replica
        if capacity.room(size) < places:
            for before, taken, number in started:
                before.take(taken, -number)
            return False
        capacity.take(size, places)
        started.append((capacity, size, places))
    return True


def _let_go(held: Sequence[Held], by_name: Mapping[str, TierCapacity]) -> None:
    """Free the GPUs of those who have moved."""
    for tier, node, gpus in held:
        holders = [by_name[tier]] if tier in by_name else list(by_name.values())
        any(capacity.release(node, gpus) for capacity in holders)


def _must(request: Request, found: Mapping[str, Outcome], demand: Demand) -> bool:
    """Whether the request moves for another reason than money."""
    outcome = found.get(request.key)
    return any(leaver.why for leaver in demand.leavers.get(request.key, ())) or (
        outcome is not None and any(gone.forced for gone in outcome.departures)
    )
