"""In which order a question's hops come, and why the others are not among them."""

from __future__ import annotations

import dataclasses

import pytest
from routes import FLEET, a_route, a_table, recorded, the_demo

from tierwise_core.confidence import Record
from tierwise_core.route_table import Price, RouteTable, TierRoute
from tierwise_core.routing import CascadePlan, FieldReading, itineraries, itinerary_of_unknown, plan


def reads_as(field: str | None, probability: float = 0.99, in_domain: float = 0.98) -> FieldReading:
    probabilities = {field: probability} if field else {}
    return FieldReading(field, probability, in_domain, probabilities)


def planned(table: RouteTable, reading: FieldReading, **how: object) -> CascadePlan:
    ways = itineraries(table)
    way = ways.get(reading.field) or itinerary_of_unknown(ways, reading.field or "")
    return plan(way, reading, **how)  # type: ignore[arg-type]


def names(made: CascadePlan) -> list[str]:
    return [hop.route.name for hop in made.hops]


def why_not(made: CascadePlan, name: str) -> str:
    return next(skip.reason for skip in made.skipped if skip.route_name == f"demo/{name}")


def test_a_question_of_a_field_goes_to_its_specialist_then_up() -> None:
    made = planned(the_demo(), reads_as("sorting"))

    assert names(made) == ["sorter", "generalist", "frontier"]
    assert [hop.reason for hop in made.hops] == [
        "field 'sorting'",
        "parent of sorter",
        "generalist escalates to it",
    ]
    assert why_not(made, "adder") == "its field is 'arithmetic'"


def test_a_question_outside_every_field_goes_to_the_generalists_by_price() -> None:
    made = planned(the_demo(), reads_as(None, 0.4, 0.1))

    assert names(made) == ["generalist", "frontier"]
    assert (made.field, made.field_confidence) == (None, 0.0)


def test_a_specialist_that_is_not_sure_beforehand_costs_nothing() -> None:
    made = planned(the_demo(), reads_as("sorting", 0.9, 0.6))

    assert names(made) == ["generalist", "frontier"]
    assert why_not(made, "sorter") == "predicted 0.51 < floor 0.85"


def test_in_a_field_the_cheaper_specialist_is_asked_first() -> None:
    table = a_table(
        a_route("large", "sorting", usd=3.0),
        a_route("small", "sorting", usd=0.4),
        a_route("hosted", "sorting", price=Price(0.0, 2.5e-7, 1e-6)),
    )

    assert names(planned(table, reads_as("sorting"))) == ["small", "hosted", "large"]


def test_equal_prices_are_ordered_by_name() -> None:
    table = a_table(a_route("b", "sorting"), a_route("c", "sorting"), a_route("a", "sorting"))

    assert names(planned(table, reads_as("sorting"))) == ["a", "b", "c"]


def test_escalate_to_comes_before_the_parent() -> None:
    table = a_table(
        a_route("sorter", "sorting", parent="demo/generalist", escalate_to=("demo/frontier",)),
        a_route("generalist"),
        a_route("frontier", tier="h100", usd=3.0),
    )

    made = planned(table, reads_as("sorting"))

    assert names(made) == ["sorter", "frontier"]
    assert why_not(made, "generalist") == "escalation leads to frontier instead"


def test_without_either_the_tier_above_takes_over() -> None:
    table = a_table(
        a_route("sorter", "sorting"),
        a_route("generalist"),
        a_route("frontier", tier="h100", usd=3.0),
    )

    made = planned(table, reads_as("sorting"))

    assert names(made) == ["sorter", "frontier"]
    assert made.hops[1].reason == "general on h100, above rtx-4090"


def test_where_escalation_leads_nowhere_the_generalists_take_over() -> None:
    table = a_table(a_route("sorter", "sorting"), a_route("generalist"), tiers=())

    assert names(planned(table, reads_as("sorting"))) == ["sorter", "generalist"]


def test_where_escalation_leads_to_nobody_ready_the_generalists_take_over() -> None:
    table = a_table(
        a_route("sorter", "sorting", escalate_to=("demo/frontier",)),
        a_route("generalist"),
        a_route("frontier", usd=3.0, pods=0),
    )

    made = planned(table, reads_as("sorting"))

    assert names(made) == ["sorter", "generalist"]
    assert why_not(made, "frontier") == "no ready endpoint"


@pytest.mark.parametrize("field", ["sorting", None])
def test_a_cycle_of_escalation_ends(field: str | None) -> None:
    table = a_table(
        a_route("sorter", "sorting", parent="demo/a"),
        a_route("a", escalate_to=("demo/b",)),
        a_route("b", usd=1.0, escalate_to=("demo/a", "demo/sorter")),
        tiers=(
            TierRoute("rtx-4090", escalate_to="h100"),
            TierRoute("h100", escalate_to="rtx-4090"),
        ),
    )

    assert set(names(planned(table, reads_as(field)))) >= {"a", "b"}


def test_a_name_that_leads_nowhere_is_passed_over() -> None:
    table = a_table(a_route("sorter", "sorting", parent="demo/ghost"), a_route("generalist"))

    assert names(planned(table, reads_as("sorting"))) == ["sorter", "generalist"]


def test_the_end_of_a_long_way_stays_its_last_hop() -> None:
    many = [a_route(f"s{number}", "sorting", usd=0.1 * (number + 1)) for number in range(6)]
    table = a_table(*many, a_route("frontier", tier="h100", usd=3.0))

    made = planned(table, reads_as("sorting"))

    assert names(made) == ["s0", "s1", "s2", "frontier"]
    assert why_not(made, "s4") == "beyond 4 hops"


def test_without_any_pod_the_way_is_still_told() -> None:
    table = a_table(a_route("sorter", "sorting", pods=0), a_route("generalist", pods=0))

    assert names(planned(table, reads_as("sorting"))) == ["sorter", "generalist"]


def test_with_nobody_confident_and_no_generalist_nobody_answers() -> None:
    made = planned(a_table(a_route("sorter", "sorting")), reads_as("sorting", 0.5, 0.5))

    assert made.hops == ()
    assert why_not(made, "sorter").startswith("predicted 0.24 < floor")


def test_a_field_nobody_has_starts_with_the_generalists() -> None:
    table = a_table(
        a_route("generalist", escalate_to=("demo/doctor",)),
        a_route("doctor", "medicine", usd=3.0),
        a_route("sorter", "sorting"),
    )

    made = planned(table, reads_as("law"))

    assert names(made) == ["generalist", "doctor"]
    assert (made.field, made.hops[1].reason) == ("law", "generalist escalates to it")


def test_an_empty_table_plans_nothing() -> None:
    made = planned(RouteTable.of([]), reads_as(None))

    assert (made.hops, made.skipped) == ((), ())


def test_a_request_can_raise_the_floors_and_not_lower_them() -> None:
    raised = planned(the_demo(), reads_as("sorting"), floor=0.9)
    lowered = planned(the_demo(), reads_as("sorting"), floor=0.1)

    assert [hop.floor for hop in raised.hops] == [0.9, 0.9, 0.9]
    assert [hop.floor for hop in lowered.hops] == [0.85, 0.80, 0.55]


def test_a_bad_record_closes_the_door() -> None:
    known = recorded("sorter", Record(accepted=50, rejected=50))

    made = planned(the_demo(), reads_as("sorting"), acceptance=known)

    assert "sorter" not in names(made)


def test_whoever_takes_over_is_judged_by_its_record_and_not_by_the_field() -> None:
    table = a_table(
        a_route("sorter", "sorting", parent="demo/letters"), a_route("letters", "letters")
    )
    known = recorded("letters", Record(accepted=180), takes_over=True)

    plain = planned(table, reads_as("sorting")).hops[1]
    proven = planned(table, reads_as("sorting"), acceptance=known).hops[1]

    assert plain.predicted_confidence == pytest.approx(0.85)
    assert proven.predicted_confidence == pytest.approx(197 / 200)


def test_a_cheaper_tier_changes_the_order_at_once() -> None:
    dear = a_route("dear", "sorting", usd=2.0)
    table = a_table(a_route("cheap", "sorting", usd=1.0), dear)
    cheaper = a_table(
        a_route("cheap", "sorting", usd=1.0), dataclasses.replace(dear, price=Price(0.5))
    )

    assert names(planned(table, reads_as("sorting"))) == ["cheap", "dear"]
    assert names(planned(cheaper, reads_as("sorting"))) == ["dear", "cheap"]


def test_the_fleet_of_the_stories_escalates_upwards() -> None:
    assert FLEET[0].escalate_to == FLEET[1].name
