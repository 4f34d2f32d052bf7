"""Budgets at the router: before a call is made, over several dispatchers, without the ledger."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from dispatchers import Running, general
from fake_engine import FakeEngine, Script, Turn, answers, chat
from ledgers import NOON, Clock, Served

from tierwise_core.budgets import Budgets
from tierwise_core.money import nano_usd
from tierwise_core.route_table import Price
from tierwise_core.tenant import TenantRoute
from tierwise_ledger.store import Store
from tierwise_router.journal import Journal
from tierwise_router.journal_files import Marks, tail
from tierwise_router.ledger_client import LedgerClient
from tierwise_router.purses import Books, LeaseDesk
from tierwise_router.refusals import Refusals
from tierwise_router.shipping import LedgerAddress

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]
# The engine counts three tokens in each answer: three cents.
CENT_A_TOKEN = Price(0.0, 0.0, 0.01)
EXPECTED_TOKENS = 4
SURE = -0.0001
DAY = nano_usd(0.10)


def team(**budgets: Any) -> TenantRoute:
    """A tenant whose key is its name."""
    digest = hashlib.sha256(b"team-a").hexdigest()
    return TenantRoute("demo", "team-a", (digest,), budgets=Budgets(**budgets))


def gpt(*urls: str, price: Price = CENT_A_TOKEN, name: str = "gpt") -> Any:
    return general(name, *urls, tier="", external=True, price=price, confidence_floor=0.5)


async def ask(router: Running, model: str = "gpt", **more: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    headers = {"authorization": "Bearer team-a", **more.pop("headers", {})}
    body |= {"max_tokens": EXPECTED_TOKENS, **more}
    return await router.client.post("/v1/chat/completions", json=body, headers=headers)


def with_books(router: Running, ledger: Served | None, share: int = 2, name: str = "d-1") -> Books:
    """Let a router have its budgets from a ledger."""
    desk = None
    if ledger is not None:
        desk = LeaseDesk(LedgerClient(LedgerAddress("http://ledger"), ledger.transport()))
    clock = ledger.clock if ledger is not None else Clock()
    books = Books(name, desk, share, router.dispatcher.tally.pressure, clock)
    router.dispatcher.books = books
    return books


@pytest.fixture
def ledger(store: Store) -> Served:
    return Served(store, clock=Clock(NOON))


def spent_usd(ledger: Served, scope: str = "day") -> float:
    told = ledger.client.get("/v1/budgets").json()["budgets"]
    return sum(one["spentUSD"] for one in told if one["scope"] == scope)


async def test_a_budget_ends_and_says_so_before_a_call_is_made(
    engine: Engine, run: Run, ledger: Served, tmp_path: Path
) -> None:
    provider = await engine(answers("hi"))
    router = await run(gpt(provider.url), tenants=[team(day=DAY)])
    with_books(router, ledger)
    dispatcher = router.dispatcher
    journal = dispatcher.journal = Journal(tmp_path, dispatcher.ids.process, 1 << 26)

    told = [await ask(router) for _ in range(5)]

    # Three cents each, up to four expected: the fourth does not fit into what is left.
    assert [one.status_code for one in told] == [200, 200, 200, 429, 429]
    assert len(provider.requests) == 3
    error = told[3].json()["error"]
    assert error["code"] == "budget_exhausted"
    assert "$0.010000 left of its budget of $0.1 a day" in error["message"]
    assert "spec.budgets.perDay" in error["message"]
    # NOON is not noon: it is 15:06:40 UTC.
    assert told[3].headers["retry-after"] == str(86_400 - int(NOON) % 86_400 + 1)
    counted = router.dispatcher.tally.pressure.budgets
    assert counted["demo/team-a", "refused_day"] == 2
    await asyncio.to_thread(journal.flush)
    states = [row["state"] for row in tail(tmp_path, Marks()) if row["kind"] == "decision"]
    assert states == ["relayed"] * 3 + ["refused"] * 2, "the provider failed nobody"


@pytest.mark.parametrize("model", ["gpt", "auto"])
async def test_a_flood_beyond_a_budget_is_not_written_down_request_by_request(
    engine: Engine, run: Run, ledger: Served, tmp_path: Path, model: str
) -> None:
    provider = await engine(answers("hi", SURE))
    router = await run(gpt(provider.url), tenants=[team(day=DAY)])
    with_books(router, ledger)
    dispatcher = router.dispatcher
    dispatcher.refusals = Refusals(most_per_second=0)
    journal = dispatcher.journal = Journal(tmp_path, dispatcher.ids.process, 1 << 26)

    told = [await ask(router, model) for _ in range(5)]

    assert [one.status_code for one in told] == [200, 200, 200, 429, 429]
    await asyncio.to_thread(journal.flush)
    rows = [row for row in tail(tmp_path, Marks()) if row["kind"] == "decision"]
    assert [row["status"] for row in rows] == [200] * 3


async def test_dispatchers_that_answer_side_by_side_spend_the_budget_once(
    engine: Engine, run: Run, ledger: Served
) -> None:
    provider = await engine(answers("hi"))
    tenants = [team(day=nano_usd(1.00))]
    routers = [await run(gpt(provider.url), tenants=tenants) for _ in range(3)]
    books = [with_books(one, ledger, 3, f"d-{at}") for at, one in enumerate(routers)]

    answered, more = [], [0]
    while more:
        told = await asyncio.gather(*(ask(routers[at % 3]) for at in range(60)))
        assert {one.status_code for one in told} <= {200, 429}
        answered += (more := [1 for one in told if one.status_code == 200])

    # At most a dollar; and what is left in somebody's hands is less than a call each.
    assert 1.00 - 3 * 0.04 - 0.04 < 0.03 * len(answered) <= 1.00
    for one in books:
        await one.close()
    assert spent_usd(ledger) == pytest.approx(0.03 * len(answered))


async def test_no_request_waits_for_the_ledger_while_there_is_something_in_hand(
    engine: Engine, run: Run, ledger: Served
) -> None:
    provider = await engine(answers("hi"))
    router = await run(gpt(provider.url), tenants=[team(day=nano_usd(100))])
    with_books(router, ledger)

    await ask(router)
    asked = ledger.asked
    for _ in range(6):
        assert (await ask(router)).status_code == 200

    assert (asked, ledger.asked) == (1, 1)


async def test_each_user_and_each_session_has_a_budget_of_its_own(
    engine: Engine, run: Run, ledger: Served
) -> None:
    provider = await engine(answers("hi"))
    router = await run(
        gpt(provider.url), tenants=[team(user=nano_usd(0.08), session=nano_usd(0.05))]
    )
    with_books(router, ledger)

    async def status(user: str, session: str) -> int:
        told = await ask(router, user=user, headers={"x-session-id": session})
        return told.status_code

    # A session has room for one call, a user for two.
    assert [await status("ann", "s1"), await status("ann", "s1")] == [200, 429]
    assert [await status("ann", "s2"), await status("ann", "s3")] == [200, 429]
    assert await status("bob", "s4") == 200


async def test_the_header_names_the_user_and_never_reaches_the_provider(
    engine: Engine, run: Run, ledger: Served
) -> None:
    provider = await engine(answers("hi"))
    router = await run(gpt(provider.url), tenants=[team(user=nano_usd(0.05))])
    with_books(router, ledger)

    ann, bob = {"x-tierwise-user": "ann"}, {"x-tierwise-user": "bob"}
    told = [(await ask(router, headers=one)).status_code for one in (ann, bob, ann)]

    assert told == [200, 200, 429]
    assert "x-tierwise-user" not in provider.requests[0].headers


async def test_one_request_may_not_cost_more_than_one_may(engine: Engine, run: Run) -> None:
    provider = await engine(answers("hi"))
    router = await run(gpt(provider.url), tenants=[team(request=nano_usd(0.05))])
    with_books(router, None)

    assert (await ask(router)).status_code == 200
    told = await ask(router, max_tokens=6)
    assert (told.status_code, told.json()["error"]["code"]) == (422, "budget_spent")
    assert "spec.budgets.perRequest" in told.json()["error"]["message"]


async def test_somebody_cheaper_answers_before_a_request_is_refused(
    engine: Engine, run: Run, ledger: Served
) -> None:
    dear, cheap = await engine(answers("dear")), await engine(answers("cheap"))
    routes = [
        gpt(dear.url, name="dear", price=Price(0.0, 0.0, 0.01)),
        gpt(cheap.url, name="cheap", price=Price(0.0, 0.0, 0.0001)),
    ]

    async def answered_by(**budgets: Any) -> list[str]:
        router = await run(*routes, tenants=[team(day=DAY, **budgets)])
        with_books(router, ledger, name=f"d-{len(budgets)}")
        told = [await ask(router, "dear") for _ in range(3)]
        told += [await ask(router, "auto") for _ in range(3)]
        return [one.headers.get("x-tierwise-specialist", "429") for one in told]

    told = await answered_by(cheaper=True)
    assert told == ["demo/dear"] * 3 + ["demo/cheap"] * 3


@pytest.mark.parametrize("limit", ["budget", "header", ""])
async def test_who_was_left_out_for_its_price_is_named_where_nobody_was_sure(
    engine: Engine, run: Run, ledger: Served, limit: str
) -> None:
    unsure, dear = [await engine(answers("dbca", logprob=-3.0)) for _ in range(2)]
    router = await run(
        general("unsure", unsure.url, confidence_floor=0.8, price=Price(0.0, 0.0, 0.0001)),
        gpt(dear.url, name="dear", price=Price(0.0, 0.0, 1.0)),
        tenants=[team(day=DAY if limit == "budget" else nano_usd(100), cheaper=True)],
    )
    with_books(router, ledger)
    headers = {"x-tierwise-max-cost-usd": "0.1"} if limit == "header" else {}

    told = await ask(router, "auto", headers=headers)

    assert told.status_code == 422
    message = told.json()["error"]["message"]
    assert ("demo/dear was not asked: expected to cost" in message) == bool(limit)
    assert len(dear.requests) == (not limit)


async def test_an_escalation_that_is_too_dear_is_not_made_and_counts_as_never_asked(
    engine: Engine, run: Run, ledger: Served
) -> None:
    unsure, dear = await engine(answers("dbca", logprob=-3.0)), await engine(answers("abcd"))
    router = await run(
        general("unsure", unsure.url, confidence_floor=0.8, price=Price(0.0, 0.0, 0.0001)),
        gpt(dear.url, name="dear", price=Price(0.0, 0.0, 1.0)),
        tenants=[team(day=DAY)],
    )
    with_books(router, ledger)

    told = await ask(router, "auto")

    assert (told.status_code, told.json()["error"]["code"]) == (429, "budget_exhausted")
    assert (len(unsure.requests), dear.requests) == (1, [])
    assert told.headers["x-tierwise-path"].endswith("failed:budget_exhausted")


async def test_a_client_that_leaves_before_the_end_has_paid_all_the_same(
    engine: Engine, run: Run, ledger: Served
) -> None:
    begun, done = asyncio.Event(), asyncio.Event()

    async def script(turn: Turn) -> None:
        begun.set()
        await done.wait()
        await turn.whole(200, b"{}")

    provider = await engine(script)
    router = await run(gpt(provider.url), tenants=[team(day=DAY)])
    books = with_books(router, ledger)

    asking = asyncio.create_task(ask(router))
    await begun.wait()
    asking.cancel()
    async with asyncio.timeout(60):
        while router.dispatcher.tally.in_flight:  # noqa: ASYNC110 - nothing tells that it ended
            await asyncio.sleep(0.001)
    done.set()
    await books.close()

    assert spent_usd(ledger) == pytest.approx(0.04)


async def test_without_the_ledger_each_dispatcher_spends_its_part_and_no_more(
    engine: Engine, run: Run, ledger: Served
) -> None:
    provider = await engine(answers("hi"))
    router = await run(gpt(provider.url), tenants=[team(day=nano_usd(0.20))])
    with_books(router, ledger, share=2)
    ledger.down = True

    told = [await ask(router) for _ in range(5)]

    # Half of the budget is this dispatcher's part.
    assert [one.status_code for one in told] == [200, 200, 200, 503, 503]
    assert told[3].json()["error"]["code"] == "budget_unknown"
    assert told[3].headers["retry-after"] == "5"
    assert router.dispatcher.tally.pressure.budgets["demo/team-a", "lent"] == 3


async def test_what_was_spent_without_the_ledger_is_told_when_it_is_back(
    engine: Engine, run: Run, ledger: Served
) -> None:
    provider = await engine(answers("hi"))
    router = await run(gpt(provider.url), tenants=[team(day=DAY)])
    books = with_books(router, ledger, share=1)
    ledger.down = True
    assert [(await ask(router)).status_code for _ in range(2)] == [200, 200]

    ledger.down = False
    ledger.clock.now += 10
    told = [(await ask(router)).status_code for _ in range(2)]
    await books.close()

    assert told == [200, 429]
    assert spent_usd(ledger) == pytest.approx(0.09)


async def test_who_wants_no_risk_is_refused_while_the_ledger_is_away(
    engine: Engine, run: Run, ledger: Served
) -> None:
    provider = await engine(answers("hi"))
    router = await run(gpt(provider.url), tenants=[team(day=DAY, goes_on=False)])
    with_books(router, ledger)
    ledger.down = True

    told = await ask(router)

    assert (told.status_code, provider.requests) == (503, [])
    assert "onLedgerAway is Refuse" in told.json()["error"]["message"]


async def test_the_ledgers_clock_decides_which_day_it_is(
    engine: Engine, run: Run, ledger: Served
) -> None:
    provider = await engine(answers("hi"))
    router = await run(gpt(provider.url), tenants=[team(day=DAY)])
    books = with_books(router, ledger)
    assert [(await ask(router)).status_code for _ in range(4)] == [200, 200, 200, 429]

    ledger.clock.now += 86_400 - ledger.clock.now % 86_400
    assert (await ask(router)).status_code == 200
    await books.close()


async def test_a_tenant_without_budgets_never_meets_the_ledger(
    engine: Engine, run: Run, ledger: Served
) -> None:
    provider = await engine(answers("hi"))
    router = await run(gpt(provider.url), tenants=[team()])
    with_books(router, ledger)

    assert (await ask(router)).status_code == 200
    assert ledger.asked == 0


async def test_a_call_that_costs_more_than_expected_ends_the_budget_sooner(
    engine: Engine, run: Run, ledger: Served
) -> None:
    async def script(turn: Turn) -> None:
        answer = chat("long") | {"usage": {"prompt_tokens": 1, "completion_tokens": 12}}
        await turn.whole(200, json.dumps(answer).encode())

    provider = await engine(script)
    router = await run(gpt(provider.url), tenants=[team(day=DAY)])
    with_books(router, ledger)

    told = [(await ask(router)).status_code for _ in range(2)]

    # One call went beyond the budget of ten cents, by the two that nobody could expect.
    assert told == [200, 429]
