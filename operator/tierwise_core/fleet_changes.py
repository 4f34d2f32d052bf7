"""What a plan changes about what runs, or about another plan: one line per Specialist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from tierwise_core.fleet_plan import Fleet, FleetPlan

__all__ = ["Change", "Mark", "Place", "changes", "places_now", "places_planned"]

NO_WHYS: Final[Mapping[str, str]] = MappingProxyType({})
CENT_FRACTION: Final = 1e-6


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Replicas on one tier."""

    tier: str
    gpus_per_replica: int
    replicas: int

    def __str__(self) -> str:
        """The place in words.

        >>> str(Place("h100", 2, 3)), str(Place("l4", 1, 1))
        ('3 on 2 x h100', '1 on l4')
        """
        gpus = "" if self.gpus_per_replica == 1 else f"{self.gpus_per_replica} x "
        return f"{self.replicas} on {gpus}{self.tier}"


Places = tuple[Place, ...]


class Mark(StrEnum):
    """What happens to a Specialist."""

    STARTS = "+"
    STOPS = "-"
    CHANGES = "~"
    STAYS = "="


@dataclass(frozen=True, slots=True)
class Change:
    """One Specialist before and after; ``usd_per_hour`` is what that costs more (or less)."""

    key: str
    mark: Mark
    before: Places
    after: Places
    usd_per_hour: float
    reason: str


def places_now(fleet: Fleet) -> dict[str, Places]:
    """Return what runs now, by Specialist."""
    spans = {sp.key: sp.placement.nodes_per_replica for sp in fleet.specialists}
    running = {
        key: tuple(
            Place(runs.tier, runs.tensor_parallel * spans.get(key, 1), runs.replicas)
            for runs in holding
            if runs.replicas
        )
        for key, holding in fleet.holdings.items()
    }
    return {key: places for key, places in running.items() if places}


def places_planned(plan: FleetPlan) -> dict[str, Places]:
    """Return what a plan places, by Specialist; what takes no GPU is not there."""
    planned = {
        key: tuple(
            Place(share.tier, share.gpus_per_replica, share.replicas)
            for share in assignment.shares
            if share.replicas
        )
        for key, assignment in plan.placements.assignments.items()
    }
    return {key: places for key, places in planned.items() if places}


def changes(
    before: Mapping[str, Places],
    plan: FleetPlan,
    prices_before: Mapping[str, float],
    prices_after: Mapping[str, float],
    whys: Mapping[str, str] = NO_WHYS,
) -> tuple[Change, ...]:
    """Compare a plan with what was before.

    Args:
        before: what runs, or what another plan places.
        plan: the plan.
        prices_before: USD per GPU-hour by tier.
        prices_after: the same now.
        whys: why each Specialist goes where it goes, for those whose move the solver does not tell.
    """
    after = places_planned(plan)
    moves: dict[str, list[str]] = {}
    for move in plan.placements.moves:
        moves.setdefault(move.key, []).append(move.reason)
    return tuple(
        _change(
            key,
            before.get(key, ()),
            after.get(key, ()),
            _cost(after.get(key, ()), prices_after) - _cost(before.get(key, ()), prices_before),
            moves.get(key) or _ended(key, plan, after),
            whys.get(key, ""),
        )
        for key in sorted(before.keys() | after.keys())
    )


def _ended(key: str, plan: FleetPlan, after: Mapping[str, Places]) -> list[str]:
    """Why a Specialist takes no GPU any more; nothing of one that does."""
    if key in after:
        return []
    if key not in plan.specialists:
        return ["removed"]
    failure = plan.placements.failures.get(key)
    return [f"has no place ({failure.reason})"] if failure else ["nothing is wanted of it"]


def _cost(places: Places, prices: Mapping[str, float]) -> float:
    return sum(
        place.replicas * place.gpus_per_replica * prices.get(place.tier, 0.0) for place in places
    )


def _change(  # noqa: PLR0913, PLR0917 - both sides of one line
    key: str, before: Places, after: Places, usd: float, told: Sequence[str], why: str
) -> Change:
    mark = _mark(before, after)
    reason = "; ".join(dict.fromkeys(told)) or _reason(mark, before, after, why)
    if mark is Mark.STAYS and abs(usd) > CENT_FRACTION:
        reason = "another price"
    return Change(key, mark, before, after, round(usd, 6), reason)


def _mark(before: Places, after: Places) -> Mark:
    if not before:
        return Mark.STARTS
    if not after:
        return Mark.STOPS
    return Mark.STAYS if sorted(before) == sorted(after) else Mark.CHANGES


def _reason(mark: Mark, before: Places, after: Places, why: str) -> str:
    """In words, where the solver told of no move.

    >>> _reason(Mark.CHANGES, (Place("l4", 1, 1),), (Place("l4", 1, 3),), "cheapest")
    '2 replicas more'
    >>> _reason(Mark.CHANGES, (Place("l4", 1, 1),), (Place("a10", 1, 1),), "cheapest; full: l4")
    'cheapest; full: l4'
    """
    if mark is Mark.STARTS:
        return "new"
    if mark is not Mark.CHANGES:
        return ""
    more = sum(place.replicas for place in after) - sum(place.replicas for place in before)
    if {place.tier for place in before} == {place.tier for place in after} and more:
        plural = "" if abs(more) == 1 else "s"
        return f"{abs(more)} replica{plural} {'more' if more > 0 else 'fewer'}"
    return why
