"""The way of a field through the Specialists: who is asked, and where escalation leads.

It depends on the route table alone, and is laid out once per table. Everything about a Specialist
that is the same for every question is worked out here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tierwise_core.cost import expected_call_usd
from tierwise_core.route_split import GREEN
from tierwise_core.route_table import GENERAL_FIELD, Route, RouteTable

__all__ = ["Itinerary", "Stop", "itineraries", "itinerary_of_unknown", "stand_ins"]

HALF: Final = 50
SERVES: Final = {
    "Interactive": frozenset({"realtime", "async"}),
    "Batch": frozenset({"async", "batch", "background"}),
}


@dataclass(frozen=True, slots=True)
class Stop:
    """A Specialist on a way: what is the same for every question.

    ``own_field`` is its field where it is asked as the field's Specialist, None where it takes over
    for others. ``reason`` says why it is on the way, ``open`` that it has a pod or can be woken.
    ``serves`` are the latency classes it is meant for. The reference call costs ``usd``. ``tier``
    is the word for it in records.
    """

    route: Route
    key: str
    own_field: str | None
    reason: str
    usd: float
    revision: str
    ready: bool
    open: bool
    serves: frozenset[str]
    tier: str


@dataclass(frozen=True, slots=True)
class Itinerary:
    """The way of a field: its own Specialists, cheapest first, then those escalation leads to.

    ``general`` are the other generalists, cheapest first, that take over where escalation leads to
    nobody who is ready. ``elsewhere`` are the Specialists of other fields: full name and field.
    """

    field: str | None
    in_field: tuple[Stop, ...]
    onward: tuple[Stop, ...]
    general: tuple[Stop, ...]
    elsewhere: tuple[tuple[str, str], ...]

    @property
    def gated(self) -> bool:
        """Tell whether who is asked first must be confident enough beforehand.

        Generalists need not: they have no field that a question could be outside of.
        """
        return self.field is not None and self.field != GENERAL_FIELD


@dataclass(frozen=True, slots=True)
class _Fleet:
    """What every itinerary of one table shares; the routes of a field are cheapest first."""

    table: RouteTable
    by_field: Mapping[str, tuple[Route, ...]]

    @property
    def general(self) -> tuple[Route, ...]:
        return self.by_field.get(GENERAL_FIELD, ())


def itineraries(table: RouteTable) -> Mapping[str | None, Itinerary]:
    """Lay out the way of every field; None is the way of what lies outside every field."""
    by_field: dict[str, list[Route]] = {}
    for route in sorted(
        table.routes.values(), key=lambda route: (expected_call_usd(route.price), route.key)
    ):
        if route.generates:
            by_field.setdefault(route.field, []).append(route)
    fleet = _Fleet(table, {name: tuple(routes) for name, routes in by_field.items()})
    return {name: _itinerary(fleet, name) for name in (None, *by_field)}


def itinerary_of_unknown(ways: Mapping[str | None, Itinerary], field_name: str) -> Itinerary:
    """Lay out the way of a field that a caller names and no Specialist has: the generalists."""
    outside = ways[None]
    return Itinerary(field_name, (), (*outside.in_field, *outside.onward), (), outside.elsewhere)


def stand_ins(
    ways: Mapping[str | None, Itinerary], table: RouteTable, route: Route
) -> Iterator[Route]:
    """Yield who answers in the place of a Specialist: its escalation, then the generalists.

    Only those who are ready, nobody twice.
    """
    general = (
        tuple(stop.route for stop in ways[GENERAL_FIELD].in_field) if GENERAL_FIELD in ways else ()
    )
    onward = _escalation(_Fleet(table, {GENERAL_FIELD: general}), (route,))
    seen = {route.key}
    for other in (*(found for found, _ in onward), *general):
        if other.ready and other.key not in seen:
            seen.add(other.key)
            yield other


def _itinerary(fleet: _Fleet, field_name: str | None) -> Itinerary:
    """Lay out one way.

    Escalation goes from each route to its ``escalate_to``, else to its parent, else to the
    generalists on its tier's ``escalate_to``; breadth first, nobody twice, so that a cycle ends.
    """
    outside = field_name is None or field_name == GENERAL_FIELD
    in_field = fleet.by_field.get(GENERAL_FIELD if field_name is None else field_name, ())
    reasons = dict(_reasoned(_escalation(fleet, in_field)))
    onward = [fleet.table.routes[key] for key in reasons]
    general = () if outside else fleet.general
    considered = {*reasons, *(route.key for route in (*in_field, *fleet.general))}
    return Itinerary(
        field=field_name,
        in_field=_stops(in_field, {}),
        onward=_stops(onward, reasons),
        general=_stops((route for route in general if route.key not in reasons), {}),
        elsewhere=tuple(
            (key, route.field) for key, route in fleet.table.routes.items() if key not in considered
        ),
    )


def _reasoned(found: Iterable[tuple[Route, str]]) -> Iterator[tuple[str, str]]:
    for route, reason in found:
        yield route.key, reason


def _stops(routes: Iterable[Route], reasons: Mapping[str, str]) -> tuple[Stop, ...]:
    return tuple(_stop(route, reasons.get(route.key)) for route in routes)


def _stop(route: Route, led_here: str | None) -> Stop:
    takes_over = led_here is not None or route.field == GENERAL_FIELD
    return Stop(
        route=route,
        key=route.key,
        own_field=None if takes_over else route.field,
        reason=led_here or f"field {route.field!r}",
        usd=expected_call_usd(route.price),
        # While two revisions are side by side, what answers most requests is predicted for.
        revision=_revision(route),
        ready=route.ready,
        open=route.ready or route.asleep or route.overflow is not None,
        serves=SERVES[route.latency_class],
        tier=route.tier or ("external" if route.external else ""),
    )


def _revision(route: Route) -> str:
    side = GREEN if route.split is not None and route.split.green_percent > HALF else ""
    asked = [one.revision for one in route.endpoints if one.side == side]
    revisions = asked or [endpoint.revision for endpoint in route.endpoints]
    return max(sorted(set(revisions)), key=revisions.count, default="")


def _escalation(fleet: _Fleet, start: tuple[Route, ...]) -> Iterator[tuple[Route, str]]:
    seen = {route.key for route in start}
    queue = list(start)
    while queue:
        current = queue.pop(0)
        for key, reason in _next_of(fleet, current):
            route = fleet.table.routes.get(key)
            if key in seen or route is None or not route.generates:
                continue
            seen.add(key)
            queue.append(route)
            yield route, reason


def _next_of(fleet: _Fleet, route: Route) -> list[tuple[str, str]]:
    if route.escalate_to:
        return [(key, f"{route.name} escalates to it") for key in route.escalate_to]
    if route.parent is not None:
        return [(route.parent, f"parent of {route.name}")]
    tier = fleet.table.tiers.get(route.tier)
    if tier is None or tier.escalate_to is None:
        return []
    above = (general for general in fleet.general if general.tier == tier.escalate_to)
    return [(general.key, f"general on {general.tier}, above {route.tier}") for general in above]
