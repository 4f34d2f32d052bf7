"""The brain turns a text into a plan, and is rebuilt cheaply when only pods change."""

from __future__ import annotations

import dataclasses
import time

import pytest
from routes import SORTING, a_route, a_table, recorded, the_demo

from tierwise_core.confidence import Record
from tierwise_core.route_table import Endpoint, RouteTable
from tierwise_router.brain import Brain

DEMO = Brain.build(the_demo())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("sort the letters qwxy", ["sorter", "generalist", "frontier"]),
        ("what is 40+2?", ["adder", "generalist", "frontier"]),
        ("uppercase hello", ["generalist", "frontier"]),
        ("", ["generalist", "frontier"]),
    ],
)
def test_a_text_becomes_the_way_of_its_field(text: str, names: list[str]) -> None:
    assert [hop.route.name for hop in DEMO.plan(text).hops] == names


def test_a_caller_that_names_the_field_is_believed() -> None:
    made = DEMO.plan("uppercase hello", field="sorting")

    assert made.field == "sorting"
    assert made.hops[0].route.name == "sorter"
    assert made.hops[0].predicted_confidence == pytest.approx(0.95)


def test_a_field_nobody_has_goes_to_the_generalists() -> None:
    made = DEMO.plan("sort dbca", field="medicine")

    assert made.field == "medicine"
    assert [hop.route.name for hop in made.hops] == ["generalist", "frontier"]


def test_a_record_is_part_of_the_prediction() -> None:
    brain = Brain.build(the_demo(), acceptance=recorded("sorter", Record(rejected=100)))

    assert brain.plan("sort dbca", field="sorting").hops[0].route.name == "generalist"


def test_new_pods_do_not_train_again() -> None:
    sorter = the_demo().resolve("sorter")
    moved = dataclasses.replace(sorter, endpoints=(Endpoint("http://10.9.9.9:8000"),))
    table = RouteTable.of(
        [route for route in the_demo().routes.values() if route is not sorter] + [moved]
    )

    assert Brain.build(table, DEMO).classifier is DEMO.classifier


def test_new_examples_do() -> None:
    table = a_table(a_route("sorter", "sorting", examples=(*SORTING, "tidy up dbca")))

    assert Brain.build(table, DEMO).classifier is not DEMO.classifier


def test_two_specialists_of_a_field_teach_it_together() -> None:
    table = a_table(
        a_route("small", "sorting", examples=SORTING[:3]),
        a_route("large", "sorting", usd=3.0, examples=SORTING[2:]),
    )

    assert Brain.build(table).classifier.examples == {"sorting": tuple(sorted(SORTING))}


def test_a_brain_before_any_resource_plans_nothing() -> None:
    assert Brain.build(RouteTable.of([])).plan("sort dbca").hops == ()


def test_a_plan_takes_a_fraction_of_a_millisecond() -> None:
    spent = []
    for number in range(300):
        before = time.thread_time()
        DEMO.plan(f"sort the letters qwxy{number}")
        spent.append(time.thread_time() - before)

    assert sorted(spent)[150] < 0.001


def test_a_hundred_fields_of_fifty_examples_train_in_seconds() -> None:
    places = [first + second for first in "abcdefghij" for second in "klmnopqrst"]
    table = a_table(
        *(
            a_route(
                f"s{place}", place, examples=tuple(f"{place} asks {n * 'o'}h" for n in range(50))
            )
            for place in places
        )
    )

    before = time.process_time()
    brain = Brain.build(table)

    assert time.process_time() - before < 5.0
    assert brain.classifier.read("what cn asks").probabilities.keys() == set(places)
    assert brain.plan("cn asks ooh").hops[0].route.name == "scn"
