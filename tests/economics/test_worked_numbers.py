"""Every number that the source documents work out, from their own inputs.

Where a document's own inputs give another figure than it prints, the test says which: the formula
stands, the print is the slip.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
import yaml

from tierwise_core.economics.consensus import ConsensusCase, Setting, consensus
from tierwise_core.economics.fanout import FanOutCase, fan_out
from tierwise_core.economics.finetune import FineTuneCase, Training, fine_tune, training_usd
from tierwise_core.economics.funnel import FunnelCase, funnel
from tierwise_core.economics.gate import Dedicated, GateCase, Pattern, gate
from tierwise_core.economics.latency_tiers import LatencyCase, Traffic, latency_tiers
from tierwise_core.economics.lcpr import Traces, lcpr
from tierwise_core.economics.payback import PaybackCase, Route, payback
from tierwise_core.economics.reading import read
from tierwise_core.economics.routefit import RouteFitCase, route_fit
from tierwise_core.economics.self_managed import (
    Operations,
    SelfManagedCase,
    Team,
    floor_gpus,
    raw_usd_per_million_tokens,
    self_managed,
)

Case = TypeVar("Case")
EXAMPLES = Path(__file__).parents[2] / "examples" / "economics"


def example(kind: type[Case], name: str) -> Case:
    return read(kind, yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text()))


# 000: the analytical cost model


def test_six_small_ones_cost_what_the_large_one_does() -> None:
    report = fan_out(example(FanOutCase, "fanout"))

    assert round(report.large_usd_per_1k, 5) == 0.00083
    assert round(report.small_usd_per_1k, 5) == 0.00014
    assert round(report.rows[2].usd_per_answer, 5) == 0.00042
    assert report.rows[2].share_of_large == pytest.approx(0.5)
    assert round(report.ratio, 6) == 6.0
    assert (report.cheaper_up_to, report.inversion_at) == (5, 6)


def test_its_tokens_per_second_are_no_batch_of_one() -> None:
    notes = fan_out(example(FanOutCase, "fanout")).notes

    assert any("72 tokens/s at most, so that 800 needs a batch of 11" in note for note in notes)


# 001: consensus


@pytest.mark.parametrize(
    ("delta_ms", "faults", "pbft_ms", "hotstuff_ms"),
    [(2, 1, 9.0, 7.0), (30, 2, 94.5, 64.5), (100, 3, 306.0, 206.0)],
)
def test_agreeing_takes_as_long_as_001_says(
    delta_ms: float, faults: int, pbft_ms: float, hotstuff_ms: float
) -> None:
    case = ConsensusCase(
        (Setting("a", faults, delta_ms, "PBFT"), Setting("b", faults, delta_ms, "HotStuff"))
    )

    assert [row.consensus_ms for row in consensus(case).rows] == [pbft_ms, hotstuff_ms]


def test_its_three_scenarios_are_fit_borderline_and_too_slow() -> None:
    rows = consensus(example(ConsensusCase, "consensus")).rows
    found = [(row.total_ms, row.fit) for row in rows if row.protocol == "HotStuff"]

    assert found == [(67.0, "interactive"), (584.5, "borderline"), (3256.0, "too slow")]


@pytest.mark.parametrize(
    ("faults", "per_node", "per_hour", "per_year"),
    [
        (1, 12, 48, 420e3),
        (1, 20, 80, 700e3),
        (2, 32, 224, 1.96e6),
        (2, 50, 350, 3.07e6),
        # The text's $320 to $500, and the table's $400 to $600: each with its own yearly sum.
        (3, 32, 320, 2.8e6),
        (3, 50, 500, 4.38e6),
        (3, 40, 400, 3.5e6),
        (3, 60, 600, 5.26e6),
    ],
)
def test_redundancy_costs_its_nodes_around_the_clock(
    faults: int, per_node: float, per_hour: float, per_year: float
) -> None:
    (row,) = consensus(ConsensusCase((Setting("x", faults, 2.0, usd_per_node_hour=per_node),))).rows

    assert row.usd_per_hour == per_hour
    assert row.usd_per_year == pytest.approx(per_year, rel=0.004)


@pytest.mark.parametrize(
    ("capital", "yearly", "three_years"),
    [(80e3, 50e3, 230e3), (120e3, 50e3, 270e3), (700e3, 200e3, 1.3e6), (1.2e6, 200e3, 1.8e6),
     (1.5e6, 400e3, 2.7e6), (2.5e6, 400e3, 3.7e6)],
)  # fmt: skip
def test_machines_of_ones_own_cost_their_price_and_three_years(
    capital: float, yearly: float, three_years: float
) -> None:
    setting = Setting("own", 1, 2.0, capital_usd=capital, operations_usd_per_year=yearly)

    assert consensus(ConsensusCase((setting,))).rows[0].three_years_usd == three_years


# 002, chapter 15: funnel and matrix


def test_fourteen_candidates_become_four_before_anybody_asks_the_price() -> None:
    report = funnel(example(FunnelCase, "funnel"))

    assert [(one.entered, one.left) for one in report.stages] == [(14, 6), (6, 4), (4, 4), (4, 3)]
    assert 3 <= report.stages[1].left <= 6
    assert {column.route: column.usd_per_accepted for column in report.columns} == {
        "closed API": 0.041,
        "serverless open": 0.031,
        "managed dedicated": 0.034,
    }


def test_the_matrix_marks_the_cheapest_feasible_route_of_each_workload() -> None:
    report = route_fit(example(RouteFitCase, "routefit"))

    assert [row.recommended for row in report.rows] == [
        "serverless open",
        "closed API",
        "self-managed",
    ]
    assert report.rows[2].accepted_per_month == 30 * 2_000_000


# 002, chapters 16 and 17: to stay or to go


def test_a_bill_of_85k_against_35k_pays_120k_back_in_two_months_and_a_half_on_paper_only() -> None:
    case = PaybackCase(Route(0.085), Route(0.035), 1e6, {"engineering": 120e3})

    report = payback(case)

    assert report.saved_usd_per_month == 50_000
    assert report.months == 2.4
    assert report.verdict == "MeasureFirst"


def test_the_support_desk_pays_back_in_2_2_months_and_half_a_month_more_for_the_ramp() -> None:
    report = payback(example(PaybackCase, "payback"))

    assert report.saved_usd_per_month == 5000
    assert report.months == 2.2
    assert 0.5 <= report.months_with_ramp - report.months <= 1.0
    assert report.verdict == "Migrate"
    # The chapter prints "about 22%".
    assert report.saved_share == pytest.approx(0.244, abs=5e-4)


def test_60_percent_cheaper_tokens_can_cost_more_for_each_accepted_answer() -> None:
    closed = Traces(0.91, usd_per_call=0.01, escalation_rate=0.05, escalation_usd=0.10)
    opened = replace(
        closed, quality_pass_rate=0.71, usd_per_call=0.004, repair_rate=0.2, escalation_rate=0.17
    )

    assert lcpr(opened) > lcpr(closed)


# 002, chapter 18: the dedicated gate


def test_the_gate_is_at_38_5_percent() -> None:
    report = gate(example(GateCase, "gate"))

    assert round(report.required_utilization, 3) == 0.385
    assert report.dedicated_usd_per_month == pytest.approx(2664)


def test_the_two_slips_at_other_prices() -> None:
    """002 prints 35 % and 45 %; its formula with its own $0.50 of operations gives these."""
    at = dict(gate(example(GateCase, "gate")).at_other_prices)

    assert round(at[2.95], 3) == 0.359
    assert round(at[4.30], 3) == 0.5


@pytest.mark.parametrize(
    ("name", "volume", "mean", "serverless", "cheapest"),
    [
        ("24 h at 60 %", 345_600, 0.60, 4147, "Dedicated"),
        ("10 h at 70 %", 168_000, 0.29, 2016, "Serverless"),
        ("8 h at 80 %", 153_600, 0.27, 1843, "Serverless"),
        ("bursts of 4 x", 172_800, 0.30, 2074, "Serverless"),
    ],
)
def test_each_load_of_the_table(
    name: str, volume: float, mean: float, serverless: float, cheapest: str
) -> None:
    row = {one.name: one for one in gate(example(GateCase, "gate")).rows}[name]

    assert row.accepted_per_month == pytest.approx(volume)
    assert round(row.average_utilization, 2) == mean
    assert round(row.serverless_usd_per_month) == serverless
    assert row.cheapest == cheapest


def test_steady_load_saves_36_percent_and_busy_days_cost_32_to_45_more() -> None:
    steady, ten, eight, *_ = gate(example(GateCase, "gate")).rows

    assert round(1 - steady.dedicated_usd_per_month / steady.serverless_usd_per_month, 2) == 0.36
    assert [round(row.dedicated_extra, 2) for row in (ten, eight)] == [0.32, 0.45]


def test_two_gpus_at_the_price_of_their_bill_are_ten_thousand_a_month() -> None:
    """002 prints $50,400 for two GPUs at $5,040 each; that would be ten."""
    case = GateCase(0.012, Dedicated(5040 / 720, 800, min_replicas=2), (Pattern("a", 24, 0.6),))

    assert gate(case).dedicated_usd_per_month == pytest.approx(10_080)


# 002, chapter 19: fine-tuning


def test_50k_examples_train_a_7b_adapter_for_under_40_dollars() -> None:
    small = Training(examples=50_000, tokens_per_example=1500, parameters_billion=7)

    assert training_usd(small) == 36.0
    assert training_usd(replace(small, parameters_billion=70)) == pytest.approx(217.5)
    assert 2 <= training_usd(replace(small, method="DPO")) / training_usd(small) <= 3


@pytest.mark.parametrize(
    ("requests_a_day", "least_days", "most_days"), [(10_000, 0, 1), (1000, 7, 14)]
)
def test_a_30_dollar_adapter_pays_in_a_day_or_in_a_week_or_two(
    requests_a_day: int, least_days: float, most_days: float
) -> None:
    """At the 7 cents an output that make both of 002's sentences true."""
    case = FineTuneCase(0.07, requests_a_day * 30, Training(usd=30), 0.05)

    assert least_days <= fine_tune(case).compute_payback_days <= most_days


def test_below_200_requests_a_day_upkeep_eats_the_saving() -> None:
    case = FineTuneCase(0.07, 200 * 30, Training(usd=30), 0.05, upkeep_usd_per_month=25)

    assert fine_tune(case).verdict == "NotWorthIt"


# 002, chapter 20: own GPUs


def test_2_to_3_people_cost_60_to_90_thousand_a_month() -> None:
    assert [Team(ftes).usd_per_month for ftes in (2, 3)] == [60_000, 90_000]


def test_fifty_gpus_carry_72_thousand_at_two_dollars_saved_an_hour() -> None:
    assert floor_gpus(72_000, 2.0) == 50


def test_eight_gpus_do_not_carry_a_team_and_a_hundred_do() -> None:
    small = example(SelfManagedCase, "self-managed")
    large = replace(small, gpus=100, operations=Operations())

    assert round(small.gpus * small.usd_per_gpu_hour * 720, -2) == 25_500
    assert self_managed(small).verdict == "ManagedDedicated"
    assert self_managed(large).verdict == "SelfManage"


def test_a_million_tokens_of_a_gpu_at_2_50_cost_69_cents() -> None:
    """002 prints $0.009 for 1,000 tokens/s: that takes 77,000."""
    assert round(raw_usd_per_million_tokens(2.50, 1000), 2) == 0.69
    assert round(raw_usd_per_million_tokens(2.50, 77_000), 3) == 0.009


def test_two_signals_give_a_fleet_back() -> None:
    tired = Operations((40, 45), on_call_engineers=1)
    case = SelfManagedCase(45, 2.5, 7.0, operations=tired)

    assert self_managed(case).verdict == "Devolve"
    only_one = replace(case, operations=replace(tired, on_call_engineers=2.0))
    assert self_managed(only_one).verdict != "Devolve"


# 002, chapter 21: latency tiers


@pytest.mark.parametrize(("watched", "saved"), [(0.4, 0.30), (0.0, 0.50)])
def test_steps_nobody_watches_make_a_task_30_to_50_percent_cheaper(
    watched: float, saved: float
) -> None:
    traffic = (
        Traffic("watched", 100 * watched, 0.02, 0),
        Traffic("unwatched", 100 * (1 - watched), 0.02, 86_400),
    )

    assert latency_tiers(LatencyCase(traffic)).saved_share == pytest.approx(saved)
