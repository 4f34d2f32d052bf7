"""The route table answers by name, and its version says whether anything changed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from routes import FLEET, a_route, a_table

from tierwise_core.errors import AmbiguousModelError, UnknownModelError
from tierwise_core.route_table import Endpoint, RouteTable


def test_a_name_alone_is_enough_while_it_is_unique() -> None:
    table = a_table(a_route("sorter", "sorting"))

    assert table.resolve("sorter") is table.resolve("demo/sorter")


def test_a_name_of_two_namespaces_needs_the_namespace() -> None:
    table = a_table(a_route("sorter", "sorting"), a_route("sorter", "sorting", namespace="prod"))

    assert table.resolve("prod/sorter").namespace == "prod"
    with pytest.raises(AmbiguousModelError, match="one of: demo/sorter, prod/sorter"):
        table.resolve("sorter")


def test_an_unknown_name_is_answered_with_those_that_exist() -> None:
    table = a_table(a_route("sorter", "sorting"), a_route("adder", "arithmetic"))

    with pytest.raises(UnknownModelError, match=r"'sortr' does not exist; use 'auto' or one of: "):
        table.resolve("sortr")


def test_an_unknown_name_in_a_large_table_lists_a_few() -> None:
    table = a_table(*(a_route(f"s{number:03}") for number in range(40)))

    with pytest.raises(UnknownModelError, match="s011 and 28 more"):
        table.resolve("nobody")


def test_an_empty_table_says_so() -> None:
    with pytest.raises(UnknownModelError, match="no Specialist is known yet"):
        RouteTable.of([]).resolve("sorter")


def test_the_names_offered_are_those_that_resolve() -> None:
    table = a_table(a_route("sorter"), a_route("sorter", namespace="prod"), a_route("adder"))

    assert table.model_names() == ("auto", "adder", "demo/adder", "demo/sorter", "prod/sorter")
    assert all(table.resolve(name) for name in table.model_names() if name != "auto")


def test_the_version_ignores_the_order_things_arrive_in() -> None:
    routes = [a_route("sorter", "sorting"), a_route("adder", "arithmetic")]

    assert RouteTable.of(routes, FLEET).version == RouteTable.of(routes[::-1], FLEET[::-1]).version


@pytest.mark.parametrize(
    "change",
    [
        {"endpoints": (Endpoint("http://10.9.9.9:8000"),)},
        {"confidence_floor": 0.9},
        {"examples": ("sort dbca",)},
        {"escalate_to": ("demo/frontier",)},
    ],
)
def test_the_version_changes_with_anything_a_route_says(change: dict[str, Any]) -> None:
    before = a_route("sorter", "sorting")
    after = dataclasses.replace(before, **change)

    assert a_table(before).version != a_table(after).version


def test_a_table_cannot_be_changed() -> None:
    table = a_table(a_route("sorter"))

    with pytest.raises(TypeError):
        table.routes["demo/other"] = a_route("other")  # type: ignore[index]
