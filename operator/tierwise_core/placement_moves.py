"""Who leaves where it runs, and why, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tierwise_core.placement_demand import Demand, Leaver
from tierwise_core.placement_plan import Move
from tierwise_core.placement_shares import Departure, Outcome
from tierwise_core.placement_types import Request
from tierwise_core.tier_capacity import TierCapacity

__all__ = ["moves"]


def moves(
    requests: Sequence[Request],
    found: Mapping[str, Outcome],
    demand: Demand,
    capacities: Sequence[TierCapacity],
) -> tuple[Move, ...]:
    """Every running replica that goes elsewhere or stops, by the request's key."""
    told = []
    for request in sorted(requests, key=lambda each: each.key):
        outcome = found.get(request.key, Outcome())
        told += [_move(request, gone, capacities) for gone in outcome.departures]
        leavers = [each for each in demand.leavers.get(request.key, ()) if each.why]
        if leavers:
            told += _must_move(request, leavers, outcome, capacities)
    return tuple(told)


def _move(request: Request, gone: Departure, capacities: Sequence[TierCapacity]) -> Move:
    """One departure in words."""
    count = len(gone.nodes)
    before = _usd(gone.before.site, gone.before.size, request, capacities)
    name = capacities[gone.before.site].tier.name
    if gone.after is None:
        reason = f"stops on {name} for a higher priority; no other tier has room"
        return Move(request.key, name, None, count, count * before, reason)
    after = _usd(gone.after.site, gone.after.size, request, capacities)
    reason = f"costs {after:.2f} USD per replica-hour there, {before:.2f} here"
    if gone.forced:
        reason = "makes way for a higher priority"
    saves = count * (before - after)
    return Move(request.key, name, capacities[gone.after.site].tier.name, count, saves, reason)


def _must_move(
    request: Request,
    leavers: Sequence[Leaver],
    outcome: Outcome,
    capacities: Sequence[TierCapacity],
) -> Iterator[Move]:
    """Those who cannot stay, matched with the request's new places in turn."""
    coming = [[site, size, count] for (site, size), count in outcome.new.items()]
    sites = {capacity.tier.name: site for site, capacity in enumerate(capacities)}
    for leaver in leavers:
        name, size = leaver.running.tier, leaver.running.tensor_parallel
        before = _usd(sites[name], size, request, capacities) if name in sites else 0.0
        rest = min(leaver.replicas, request.replicas - sum(outcome.kept.values()))
        for place in coming:
            count = min(rest, place[2])
            if count > 0:
                place[2] -= count
                rest -= count
                after = _usd(place[0], place[1], request, capacities)
                to = capacities[place[0]].tier.name
                yield Move(request.key, name, to, count, count * (before - after), leaver.why)
        if rest > 0:
            reason = f"{leaver.why}; no tier has room"
            yield Move(request.key, name, None, rest, rest * before, reason)


def _usd(site: int, size: int, request: Request, capacities: Sequence[TierCapacity]) -> float:
    """USD per hour of one replica there."""
    return capacities[site].tier.usd_per_gpu_hour * size * request.nodes_per_replica
