"""Who is drawn for a rollout's candidate: a fair share, and always the same ones."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.route_split import Split
from tierwise_core.route_table import AdapterRoute, Endpoint, Route, RouteTable
from tierwise_router.table import build_table

API = "tierwise.dev/v1alpha1"
PERCENTS = st.floats(0, 100)
KEYS = st.binary(min_size=1, max_size=40)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,40}", fullmatch=True)
MANY = 4000


@given(rollout=NAMES, percent=st.integers(0, 100), salt=st.binary(max_size=8))
def test_the_share_is_what_was_asked_for(rollout: str, percent: int, salt: bytes) -> None:
    split = Split(rollout, percent)

    green = sum(split.goes_green(b"%s-%d" % (salt, number)) for number in range(MANY))

    share = percent / 100
    assert abs(green - share * MANY) <= 6 * sqrt(share * (1 - share) * MANY)


@given(rollout=NAMES, key=KEYS, one=PERCENTS, other=PERCENTS)
def test_nobody_changes_sides_while_the_share_grows(
    rollout: str, key: bytes, one: float, other: float
) -> None:
    less, more = Split(rollout, min(one, other)), Split(rollout, max(one, other))

    assert more.goes_green(key) or not less.goes_green(key)


@given(rollout=NAMES, key=KEYS)
def test_none_is_nobody_and_all_is_everybody(rollout: str, key: bytes) -> None:
    assert not Split(rollout, 0).goes_green(key)
    assert Split(rollout, 100).goes_green(key)
    assert not Split(rollout, 50, shadow_percent=0).is_shadowed(key)
    assert Split(rollout, 0, shadow_percent=100).is_shadowed(key)


def test_another_rollout_draws_others() -> None:
    """Or the same people would try out every candidate."""
    keys = [b"s-%d" % number for number in range(MANY)]
    first, second = Split("sorter-aaaa", 25), Split("sorter-bbbb", 25)

    both = sum(first.goes_green(key) and second.goes_green(key) for key in keys)

    assert abs(both - MANY / 16) < 6 * sqrt(MANY / 16)


def test_shadows_are_drawn_apart_from_green() -> None:
    keys = [b"d-%d" % number for number in range(MANY)]
    split = Split("sorter-v2", 50, shadow_percent=50)

    both = sum(split.goes_green(key) and split.is_shadowed(key) for key in keys)

    assert abs(both - MANY / 4) < 6 * sqrt(MANY / 4)


def a_specialist(*endpoints: dict[str, str], rollout: str | None = None) -> dict[str, Any]:
    status: dict[str, Any] = {"endpoints": list(endpoints)}
    if rollout is not None:
        status["rollout"] = {"name": rollout, "stage": "Canary", "greenPercent": 77}
    return {
        "apiVersion": API,
        "kind": "Specialist",
        "metadata": {"name": "sorter", "namespace": "demo"},
        "spec": {"field": "sorting", "model": {"source": "file:///models/sorter"}},
        "status": status,
    }


def a_rollout(name: str = "sorter-v2", **status: Any) -> dict[str, Any]:
    model = {"source": "file:///models/sorter-2"}
    return {
        "apiVersion": API,
        "kind": "Rollout",
        "metadata": {"name": name, "namespace": "demo"},
        "spec": {"specialistRef": {"name": "sorter"}, "candidate": {"model": model}},
        "status": status,
    }


BLUE = {"url": "http://10.0.0.1:8000", "revision": "aaa"}
GREEN = {"url": "http://10.0.0.2:8000", "revision": "bbb", "side": "green"}


def table_of(*objects: dict[str, Any]) -> RouteTable:
    table, problems = build_table(objects)
    assert problems == ()
    return table


def test_the_shares_are_those_of_the_rollout_that_is_named() -> None:
    weights = {"blue": 80, "green": 20}
    table = table_of(
        a_specialist(BLUE, GREEN, rollout="sorter-v2"),
        a_rollout(weights=weights, shadowPercent=5, stage="Paused"),
        a_rollout("another", weights={"blue": 0, "green": 100}),
    )

    route = table.routes["demo/sorter"]
    assert route.split == Split("sorter-v2", 20, 5)
    assert [endpoint.side for endpoint in route.endpoints] == ["", "green"]


def test_shares_hold_while_a_rollout_is_being_deleted() -> None:
    leaving = a_rollout(weights={"blue": 0, "green": 100})
    leaving["metadata"] |= {"uid": "u-1", "deletionTimestamp": "2026-11-22T12:00:00Z"}

    table = table_of(a_specialist(BLUE, GREEN, rollout="sorter-v2"), leaving)

    assert table.routes["demo/sorter"].split == Split("sorter-v2", 100)


@pytest.mark.parametrize("broken", [None, {"weights": {"blue": 0, "green": 200}}])
def test_a_rollout_that_is_not_there_or_broken_gives_green_nothing(
    broken: dict[str, Any] | None,
) -> None:
    rollouts = [a_rollout(**broken)] if broken else []

    table, problems = build_table([a_specialist(BLUE, GREEN, rollout="sorter-v2"), *rollouts])

    assert table.routes["demo/sorter"].split == Split("sorter-v2", 0)
    assert "status.rollout.name" in {problem.field for problem in problems}


def test_a_new_share_is_a_new_table() -> None:
    first, second = (
        table_of(a_specialist(BLUE, GREEN, rollout="r"), a_rollout("r", weights=weights))
        for weights in ({"blue": 95, "green": 5}, {"blue": 94, "green": 6})
    )

    assert first.version != second.version


def test_the_context_is_that_of_the_model_that_serves() -> None:
    """While a rollout is under way the spec has the candidate's."""
    item = a_specialist(BLUE, GREEN, rollout="sorter-v2")
    item["spec"]["model"]["maxModelLen"] = 32_768
    item["status"]["stable"] = {"model": {"source": "file:///models/sorter", "maxModelLen": 4096}}

    table = table_of(item, a_rollout(weights={"blue": 95, "green": 5}))

    assert table.routes["demo/sorter"].context_tokens == 4096


def test_adapters_follow_their_specialist() -> None:
    split = Split("sorter-v2", 20)
    base = Route(
        "demo", "sorter", "sorting", "sorter",
        endpoints=(Endpoint("http://a", pod="a"), Endpoint("http://b", pod="b", side="green")),
        adapters=(AdapterRoute("acme"), AdapterRoute("new", absent_from=("a",))), split=split,
    )  # fmt: skip
    table = RouteTable.of([base])

    assert table.adapters["sorter:acme"].split == split
    assert [one.side for one in table.adapters["sorter:new"].endpoints] == ["green"]
