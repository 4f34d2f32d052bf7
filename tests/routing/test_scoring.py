"""Scorers decide among the confident of a field, by weights that come from the policy alone."""

from __future__ import annotations

import random
import subprocess
import sys
from importlib.metadata import EntryPoint
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from routes import a_route, a_table, recorded, the_demo

from tierwise_core.confidence import Record
from tierwise_core.plan_context import LoadSignal, PlanContext
from tierwise_core.policy_decision import DecisionPolicy, ScorerWeight
from tierwise_core.provider import Requirements
from tierwise_core.route_table import Price, Route, RouteTable
from tierwise_core.routing import CascadePlan, FieldReading, itineraries, plan
from tierwise_core.scoring import BUILT_IN_SCORERS, Facts, Weighted
from tierwise_core.spending import Limits
from tierwise_router.scorers import load_scorers

SORTING = FieldReading("sorting", 0.99, 0.98, {"sorting": 0.99})
OUTSIDE = FieldReading(None, 0.4, 0.1)
FLOATS = st.floats(0.0, 1.0)


def planned(table: RouteTable, reading: FieldReading = SORTING, **how: object) -> CascadePlan:
    return plan(itineraries(table)[reading.field], reading, **how)  # type: ignore[arg-type]


def names(made: CascadePlan) -> list[str]:
    return [hop.route.name for hop in made.hops]


def lost(made: CascadePlan, name: str) -> tuple[str, str]:
    return next((one.code, one.reason) for one in made.skipped if one.route_name == f"demo/{name}")


def weighing(**weights: float) -> Weighted:
    given_weights = [ScorerWeight(name.replace("_", "-"), value) for name, value in weights.items()]
    return Weighted.of(given_weights, BUILT_IN_SCORERS)


def near_equals() -> RouteTable:
    """Two Specialists of a field, the second a little dearer."""
    return a_table(a_route("first", "sorting", usd=0.40), a_route("second", "sorting", usd=0.45))


# The stories.


def test_the_cheapest_is_asked_first_where_nobody_is_busy() -> None:
    assert names(planned(near_equals())) == ["first", "second"]


def test_who_is_swamped_gives_way_to_one_that_costs_little_more() -> None:
    swamped = PlanContext(loads={"demo/first": LoadSignal(in_flight=30, endpoints=1, waiting=10)})

    assert names(planned(near_equals(), context=swamped)) == ["second", "first"]


def test_who_is_swamped_still_goes_before_one_that_costs_seven_times_as_much() -> None:
    table = a_table(a_route("first", "sorting", usd=0.40), a_route("second", "sorting", usd=3.00))
    swamped = PlanContext(loads={"demo/first": LoadSignal(in_flight=30, endpoints=1, waiting=10)})

    assert names(planned(table, context=swamped)) == ["first", "second"]


def test_a_session_stays_where_it_was_answered_at_about_the_same_price() -> None:
    at_home = PlanContext(session=b"s", session_home="demo/second")

    assert names(planned(near_equals(), context=at_home)) == ["second", "first"]


def test_patient_work_leaves_the_interactive_to_those_who_wait() -> None:
    table = a_table(
        a_route("first", "sorting"), a_route("second", "sorting", usd=0.45, latency_class="Batch")
    )

    assert names(planned(table)) == ["first", "second"]
    assert names(planned(table, context=PlanContext(latency_class="batch"))) == ["second", "first"]


def test_a_policy_may_prefer_the_better_record() -> None:
    table = near_equals()
    known = recorded("second", Record(accepted=300))

    by_confidence = planned(table, scoring=weighing(predicted_confidence=1), acceptance=known)
    by_utility = planned(table, scoring=weighing(utility=1), acceptance=known)

    assert names(by_confidence) == names(by_utility) == ["second", "first"]


@pytest.mark.parametrize(
    ("context", "code", "says"),
    [
        (PlanContext(allowed=frozenset({"demo/second"})), "tenant", "the tenant may not ask it"),
        (PlanContext(prompt_tokens=5000), "context", "do not fit its context of 4096"),
        (PlanContext(loads={"demo/first": LoadSignal(endpoints=1, available=False)}), "breaker",
         "its breaker is open"),
        (PlanContext(requirements=Requirements.of(["hipaa"])), "requirements",
         "does not list hipaa"),
    ],
)  # fmt: skip
def test_who_may_not_answer_is_left_out_with_the_reason(
    context: PlanContext, code: str, says: str
) -> None:
    table = a_table(
        a_route("first", "sorting", context_tokens=4096),
        a_route("second", "sorting", usd=0.45, compliance=("HIPAA",)),
    )

    made = planned(table, context=context)

    assert names(made) == ["second"]
    found = lost(made, "first")
    assert (found[0], says in found[1]) == (code, True)


def test_a_ceiling_leaves_out_whoever_is_expected_to_cost_more() -> None:
    table = a_table(
        a_route("small", "sorting"), a_route("hosted", "general", price=Price(0.0, 1e-5, 4e-5))
    )
    ceiling = Limits.of(DecisionPolicy(max_cost_usd=0.01), PlanContext())

    made = planned(table, limits=ceiling)

    assert names(made) == ["small"]
    assert lost(made, "hosted")[0] == "cost"


def test_an_open_breaker_is_tried_where_there_is_nobody_else() -> None:
    table = a_table(a_route("first", "sorting"))
    broken = PlanContext(loads={"demo/first": LoadSignal(endpoints=1, available=False)})

    assert names(planned(table, context=broken)) == ["first"]


def test_who_can_no_longer_reach_the_floor_is_not_asked_on_the_way() -> None:
    known = recorded("generalist", Record(accepted=1, rejected=99), takes_over=True)

    made = planned(the_demo(), acceptance=known)

    assert names(made) == ["sorter", "frontier"]
    assert lost(made, "generalist")[0] == "hopeless"


def test_every_candidate_is_told_with_every_score() -> None:
    made = planned(near_equals(), floor=0.5)

    assert [one.specialist for one in made.candidates] == ["demo/first", "demo/second"]
    for one in made.candidates:
        assert set(one.scores or {}) == {"cost", "load", "latency-class", "session-affinity"}
        assert one.total is not None
        assert one.lost == ""


# What always holds.


@st.composite
def fields_of_routes(draw: st.DrawFn) -> tuple[list[Route], PlanContext]:
    count = draw(st.integers(1, 4))
    routes = [
        a_route(f"s{number}", "sorting", usd=draw(st.floats(0.0, 5.0))) for number in range(count)
    ]
    loads = {
        route.key: LoadSignal(draw(st.integers(0, 50)), 1, draw(st.integers(0, 50)), draw(FLOATS))
        for route in routes
    }
    return routes, PlanContext(loads=loads)


WEIGHTS = st.dictionaries(st.sampled_from(sorted(BUILT_IN_SCORERS)), st.floats(0.0, 10.0))


def of_weights(weights: dict[str, float]) -> Weighted:
    return Weighted.of([ScorerWeight(*pair) for pair in weights.items()], BUILT_IN_SCORERS)


@given(fields_of_routes(), WEIGHTS)
def test_totals_are_in_the_unit_interval_and_order_the_hops(
    scene: tuple[list[Route], PlanContext], weights: dict[str, float]
) -> None:
    made = planned(RouteTable.of(scene[0]), context=scene[1], scoring=of_weights(weights))
    totals = {one.specialist: one.total or 0.0 for one in made.candidates}
    ordered = [totals[hop.route.key] for hop in made.hops]

    assert all(0.0 <= total <= 1.0 + 1e-9 for total in ordered)
    assert all(one >= other - 1e-9 for one, other in pairwise(ordered))


@given(fields_of_routes(), WEIGHTS, st.sampled_from(sorted(BUILT_IN_SCORERS)))
def test_a_scorer_that_weighs_nothing_changes_nothing(
    scene: tuple[list[Route], PlanContext], weights: dict[str, float], name: str
) -> None:
    table = RouteTable.of(scene[0])
    without = {other: weight for other, weight in weights.items() if other != name}

    assert planned(table, context=scene[1], scoring=of_weights({**weights, name: 0.0})) == planned(
        table, context=scene[1], scoring=of_weights(without)
    )


@given(fields_of_routes(), WEIGHTS, st.randoms(use_true_random=False))
def test_the_order_of_resources_and_scorers_changes_nothing(
    scene: tuple[list[Route], PlanContext], weights: dict[str, float], shuffling: random.Random
) -> None:
    routes = list(scene[0])
    shuffling.shuffle(routes)

    assert names(
        planned(RouteTable.of(routes), context=scene[1], scoring=of_weights(weights))
    ) == names(planned(RouteTable.of(scene[0]), context=scene[1], scoring=of_weights(weights)))


@given(
    st.lists(FLOATS, min_size=2, max_size=4), st.integers(0, 3), FLOATS, st.floats(0.1, 1.0)
)  # fmt: skip
def test_a_better_score_never_makes_anybody_lose(
    values: list[float], which: int, raised: float, weight: float
) -> None:
    chosen = which % len(values)
    routes = [a_route(f"s{number}", "sorting") for number in range(len(values))]

    def place(scores: list[float]) -> int:
        by_name = dict(zip((route.key for route in routes), scores, strict=True))
        scoring = Weighted((("mine", lambda facts: by_name[facts.name], weight),))
        return names(planned(RouteTable.of(routes), scoring=scoring)).index(f"s{chosen}")

    better = [*values]
    better[chosen] = max(values[chosen], raised)

    assert place(better) <= place(values)


@given(fields_of_routes())
def test_a_plan_is_the_same_each_time_and_its_reasons_fit_it(
    scene: tuple[list[Route], PlanContext],
) -> None:
    table = RouteTable.of(scene[0])
    made, again = planned(table, context=scene[1]), planned(table, context=scene[1])

    assert made == again
    assert made.candidates == again.candidates
    asked = {one.specialist for one in made.candidates if not one.lost}
    assert asked == {hop.route.key for hop in made.hops}


# Somebody else's scorers.


def offered(value: str, name: str = "local") -> EntryPoint:
    return EntryPoint(name, value, "tierwise.scorers")


PLUG_IN = """
def score(facts):
    return 1.0 if facts.name.startswith("demo/") else 0.0

def wild(facts):
    return 7.5

def broken(facts):
    raise ZeroDivisionError

NUMBER = 3
"""


def test_a_package_brings_a_scorer_along(tmp_path: Path) -> None:
    """A real package, found by the entry point that its metadata names."""
    (tmp_path / "nearby.py").write_text(PLUG_IN)
    metadata = tmp_path / "nearby-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: nearby\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[tierwise.scorers]\nnearby = nearby:score\n")
    code = (
        "from tierwise_router.scorers import known_scorers\n"
        "from tierwise_core.scoring import Facts\n"
        "print(known_scorers()['nearby'](Facts('demo/sorter')))"
    )

    told = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(tmp_path)}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip

    assert told.stdout == "1.0\n"


def test_a_scorer_that_misbehaves_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "misbehaving.py").write_text(PLUG_IN)
    monkeypatch.syspath_prepend(str(tmp_path))
    offers = [
        offered("misbehaving:wild", "wild"),
        offered("misbehaving:broken", "broken"),
        offered("misbehaving:NUMBER", "number"),
        offered("misbehaving:absent", "absent"),
        offered("misbehaving:score", "cost"),
    ]

    found = load_scorers(offers)

    assert found["wild"](Facts("demo/sorter")) == 1.0
    assert found["broken"](Facts("demo/sorter")) == 0.5
    assert found["cost"] is BUILT_IN_SCORERS["cost"]
    assert set(found) == {*BUILT_IN_SCORERS, "wild", "broken"}
