"""Leases over HTTP and in the database: many dispatchers at once, repeated and wrong asks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ledgers import NOON, Clock, Served

from tierwise_core.budget_lease import Ask
from tierwise_ledger.money.leases import AccountAsk, day_of, exchange, forget_before
from tierwise_ledger.store import Store

DAY = day_of(NOON)
ACCOUNT = "demo/team-a"
LIMIT = 1_000_000


@pytest.fixture
def ledger(store: Store) -> Served:
    return Served(store, clock=Clock(NOON))


def an_ask(number: int, **more: Any) -> dict[str, Any]:
    return {
        "day": DAY, "account": ACCOUNT, "tenant": ACCOUNT, "scope": "day", "number": number,
        "limit": LIMIT, "base": 0, "spent": 0, "want": 0, "need": 0, **more,
    }  # fmt: skip


def lease(ledger: Served, holder: str, **ask: Any) -> dict[str, Any]:
    body = {"holder": holder, "asks": [an_ask(**ask)]}
    answer = ledger.client.post("/v1/budgets/leases", json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()["leases"][0]
    return told


def test_dispatchers_that_ask_at_once_get_no_more_than_there_is(store: Store) -> None:
    def spend(holder: int) -> int:
        granted = 0
        for number in range(1, 13):
            ask = Ask(number, LIMIT, granted, granted, want=70_000, need=20_000)
            with store.begin() as connection:
                given, _ = exchange(
                    connection, f"d-{holder}", [AccountAsk(DAY, ACCOUNT, ACCOUNT, "day", ask)], NOON
                )
            granted = given[0].granted
        return granted

    with ThreadPoolExecutor(4) as pool:
        total = sum(pool.map(spend, range(4)))
    assert LIMIT - 20_000 < total <= LIMIT


def test_an_answer_that_was_lost_is_asked_for_again_and_nothing_is_lent_twice(
    ledger: Served,
) -> None:
    first = lease(ledger, "d-1", number=1, want=400_000)
    # The answer is lost: the dispatcher still believes to have nothing.
    again = lease(ledger, "d-1", number=2, want=400_000)
    assert first["granted"] == again["granted"] == again["taken"] == 250_000
    # And what arrives late changes nothing.
    late = lease(ledger, "d-1", number=1, want=400_000)
    assert late["taken"] == 250_000


def test_what_is_given_back_is_there_for_others(ledger: Served) -> None:
    lease(ledger, "d-1", number=1, need=LIMIT)
    assert lease(ledger, "d-2", number=1, need=10)["granted"] == 0
    lease(ledger, "d-1", number=2, base=300_000, spent=300_000)
    assert lease(ledger, "d-2", number=2, need=700_000)["granted"] == 700_000


def test_what_a_killed_dispatcher_had_stays_taken_until_the_day_ends(ledger: Served) -> None:
    lease(ledger, "d-1", number=1, need=900_000)
    # Nobody hears of it again, and it may have spent all of that.
    assert lease(ledger, "d-2", number=1, need=200_000)["granted"] < 200_000
    tomorrow = day_of(NOON + 86_400)
    assert lease(ledger, "d-2", number=1, day=tomorrow, need=LIMIT)["granted"] == LIMIT


def test_a_dispatcher_whose_clock_is_a_week_ahead_gets_nothing(ledger: Served) -> None:
    body = {"holder": "d-1", "asks": [an_ask(1, day=day_of(NOON + 7 * 86_400))]}
    answer = ledger.client.post("/v1/budgets/leases", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == "day"


def test_each_threshold_is_told_once_a_day(ledger: Served) -> None:
    def spend(number: int, spent: int) -> list[int]:
        with ledger.store.begin() as connection:
            ask = Ask(number, LIMIT, spent, spent)
            account = AccountAsk(DAY, ACCOUNT, ACCOUNT, "day", ask, (50, 80, 100))
            return [one["percent"] for one in exchange(connection, "d-1", [account], NOON)[1]]

    assert [spend(1, 400_000), spend(2, 500_000), spend(3, 510_000)] == [[], [50], []]
    assert [spend(4, 1_100_000), spend(5, 1_200_000)] == [[80, 100], []]


def test_people_see_what_is_spent_and_what_is_left(ledger: Served) -> None:
    lease(ledger, "d-1", number=1, need=600_000)
    lease(ledger, "d-1", number=2, base=600_000, spent=450_000)
    told = ledger.client.get("/v1/budgets", params={"tenant": ACCOUNT}).json()
    assert told["day"] == DAY
    assert told["budgets"] == [
        {
            "tenant": ACCOUNT, "scope": "day", "account": ACCOUNT, "limitUSD": 0.001,
            "spentUSD": 0.00045, "leasedUSD": 0.00015, "leftUSD": 0.0004, "spentPercent": 45.0,
        }
    ]  # fmt: skip


def test_prometheus_sees_budgets_of_whole_tenants_only(ledger: Served) -> None:
    lease(ledger, "d-1", number=1, need=600_000)
    lease(ledger, "d-1", number=1, scope="user", account=f"{ACCOUNT}/user/0123", need=1)
    text = ledger.client.get("/metrics/cost").text
    assert 'tierwise_budget_limit_usd{tenant="demo/team-a"} 0.001' in text
    assert text.count("tierwise_budget_granted_usd{") == 1


def test_budgets_can_be_asked_for_by_scope(ledger: Served) -> None:
    lease(ledger, "d-1", number=1, need=600_000)
    lease(ledger, "d-1", number=1, scope="user", account=f"{ACCOUNT}/user/0123", need=1)

    def scopes(query: str) -> list[str]:
        told = ledger.client.get(f"/v1/budgets{query}").json()["budgets"]
        return [one["scope"] for one in told]

    assert scopes("") == ["day", "user"]
    assert scopes("?scope=day") == ["day"]
    assert scopes("?scope=session,user") == ["user"]
    assert ledger.client.get("/v1/budgets?scope=week").json()["error"]["field"] == "scope"


def test_old_days_are_forgotten(ledger: Served) -> None:
    lease(ledger, "d-1", number=1, need=1)
    with ledger.store.begin() as connection:
        forget_before(connection, day_of(NOON + 86_400))
    assert ledger.client.get("/v1/budgets").json()["budgets"] == []


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"limit": -1}, "asks[0].limit"),
        ({"limit": 0.5}, "asks[0].limit"),
        ({"scope": "week"}, "asks[0].scope"),
        ({"account": ""}, "asks[0].account"),
        ({"alertAt": [101]}, "asks[0].alertAt"),
        ({"day": "tomorrow"}, "day"),
    ],
)
def test_a_wrong_ask_is_told_what_would_be_right(
    ledger: Served, changed: dict[str, Any], field: str
) -> None:
    body = {"holder": "d-1", "asks": [an_ask(1, **changed)]}
    answer = ledger.client.post("/v1/budgets/leases", json=body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)
