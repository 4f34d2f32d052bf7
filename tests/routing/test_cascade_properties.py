"""What holds for every plan, whatever the table, the graph and the question."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from routes import a_route

from tierwise_core.cost import expected_call_usd
from tierwise_core.route_table import Route, RouteTable, TierRoute
from tierwise_core.routing import (
    MAX_HOPS,
    CascadePlan,
    FieldReading,
    itineraries,
    itinerary_of_unknown,
    plan,
)

NAMES = [f"s{number}" for number in range(9)]
FIELDS = ["general", "sorting", "arithmetic", "letters"]
TIERS = ["small", "middle", "large"]
KEYS = st.sampled_from([f"demo/{name}" for name in [*NAMES, "ghost"]])
SHARES = st.floats(0.0, 1.0)


@st.composite
def tables(draw: st.DrawFn) -> RouteTable:
    chosen = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=len(NAMES)))
    ladder = [TierRoute(name, escalate_to=draw(st.sampled_from([None, *TIERS]))) for name in TIERS]
    return RouteTable.of([draw(routes(name)) for name in chosen], ladder)


@st.composite
def routes(draw: st.DrawFn, name: str) -> Route:
    return a_route(
        name,
        draw(st.sampled_from(FIELDS)),
        tier=draw(st.sampled_from(TIERS)),
        usd=draw(st.sampled_from([0.0, 0.4, 1.0, 3.0])),
        pods=draw(st.integers(0, 2)),
        parent=draw(st.none() | KEYS),
        escalate_to=tuple(draw(st.lists(KEYS, max_size=2))),
        confidence_floor=draw(SHARES),
    )


@st.composite
def readings(draw: st.DrawFn) -> FieldReading:
    field = draw(st.sampled_from([None, *FIELDS]))
    share = draw(SHARES)
    return FieldReading(field, share, draw(SHARES), {field: share} if field else {})


def planned(table: RouteTable, reading: FieldReading) -> CascadePlan:
    ways = itineraries(table)
    way = ways.get(reading.field) or itinerary_of_unknown(ways, reading.field or "")
    return plan(way, reading)


@given(tables(), readings())
def test_there_are_never_more_than_four_hops_and_nobody_is_asked_twice(
    table: RouteTable, reading: FieldReading
) -> None:
    keys = [hop.route.key for hop in planned(table, reading).hops]

    assert len(keys) <= MAX_HOPS
    assert len(keys) == len(set(keys))


@given(tables(), readings())
def test_everybody_is_a_hop_or_has_a_reason_never_both(
    table: RouteTable, reading: FieldReading
) -> None:
    made = planned(table, reading)
    hops = [hop.route.key for hop in made.hops]
    skipped = [skip.route_name for skip in made.skipped]

    assert sorted(hops + skipped) == sorted(table.routes)
    assert all(skip.reason for skip in made.skipped)
    assert all(hop.reason for hop in made.hops)


@given(tables(), readings())
def test_nobody_without_a_pod_is_asked_while_somebody_has_one(
    table: RouteTable, reading: FieldReading
) -> None:
    ready = {hop.route.ready for hop in planned(table, reading).hops}

    assert len(ready) <= 1


@given(tables(), readings())
def test_inside_a_field_the_order_is_by_cost(table: RouteTable, reading: FieldReading) -> None:
    hops = planned(table, reading).hops
    field = reading.field or "general"
    costs = [
        expected_call_usd(hop.route.price)
        for hop in hops
        if hop.route.field == field and hop.reason.startswith("field")
    ]

    assert costs == sorted(costs)


@given(tables(), readings())
def test_a_specialist_of_the_field_is_asked_only_when_it_is_confident(
    table: RouteTable, reading: FieldReading
) -> None:
    for hop in planned(table, reading).hops:
        if hop.route.field == reading.field != "general":
            assert hop.predicted_confidence >= hop.floor


@given(tables(), readings())
def test_every_confidence_is_a_probability(table: RouteTable, reading: FieldReading) -> None:
    for hop in planned(table, reading).hops:
        assert 0.0 <= hop.predicted_confidence <= 1.0


@given(tables(), readings(), st.randoms(use_true_random=False))
def test_the_plan_does_not_depend_on_the_order_of_the_resources(
    table: RouteTable, reading: FieldReading, shuffling: object
) -> None:
    shuffled = list(table.routes.values())
    shuffling.shuffle(shuffled)  # type: ignore[attr-defined]

    assert planned(RouteTable.of(shuffled, table.tiers.values()), reading) == planned(
        table, reading
    )


@given(tables(), readings())
def test_somebody_ready_to_take_over_means_that_somebody_is_asked(
    table: RouteTable, reading: FieldReading
) -> None:
    generalists = [route for route in table.routes.values() if route.field == "general"]

    if any(route.ready for route in generalists):
        assert any(hop.route.ready for hop in planned(table, reading).hops)
