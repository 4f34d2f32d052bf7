"""What holds for every input of the economics."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.economics.consensus import nodes_needed
from tierwise_core.economics.fanout import FanOutCase, Side, fan_out
from tierwise_core.economics.gate import Dedicated, GateCase, Pattern, gate
from tierwise_core.economics.latency_tiers import LatencyCase, Traffic, latency_tiers
from tierwise_core.economics.payback import PaybackCase, Route, months_with_ramp, payback
from tierwise_core.economics.routefit import Cell, RouteFitCase, WorkloadRow, route_fit

prices = st.floats(0.01, 100.0)
loads = st.lists(st.floats(0.0, 5000.0), min_size=24, max_size=24).filter(lambda one: max(one) > 0)


@given(prices, prices, st.floats(1.0, 5000.0), st.floats(1.0, 5000.0), st.floats(0.0, 0.9))
def test_fan_out_stops_exactly_where_it_stops_being_cheaper(
    large: float, small: float, fast: float, slow: float, escalated: float
) -> None:
    case = FanOutCase(Side("l", 1, large, fast), Side("s", 1, small, slow), escalated)
    report = fan_out(case)

    for row in report.rows:
        assert row.cheaper == (row.specialists <= report.cheaper_up_to)
        if not math.isclose(row.share_of_large, 1.0, rel_tol=1e-6):
            assert row.cheaper == (row.share_of_large < 1.0)


@given(loads, prices, st.floats(10.0, 2000.0), st.floats(0.0001, 0.1), st.floats(0.0, 5.0))
def test_the_gate_names_the_cheapest_way_and_its_break_even_is_one(
    hours: list[float], usd: float, goodput: float, elsewhere: float, ops: float
) -> None:
    case = GateCase(
        elsewhere,
        Dedicated(usd, goodput, ops_usd_per_hour=ops),
        (Pattern("load", hours=tuple(hours)),),
    )
    report = gate(case)
    (row,) = report.rows
    ways = {
        "Dedicated": row.dedicated_usd_per_month,
        "Serverless": row.serverless_usd_per_month,
        "Hybrid": row.hybrid_usd_per_month,
    }

    assert ways[row.cheapest] <= min(ways.values()) + 1e-6 * max(ways.values())
    at_break = report.required_utilization * goodput * elsewhere
    assert math.isclose(at_break, usd + ops, rel_tol=1e-9)


@given(st.floats(0, 1e6), st.floats(1.0, 1e5), st.floats(0.0, 24.0))
def test_a_ramp_never_shortens_and_costs_at_most_half_of_itself(
    cost: float, saved: float, ramp: float
) -> None:
    plain = cost / saved
    ramped = months_with_ramp(cost, saved, ramp)

    assert ramped >= plain * (1 - 1e-9) - 1e-9
    assert ramped <= plain + ramp / 2 + 1e-6


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(1.0, 1e8), st.floats(0.0, 1e6))
def test_who_saves_nothing_never_migrates(
    now: float, then: float, volume: float, cost: float
) -> None:
    case = PaybackCase(Route(now, "measured"), Route(then, "measured"), volume, {"work": cost})
    report = payback(case)

    if then >= now:
        assert report.verdict == "DoNothing"
        assert report.months == math.inf
    if report.verdict == "Migrate":
        assert report.saved_by_horizon_usd >= -1e-6


@given(st.lists(st.tuples(st.floats(0, 1e6), prices, st.floats(0, 1e6)), max_size=6))
def test_waiting_never_costs_more_and_shares_come_to_one(
    traffic: list[tuple[float, float, float]],
) -> None:
    case = LatencyCase(tuple(Traffic(str(at), *one) for at, one in enumerate(traffic)))
    report = latency_tiers(case)

    assert 0 <= report.saved_usd_per_month <= report.usd_per_month
    total = sum(report.shares.values())
    assert total == 0 or math.isclose(total, 1.0, rel_tol=1e-9)


@given(st.dictionaries(st.sampled_from("abcd"), st.floats(0.0, 10.0), min_size=1))
def test_no_feasible_route_is_cheaper_than_the_marked_one(costs: dict[str, float]) -> None:
    cells = {name: Cell(cost) for name, cost in costs.items()}
    row = route_fit(RouteFitCase(tuple("abcd"), (WorkloadRow("w", 10, cells),), "a")).rows[0]

    assert row.recommended is not None
    assert costs[row.recommended] == min(costs.values())
    assert sum(cell.cheapest for cell in row.cells) == 1


@given(st.integers(1, 50))
def test_two_quorums_share_an_honest_node(faults: int) -> None:
    nodes, quorum = nodes_needed(faults, "PBFT")

    assert 2 * quorum - nodes > faults
    assert nodes - faults >= quorum
