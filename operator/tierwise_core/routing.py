"""Which Specialists to try for a question, in which order, and why not the others.

Two steps. An :class:`Itinerary` depends on the route table alone: the order in which the routes of
one field are tried and where the way leads after them. :func:`plan` lays one question over it: who
is confident enough beforehand, who has a ready pod, and where the four hops end. The first is made
once per table, the second on every request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from types import MappingProxyType
from typing import Final

from tierwise_core.confidence import GENERALIST_PRIOR, Record, predicted_confidence
from tierwise_core.cost import expected_call_usd
from tierwise_core.route_table import GENERAL_FIELD, Route, RouteTable

__all__ = [
    "MAX_HOPS",
    "CascadePlan",
    "FieldReading",
    "Hop",
    "Itinerary",
    "Skip",
    "itineraries",
    "itinerary_of_unknown",
    "plan",
]

MAX_HOPS: Final = 4
"""The most Specialists that one request may be sent to."""

NO_RECORDS: Final[Mapping[str, Record]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FieldReading:
    """What the classifier makes of a question.

    ``field`` is the likeliest field, or None when the question lies outside every field.
    ``probability`` is that field's share among the fields, ``in_domain`` how much the question
    looks like any of the examples at all, both in [0, 1]. ``probabilities`` has every field.
    """

    field: str | None
    probability: float
    in_domain: float
    probabilities: Mapping[str, float] = dataclass_field(default_factory=dict)

    @property
    def confidence(self) -> float:
        """The probability that the question belongs to ``field``; 0 outside every field."""
        return self.probability * self.in_domain if self.field is not None else 0.0


@dataclass(frozen=True, slots=True)
class Hop:
    """One Specialist to try: what is expected of it, the floor it must reach, why it is here."""

    route: Route
    predicted_confidence: float
    floor: float
    reason: str


@dataclass(frozen=True, slots=True)
class Skip:
    """A Specialist (or several, named together) that is not tried, and why."""

    route_name: str
    reason: str


@dataclass(frozen=True, slots=True)
class CascadePlan:
    """The hops of one request in the order to try them, and everyone who lost, with the reason.

    No hops means that nobody may answer: the request is refused with ``skipped`` as the reasons.
    Either every hop has a ready endpoint, or is asleep and can be woken, or none has one and nobody
    better exists.
    """

    field: str | None
    field_confidence: float
    hops: tuple[Hop, ...]
    skipped: tuple[Skip, ...]


@dataclass(frozen=True, slots=True)
class Itinerary:
    """The way of a field: its routes, cheapest first, then the routes escalation leads to.

    ``reasons`` says of each onward route who leads to it. ``general`` are the generalists,
    cheapest first, that take over where escalation leads to nobody who is ready.
    """

    field: str | None
    in_field: tuple[Route, ...]
    onward: tuple[Route, ...]
    general: tuple[Route, ...]
    reasons: Mapping[str, str]
    elsewhere: tuple[Skip, ...]


@dataclass(frozen=True, slots=True)
class _Fleet:
    """What every itinerary of one table shares; the routes of a field are cheapest first."""

    table: RouteTable
    by_field: Mapping[str, tuple[Route, ...]]
    elsewhere: tuple[Skip, ...]

    @property
    def general(self) -> tuple[Route, ...]:
        return self.by_field.get(GENERAL_FIELD, ())


def itineraries(table: RouteTable) -> Mapping[str | None, Itinerary]:
    """Lay out the way of every field; None is the way of what lies outside every field."""
    by_field: dict[str, list[Route]] = {}
    for route in sorted(
        table.routes.values(), key=lambda route: (expected_call_usd(route.price), route.key)
    ):
        by_field.setdefault(route.field, []).append(route)
    fleet = _Fleet(
        table,
        {name: tuple(routes) for name, routes in by_field.items()},
        tuple(Skip(key, f"its field is {route.field!r}") for key, route in table.routes.items()),
    )
    return {name: _itinerary(fleet, name) for name in (None, *by_field)}


def itinerary_of_unknown(ways: Mapping[str | None, Itinerary], field_name: str) -> Itinerary:
    """Lay out the way of a field that a caller names and no Specialist has: the generalists."""
    outside = ways[None]
    onward = (*outside.in_field, *outside.onward)
    return Itinerary(field_name, (), onward, (), outside.reasons, outside.elsewhere)


def _itinerary(fleet: _Fleet, field_name: str | None) -> Itinerary:
    """Lay out one way.

    Escalation goes from each route to its ``escalate_to``, else to its parent, else to the
    generalists on its tier's ``escalate_to``; breadth first, nobody twice, so that a cycle ends.
    """
    outside = field_name is None or field_name == GENERAL_FIELD
    in_field = fleet.by_field.get(GENERAL_FIELD if field_name is None else field_name, ())
    onward = tuple(_escalation(fleet, in_field))
    reasons = {route.key: reason for route, reason in onward}
    considered = {*reasons, *(route.key for route in (*in_field, *fleet.general))}
    return Itinerary(
        field=field_name,
        in_field=in_field,
        onward=tuple(route for route, _ in onward),
        general=() if outside else fleet.general,
        reasons=reasons,
        elsewhere=tuple(skip for skip in fleet.elsewhere if skip.route_name not in considered),
    )


def stand_ins(
    ways: Mapping[str | None, Itinerary], table: RouteTable, route: Route
) -> Iterator[Route]:
    """Yield who answers in the place of a Specialist: its escalation, then the generalists.

    Only those who are ready, nobody twice.
    """
    general = ways[GENERAL_FIELD].in_field if GENERAL_FIELD in ways else ()
    onward = _escalation(_Fleet(table, {GENERAL_FIELD: general}, ()), (route,))
    seen = {route.key}
    for other in (*(found for found, _ in onward), *general):
        if other.ready and other.key not in seen:
            seen.add(other.key)
            yield other


def _escalation(fleet: _Fleet, start: tuple[Route, ...]) -> Iterator[tuple[Route, str]]:
    seen = {route.key for route in start}
    queue = list(start)
    while queue:
        current = queue.pop(0)
        for key, reason in _next_of(fleet, current):
            if key in seen or (route := fleet.table.routes.get(key)) is None:
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


def plan(
    way: Itinerary,
    reading: FieldReading,
    *,
    floor: float | None = None,
    record: Mapping[str, Record] = NO_RECORDS,
    max_hops: int = MAX_HOPS,
) -> CascadePlan:
    """Choose the hops of one question.

    A Specialist of the field must be confident enough beforehand; those that escalation leads to
    need not, because they are asked when nobody else is sure. ``floor`` raises every floor, and
    lowers none: floors are the platform's policy. ``record`` is what is known of each Specialist
    by full name.
    """
    skipped = list(way.elsewhere)
    hops = [_hop(route, way, reading, floor, record) for route in way.in_field]
    if way.field is not None and way.field != GENERAL_FIELD:
        hops = _confident(hops, skipped)
    hops += [_hop(route, way, reading, floor, record) for route in _onward(way, skipped)]
    hops = _bounded(_ready(hops, skipped), skipped, max_hops)
    return CascadePlan(way.field, reading.confidence, tuple(hops), tuple(skipped))


def _hop(
    route: Route,
    way: Itinerary,
    reading: FieldReading,
    floor: float | None,
    record: Mapping[str, Record],
) -> Hop:
    takes_over = route.field == GENERAL_FIELD or route.key in way.reasons
    reason = way.reasons.get(route.key) or f"field {route.field!r}"
    gate = max(route.confidence_floor, floor or 0.0)
    return Hop(route, _predict(route, reading, record, takes_over=takes_over), gate, reason)


def _predict(
    route: Route, reading: FieldReading, record: Mapping[str, Record], *, takes_over: bool
) -> float:
    known = record.get(route.key)
    if takes_over:
        # Whoever takes over has no field to be outside of: only its record speaks for it.
        return predicted_confidence(1.0, 1.0, known, GENERALIST_PRIOR)
    share = reading.probabilities.get(route.field, 0.0)
    return predicted_confidence(share, reading.in_domain, known)


def _confident(hops: list[Hop], skipped: list[Skip]) -> list[Hop]:
    kept = []
    for hop in hops:
        if hop.predicted_confidence >= hop.floor:
            kept.append(hop)
        else:
            why = f"predicted {hop.predicted_confidence:.2f} < floor {hop.floor:.2f}"
            skipped.append(Skip(hop.route.key, why))
    return kept


def _onward(way: Itinerary, skipped: list[Skip]) -> tuple[Route, ...]:
    if not any(route.ready for route in way.onward):
        known = {route.key for route in way.onward}
        return (*way.onward, *(route for route in way.general if route.key not in known))
    ends = way.onward[0].name
    skipped.extend(
        Skip(route.key, f"escalation leads to {ends} instead")
        for route in way.general
        if route.key not in way.reasons
    )
    return way.onward


def _ready(hops: list[Hop], skipped: list[Skip]) -> list[Hop]:
    ready = [hop for hop in hops if hop.route.ready or hop.route.asleep]
    if not ready:
        return hops
    skipped.extend(Skip(hop.route.key, "no ready endpoint") for hop in hops if hop not in ready)
    return ready


def _bounded(hops: list[Hop], skipped: list[Skip], max_hops: int) -> list[Hop]:
    """Cut the middle: the end of the way is the strongest, and stays as the last hop."""
    if len(hops) <= max_hops:
        return hops
    cut = hops[max_hops - 1 : -1]
    skipped.extend(Skip(hop.route.key, f"beyond {max_hops} hops") for hop in cut)
    return [*hops[: max_hops - 1], hops[-1]]
