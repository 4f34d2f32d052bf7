"""Days that are over are shared out once, and the report is the same as without that."""

from __future__ import annotations

from typing import Any

import pytest
from fleet_looks import HOUR_S, a_fleet, watch_fleet
from ledgers import Clock, Served, count
from money_story import answered, record

from tierwise_core.cost_report import DIMENSIONS
from tierwise_ledger.money.days import keep
from tierwise_ledger.money.reports import Period, report
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.prices import COST_DAYS, COST_HOURS, REPLICA_RATES

DAY_S = 86_400
MIDNIGHT = 1_749_945_600  # 2025-06-15 00:00 UTC
NOW = MIDNIGHT + 2 * DAY_S + 5 * HOUR_S
WHOLE = Period(MIDNIGHT - DAY_S + 10 * HOUR_S, NOW)


@pytest.fixture
def ledger(store: Store) -> Served:
    """Three days of two GPUs, some calls on each, the last day not over yet."""
    served = Served(store, clock=Clock(NOW))
    rate = {"prefillTokensPerSecond": 5000, "decodeTokensPerSecond": 800, "measured": True}
    rates = [{"specialist": "demo/sorter", "tier": "rtx-4090", **rate}]
    fleet = a_fleet(("rtx-4090", "demo/sorter", 1), ("rtx-4090", "", 1), rates=rates)
    for day in range(-1, 2):
        begin = MIDNIGHT + day * DAY_S + 12 * HOUR_S
        watch_fleet(store, fleet, begin, begin + 2 * HOUR_S)
        asked = range(100 + 10 * day, 105 + 10 * day)
        record(served, *(answered(number, begin + number) for number in asked))
    return served


def reports(store: Store) -> list[Any]:
    with store.read() as connection:
        return [
            report(connection, WHOLE, by, policy)
            for by in DIMENSIONS
            for policy in ("holder", "fleet", "apart")
        ]


def keep_all(store: Store, now: float = NOW) -> int:
    while True:
        before = count(store, COST_DAYS)
        keep(store, Settings(), now)
        if count(store, COST_DAYS) == before:
            return before


def test_a_report_is_the_same_with_and_without_what_is_kept(ledger: Served) -> None:
    fresh = reports(ledger.store)

    # Three days are over, and each is kept by all dimensions and policies.
    assert keep_all(ledger.store) == 3 * 5 * 3
    assert reports(ledger.store) == fresh
    assert fresh[0][1].nano_usd > 0


def test_hours_are_kept_for_the_ends_of_a_report(ledger: Served) -> None:
    fresh = reports(ledger.store)
    late = NOW - HOUR_S
    for _ in range(8):
        keep(ledger.store, Settings(), NOW)

    # The last eight hours that are over, by all dimensions and the usual policy.
    assert count(ledger.store, COST_HOURS) == 8 * 5
    assert reports(ledger.store) == fresh

    record(ledger, answered(900, NOW - 4 * HOUR_S), answered(901, late))

    assert count(ledger.store, COST_HOURS) == 7 * 5
    keep(ledger.store, Settings(), NOW + 30 * DAY_S)
    assert count(ledger.store, COST_HOURS) == 5


def test_a_day_is_not_over_until_its_last_silence_is_bridged(ledger: Served) -> None:
    assert keep_all(ledger.store, MIDNIGHT + HOUR_S) == 0
    assert keep_all(ledger.store, MIDNIGHT + 3 * HOUR_S) == 15


def test_a_call_that_comes_late_opens_its_day_again(ledger: Served) -> None:
    keep_all(ledger.store)
    before = reports(ledger.store)[0][0].total

    record(ledger, answered(900, MIDNIGHT + 13 * HOUR_S))

    assert count(ledger.store, COST_DAYS) == 30
    after = reports(ledger.store)[0][0].total
    assert (after.calls, after.requests) == (before.calls + 1, before.requests + 1)
    keep_all(ledger.store)
    assert reports(ledger.store)[0][0].total == after


def test_a_price_that_is_corrected_opens_the_days_from_then_on(ledger: Served) -> None:
    keep_all(ledger.store)
    before = reports(ledger.store)[0][1].nano_usd
    wrong_since = {"name": "rtx-4090", "usdPerGPUHour": 0.8, "from": MIDNIGHT + 13 * HOUR_S}

    assert ledger.client.post("/v1/prices", json=wrong_since).status_code == 200

    assert count(ledger.store, COST_DAYS) == 15
    # Two GPUs for the hour that was left of that day; the next looks said $0.40 anew.
    after = reports(ledger.store)[0][1].nano_usd
    assert after - before == pytest.approx(2 * 0.4e9 * 1.0 + 2 * 0.4e9 * 2, rel=0.1)


def test_rates_count_from_when_they_were_told(store: Store) -> None:
    served = Served(store, clock=Clock(NOW))
    seats = (("rtx-4090", "demo/sorter", 1),)

    def rates(tokens: int) -> list[dict[str, Any]]:
        told = {"prefillTokensPerSecond": tokens, "decodeTokensPerSecond": tokens}
        return [{"specialist": "demo/sorter", "tier": "rtx-4090", "measured": True, **told}]

    begin = MIDNIGHT + 12 * HOUR_S
    watch_fleet(store, a_fleet(*seats, rates=rates(10)), begin, begin + HOUR_S)
    record(served, answered(1, begin + 60))
    asked = f"/v1/cost?since={begin}&until={begin + HOUR_S}&idle=apart"
    before = served.client.get(asked).json()

    faster = a_fleet(*seats, rates=rates(20))
    watch_fleet(store, faster, begin + HOUR_S + 180, begin + 2 * HOUR_S)
    record(served, answered(2, begin + HOUR_S + 60))
    after = served.client.get(asked).json()
    later = served.client.get(
        f"/v1/cost?since={begin + HOUR_S}&until={begin + 2 * HOUR_S}&idle=apart"
    ).json()

    assert after["groups"] == before["groups"], "a faster engine does not change an old bill"
    busy = [1 - told["groups"][0]["idleShare"] for told in (before, later)]
    assert busy[0] == pytest.approx(2 * busy[1])
    assert count(store, REPLICA_RATES) == 2, "one row for each change, not for each look"
