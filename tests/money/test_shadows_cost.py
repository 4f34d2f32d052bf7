"""Answers that a rollout had made to be compared: evidence and money, and nobody's request."""

from __future__ import annotations

from typing import Any

import pytest
from fleet_looks import HOUR_S, SINCE, a_fleet, watch_fleet
from ledgers import Clock, Served
from money_story import UNTIL, answered, record

from tierwise_core.claims import answer_id
from tierwise_core.cost_report import DIMENSIONS
from tierwise_ledger.store import Store


@pytest.fixture
def ledger(store: Store) -> Served:
    return Served(store, clock=Clock(UNTIL))


def a_shadow(number: int, of: int, **step: Any) -> dict[str, Any]:
    """What green made of a question that a client asked; the router calls it accepted."""
    told = {"revision": "r2", "side": "green", **step}
    return answered(
        number, SINCE + of, step=told, pattern="shadow", parts=[f"d-pod-one-{of:06x}"],
        query_id=f"q-{of % 7}",
    )  # fmt: skip


def a_story(ledger: Served) -> None:
    """Thirty answers, ten of them made a second time by green, in the one hour there is."""
    rate = {"prefillTokensPerSecond": 5000, "decodeTokensPerSecond": 800, "measured": True}
    rates = [{"specialist": "demo/sorter", "tier": "rtx-4090", **rate}]
    fleet = a_fleet(("rtx-4090", "demo/sorter", 2), rates=rates)
    watch_fleet(ledger.store, fleet, SINCE, SINCE + HOUR_S)
    shown = {"answer_id": answer_id("abcd")}
    record(ledger, *(answered(number, SINCE + number, step=shown) for number in range(30)))
    other = {"answer_id": answer_id("dcba")}
    record(ledger, *(a_shadow(100 + number, number, **other) for number in range(10)))


def told(ledger: Served, path: str, **asked: str) -> dict[str, Any]:
    answer = ledger.client.get(path, params={"since": "5h", **asked})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_they_are_a_line_of_their_own_and_the_bill_stays_whole(ledger: Served) -> None:
    a_story(ledger)

    for by in DIMENSIONS:
        report = told(ledger, "/v1/cost", by=by)
        groups = {one["name"]: one for one in report["groups"]}
        assert sum(one["nanoUSD"] for one in report["groups"]) == report["fleetNanoUSD"]
        assert (report["total"]["requests"], report["total"]["accepted"]) == (30, 30)
        if by == "tier":
            continue
        shadows = groups["(shadows)"]
        assert (shadows["calls"], shadows["requests"], shadows["accepted"]) == (10, 0, 0)
        # Every fourth call was a shadow, and all calls were alike.
        assert shadows["usd"] == pytest.approx(report["total"]["usd"] / 4, rel=1e-6)
        assert shadows["usdPerAccepted"] is None


def test_they_are_no_requests_and_no_accepted_answers(ledger: Served) -> None:
    a_story(ledger)

    sums = told(ledger, "/v1/summary", by="state")["sums"]
    states = {one["state"]: (one["requests"], one["calls"], one["answered"]) for one in sums}
    assert states == {"accepted": (30, 30, 30), "shadow": (0, 10, 0)}
    assert ledger.client.get("/v1/status").json()["requests"] == 30
    outcomes = told(ledger, "/v1/outcomes", state="shadow")["outcomes"]
    assert len(outcomes) == 10
    assert told(ledger, "/v1/ui/paths")["requests"] == 30


def test_they_count_as_evidence_and_contradict(ledger: Served) -> None:
    a_story(ledger)

    asked = {"specialist": "demo/sorter", "blue": "r1", "green": "r2", "since": str(SINCE)}
    sums = told(ledger, "/v1/rollouts/sums", **asked)
    green = sums["green"]
    assert (green["asked"], green["accepted"], green["compared"]) == (10, 10, 10)
    assert green["contradicted"] == 10
    assert green["cost_usd"] == pytest.approx(10 * 0.000022)


def test_a_tenant_that_pays_by_tokens_does_not_pay_for_them(ledger: Served) -> None:
    fleet = a_fleet(("rtx-4090", "demo/sorter", 2))
    prices = {"inputPerMillionTokens": 1.0, "outputPerMillionTokens": 1.0}
    charges = [{"tenant": "demo/team-a", **prices}]
    watch_fleet(ledger.store, {**fleet, "charges": charges}, SINCE, SINCE + HOUR_S)
    record(ledger, answered(1, SINCE))
    before = told(ledger, "/v1/cost", by="tenant")["total"]["revenueUSD"]

    record(ledger, a_shadow(2, 1))

    assert before == pytest.approx(17e-6)
    assert told(ledger, "/v1/cost", by="tenant")["total"]["revenueUSD"] == before
