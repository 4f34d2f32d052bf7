"""What a fleet cost, told by the ledger, against the bill that was computed by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from fleet_looks import HOUR_S, SINCE, a_fleet, watch_fleet
from ledgers import Clock, Served, count
from money_story import EXTERNAL_USD, UNTIL, a_story, answered, record

from tierwise_core.cost_report import DIMENSIONS
from tierwise_ledger.store import Store
from tierwise_ledger.tables.capacity import CAPACITY_SPANS


@pytest.fixture
def ledger(store: Store) -> Served:
    return Served(store, clock=Clock(UNTIL))


def cost(ledger: Served, **asked: str) -> dict[str, Any]:
    answer = ledger.client.get("/v1/cost", params={"since": "4h", **asked})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def group(told: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in told["groups"] if one["name"] == name)
    return found


def test_the_totals_agree_with_the_bill_by_hand(ledger: Served) -> None:
    a_story(ledger)
    # 3 GPUs of $0.40 for 1.5 h and of $0.60 for 2.5 h; one of $3.00 for 4 h.
    by_hand = 3 * (Decimal("0.40") * Decimal("1.5") + Decimal("0.60") * Decimal("2.5")) + 12
    assert by_hand == Decimal("18.30")
    for by in DIMENSIONS:
        for idle in ("holder", "fleet", "apart"):
            told = cost(ledger, by=by, idle=idle)
            assert told["fleetUSD"] == "18.30"
            groups = sum(one["nanoUSD"] for one in told["groups"])
            assert groups == told["total"]["nanoUSD"] == told["fleetNanoUSD"] + 12_300_000
            assert told["total"]["requests"] == 111
    by_specialist = cost(ledger)
    usd = {one["name"]: round(one["usd"], 9) for one in by_specialist["groups"]}
    assert usd == {"demo/sorter": 4.20, "demo/large": 6.0, "(free)": 8.10, "demo/gpt": EXTERNAL_USD}


def test_the_price_of_an_accepted_answer_has_idle_time_and_rejected_answers_in_it(
    ledger: Served,
) -> None:
    a_story(ledger)
    told = cost(ledger, by="tenant")
    team = group(told, "demo/team-a")
    # Its hour of two GPUs, and the provider's call; of 101 answers 20 were rejected afterwards.
    assert (team["requests"], team["accepted"]) == (101, 81)
    assert team["usd"] == pytest.approx(2 * 0.40 + EXTERNAL_USD)
    assert team["usdPerAccepted"] == pytest.approx(team["usd"] / 81)
    other = group(told, "demo/team-b")
    # The hour of the large model, and both GPUs of the sorter: its price changed halfway.
    assert other["usd"] == pytest.approx(3.00 + 2 * (0.40 + 0.60) / 2)
    assert other["escalationRate"] == 1.0
    assert group(told, "(idle)")["usdPerAccepted"] is None


def test_what_was_guessed_is_marked(ledger: Served) -> None:
    a_story(ledger)
    told = cost(ledger)
    assert group(told, "demo/sorter")["marks"]["usd"] == "measured"
    # Nobody told how fast the large one is.
    assert group(told, "demo/large")["marks"]["usd"] == "estimated"
    assert group(told, "demo/sorter")["marks"]["wattHours"] == "estimated"
    assert group(told, "demo/gpt")["marks"]["usd"] == "measured"


def test_nothing_accepted_costs_something_and_has_no_price_each(ledger: Served) -> None:
    watch_fleet(ledger.store, a_fleet(("h100", "demo/large", 1)), SINCE, UNTIL)
    refused = {"specialist": "demo/large", "tier": "h100", "verdict": "abstain"}
    record(ledger, answered(1, SINCE, step=refused, state="abstained", specialist="", status=422))
    told = cost(ledger)
    assert told["total"]["usd"] == 12.0
    assert told["total"]["usdPerAccepted"] is None
    assert group(told, "demo/large")["passedOnRate"] == 1.0


def test_who_was_never_asked_is_no_call_and_makes_nothing_uncertain(ledger: Served) -> None:
    refused = {"specialist": "demo/gpt", "tier": "external", "verdict": "passed-over",
               "input_tokens": None, "output_tokens": None, "cost_usd": 0.0}  # fmt: skip
    a_story(ledger)
    row = answered(400, SINCE, step=refused, state="failed", specialist="", cost_usd=0.0)
    record(ledger, row)
    told = group(cost(ledger), "demo/gpt")
    assert (told["calls"], told["marks"]["usd"]) == (1, "measured")


def test_an_empty_ledger_has_an_empty_bill(ledger: Served) -> None:
    told = cost(ledger)
    assert (told["fleetUSD"], told["groups"], told["fleetSeenAt"]) == ("0.00", [], None)
    assert ledger.client.get("/metrics/cost").status_code == 200


def test_a_tenant_that_is_gone_keeps_what_it_cost(ledger: Served) -> None:
    a_story(ledger)
    # The ledger never asks whether a tenant still exists.
    assert group(cost(ledger, by="tenant"), "demo/team-b")["requests"] == 10


def test_a_ledger_that_was_away_for_ten_minutes_bridges_and_says_so(ledger: Served) -> None:
    fleet = a_fleet(("h100", "demo/large", 1))
    watch_fleet(ledger.store, fleet, SINCE, SINCE + HOUR_S)
    watch_fleet(ledger.store, fleet, SINCE + HOUR_S + 600, SINCE + 2 * HOUR_S)
    told = cost(ledger)
    assert (told["fleetUSD"], told["gapSeconds"]) == ("6.00", 0)
    assert group(told, "demo/large")["marks"]["usd"] == "estimated"


def test_a_ledger_that_was_away_for_two_hours_tells_the_gap_and_bills_nothing_of_it(
    ledger: Served,
) -> None:
    fleet = a_fleet(("h100", "demo/large", 1))
    watch_fleet(ledger.store, fleet, SINCE, SINCE + HOUR_S)
    watch_fleet(ledger.store, fleet, SINCE + 3 * HOUR_S, UNTIL)
    told = cost(ledger)
    assert (told["fleetUSD"], told["gapSeconds"]) == ("6.00", 2 * HOUR_S)


def test_two_ledgers_that_look_at_once_count_once_and_looks_that_agree_are_one_row(
    ledger: Served,
) -> None:
    fleet = a_fleet(("h100", "demo/large", 1))
    watch_fleet(ledger.store, fleet, SINCE, UNTIL)
    watch_fleet(ledger.store, fleet, SINCE + 90, UNTIL)
    assert cost(ledger)["fleetUSD"] == "12.00"
    assert count(ledger.store, CAPACITY_SPANS) == 1


def test_a_clock_that_ran_ahead_is_put_right(ledger: Served) -> None:
    fleet = a_fleet(("h100", "demo/large", 1))
    watch_fleet(ledger.store, fleet, SINCE, SINCE + HOUR_S)
    watch_fleet(ledger.store, fleet, SINCE + 1.9 * HOUR_S, SINCE + 3 * HOUR_S)
    # Then the clock is set back by two hours.
    watch_fleet(ledger.store, fleet, SINCE + HOUR_S + 180, SINCE + 2 * HOUR_S)
    assert cost(ledger, since="4h")["fleetUSD"] == "6.00"


def test_a_price_that_somebody_corrects_afterwards_counts_from_then(ledger: Served) -> None:
    watch_fleet(ledger.store, a_fleet(("h100", "demo/large", 1)), SINCE, UNTIL)
    told = ledger.client.post(
        "/v1/prices", json={"name": "h100", "usdPerGPUHour": 2.0, "from": SINCE + 2 * HOUR_S}
    )
    assert told.status_code == 200, told.text
    assert cost(ledger)["fleetUSD"] == "10.00"


@pytest.mark.parametrize(
    ("asked", "field", "says"),
    [
        ({"by": "colour"}, "by", "give some of specialist, tier, tenant, field, workload"),
        ({"idle": "mine"}, "idle", "give some of holder, fleet, apart"),
        ({"since": "soon"}, "since", "give how long ago"),
        ({"sinec": "1h"}, "sinec", "it knows by, since, until, idle"),
    ],
)
def test_a_wrong_question_is_told_what_would_be_right(
    ledger: Served, asked: dict[str, str], field: str, says: str
) -> None:
    answer = ledger.client.get("/v1/cost", params=asked)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["field"] == field
    assert says in error["message"]


def test_prometheus_reads_the_same_figures(ledger: Served) -> None:
    a_story(ledger)
    text = ledger.client.get("/metrics/cost", params={"since": "4h"}).text
    assert 'tierwise_cost_usd{by="tier",mark="estimated",name="h100"} 12.0' in text
    told = ledger.client.get(
        "/metrics/cost", params={"since": "4h"}, headers={"accept": "application/json"}
    )
    assert told.json()["fleetUSD"] == "18.30"
