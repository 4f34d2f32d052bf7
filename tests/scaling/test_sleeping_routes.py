"""Which Specialists the router takes for sleepers: those that a request can wake."""

from __future__ import annotations

from typing import Any

import pytest

from tierwise_core.route_table import GENERAL_FIELD, Endpoint, Route, RouteTable, Sleep
from tierwise_core.routing import itineraries, stand_ins
from tierwise_router.table import build_table


def specialist(status: dict[str, Any] | None = None, **placement: Any) -> dict[str, Any]:
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {"name": "sorter", "namespace": "demo", "uid": "u"},
        "spec": {
            "field": "sorting",
            "model": {"source": "file:///models/sorter"},
            "placement": placement,
        },
        "status": status or {},
    }


def broken(reason: str) -> dict[str, Any]:
    condition = {"type": "Placed", "status": "False", "reason": reason, "message": "m"}
    return {"conditions": [condition]}


def sleep_of(item: dict[str, Any], *, wakes: bool = True) -> Sleep | None:
    table, problems = build_table([item], wakes=wakes)
    assert not problems
    return table.routes["demo/sorter"].sleep


def test_what_may_go_to_zero_and_grow_again_sleeps_as_it_says() -> None:
    scaling = {"whenAsleep": "Escalate", "holdTimeout": "90s"}
    item = specialist(replicas={"min": 0, "max": 2}, scaling=scaling)

    assert sleep_of(item) == Sleep("Escalate", 90.0)


@pytest.mark.parametrize(
    "item",
    [
        specialist(replicas={"min": 0}),
        specialist(replicas={"min": 1, "max": 3}),
        specialist(),
        specialist(broken("NoTierFits"), replicas={"min": 0, "max": 2}),
        specialist(broken("CrashLoop"), replicas={"min": 0, "max": 2}),
    ],
)
def test_what_a_request_cannot_wake_does_not_sleep(item: dict[str, Any]) -> None:
    assert sleep_of(item) is None


@pytest.mark.parametrize(
    ("item", "arrives"),
    [
        (specialist(), True),
        (specialist(broken("NoCapacity")), True),
        (specialist(broken("CrashLoop")), False),
        (specialist(replicas={"min": 0}), False),
    ],
)
def test_a_pod_may_arrive_where_an_operator_starts_some(
    item: dict[str, Any],
    arrives: bool,  # noqa: FBT001 - a case
) -> None:
    found = [
        build_table([item], wakes=wakes)[0].routes["demo/sorter"].arrives for wakes in (True, False)
    ]

    assert found == [arrives, False]


def test_what_waits_for_room_may_still_wake() -> None:
    assert sleep_of(specialist(broken("NoCapacity"), replicas={"min": 0, "max": 2})) is not None


def test_nothing_sleeps_where_there_is_nobody_to_wake_it() -> None:
    assert sleep_of(specialist(replicas={"min": 0, "max": 2}), wakes=False) is None


def test_the_load_that_a_status_tells_makes_no_new_table() -> None:
    """Else every write of a waiting router would have each dispatcher build its brain anew."""
    placement = {"replicas": {"min": 0, "max": 2}}
    calm = specialist({"scaling": {"inFlightRequests": 1}}, **placement)
    busy = specialist(
        {
            "scaling": {"inFlightRequests": 9, "asleep": True},
            "wake": {"waiting": 3, "requestedAt": "2026-03-01T12:00:00Z"},
        },
        **placement,
    )

    versions = {build_table([item], wakes=True)[0].version for item in (calm, busy)}

    assert len(versions) == 1


def test_who_stands_in_is_ready_and_comes_once() -> None:
    def a_route(name: str, field: str = "sorting", *, up: bool = True, **changes: Any) -> Route:
        pods = (Endpoint("http://10.0.0.1:8000"),) if up else ()
        return Route("demo", name, field, name, endpoints=pods, **changes)

    sleeper = a_route("sorter", up=False, escalate_to=("demo/down", "demo/up", "demo/big"))
    table = RouteTable.of(
        [
            sleeper,
            a_route("down", up=False, parent="demo/boss"),
            a_route("up"),
            a_route("boss", "letters"),
            a_route("big", GENERAL_FIELD),
            a_route("other", GENERAL_FIELD),
        ]
    )

    found = [route.name for route in stand_ins(itineraries(table), table, sleeper)]

    assert found == ["up", "big", "boss", "other"]
