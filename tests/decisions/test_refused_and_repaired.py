"""Requests that nobody was asked for, and answers that were sent back and made again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from databases import database_url, postgres, store
from dispatchers import TIERS, Running, general, route
from fake_engine import FakeEngine, Script, Turn, answers, chat
from ledgers import NOON

from tierwise_core.policy_patterns import EvaluatorOptimizer, Pattern, PatternsPolicy
from tierwise_core.route_table import RouteTable
from tierwise_core.router_policy import RouterPolicy
from tierwise_core.tenant import TenantLimits, TenantRoute
from tierwise_ledger.ingest import ingest
from tierwise_ledger.reading import Choice, summarise
from tierwise_ledger.store import Store
from tierwise_router.brain import Brain
from tierwise_router.journal import Journal
from tierwise_router.journal_files import Marks, tail
from tierwise_router.refusals import Refusals

__all__ = ["database_url", "postgres", "store"]

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]
SURE = -0.0001
KEY = {"authorization": "Bearer key-a"}


def keeps_a_journal(router: Running, folder: Path) -> Callable[[], Awaitable[list[dict[str, Any]]]]:
    dispatcher = router.dispatcher
    journal = dispatcher.journal = Journal(folder, dispatcher.ids.process, 1 << 26)

    async def read() -> list[dict[str, Any]]:
        await asyncio.to_thread(journal.flush)
        return [row for row in tail(folder, Marks()) if row["kind"] == "decision"]

    return read


def says(*texts: str) -> Script:
    left = list(texts)

    async def script(turn: Turn) -> None:
        text = left.pop(0) if len(left) > 1 else left[0]
        await turn.whole(200, json.dumps(chat(text, [SURE])).encode())

    return script


async def test_a_model_that_is_not_there_and_a_rate_are_refusals(
    engine: Engine, run: Run, tmp_path: Path
) -> None:
    pod = await engine(answers("abcd", SURE))
    limits = TenantLimits(requests_per_minute=2)
    tenant = TenantRoute("demo", "team-a", (sha256(b"key-a").hexdigest(),), limits=limits)
    router = await run(route("sorter", pod.url), tenants=[tenant])
    read = keeps_a_journal(router, tmp_path)

    async def ask(model: str, headers: dict[str, str]) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "sort dbca"}]}
        return await router.client.post("/v1/chat/completions", json=body, headers=headers)

    replies = [await ask(model, KEY) for model in ("sorter", "nobody", "sorter")]
    stranger = await ask("sorter", {})

    assert [one.status_code for one in (*replies, stranger)] == [200, 404, 429, 401]
    rows = await read()
    assert [(row["state"], row["status"], row["reason"]) for row in rows] == [
        ("relayed", 200, ""),
        ("refused", 404, "model_not_found"),
        ("refused", 429, "rate_limit_exceeded"),
    ], "whom nobody knows leaves nothing in the ledger"
    assert {row["tenant"] for row in rows} == {"demo/team-a"}
    assert rows[2]["id"] == replies[2].headers["x-tierwise-decision"]


async def test_a_flood_of_refusals_leaves_the_answers_their_room(
    engine: Engine, run: Run, tmp_path: Path
) -> None:
    pod = await engine(answers("abcd", SURE))
    router = await run(route("sorter", pod.url))
    router.dispatcher.refusals = Refusals(most_per_second=0)
    read = keeps_a_journal(router, tmp_path)

    for model in ("nobody", "nobody", "sorter"):
        await router.chat("sort dbca", model)

    assert [row["state"] for row in await read()] == ["relayed"]


async def test_an_answer_that_was_sent_back_and_made_again_is_repaired(
    engine: Engine, run: Run, tmp_path: Path, store: Store
) -> None:
    writer = await engine(says("old pond", "a frog jumps in", "a frog"))
    critic = await engine(
        says('{"score": 0.2, "advice": "name the frog"}', '{"score": 0.9, "advice": ""}')
    )
    routes = [general("writer", writer.url), general("critic", critic.url)]
    router = await run(*routes)
    pattern = Pattern("careful", EvaluatorOptimizer("writer", "critic"))
    policy = RouterPolicy(patterns=PatternsPolicy((pattern,)))
    router.dispatcher.take(Brain.build(RouteTable.of(routes, TIERS, policy)))
    read = keeps_a_journal(router, tmp_path)

    repaired = await router.chat("a haiku", "careful")
    at_once = await router.chat("a haiku", "careful")

    rows = {row["id"]: row for row in await read()}
    own = [rows[one.headers["x-tierwise-decision"]] for one in (repaired, at_once)]
    assert [row["state"] for row in own] == ["repaired", "accepted"]
    assert len(own[0]["parts"]) == 4
    with store.begin() as connection:
        taken = ingest(connection, list(rows.values()), received_at=NOON)
        sums = summarise(connection, ("state",), Choice(0.0, 9e9))
    assert not taken.rejected
    # The client asked twice; what the pattern asked for it are calls, and no requests.
    requests = {one["state"]: one["requests"] for one in sums if one["requests"]}
    assert requests == {"repaired": 1, "accepted": 1}
    assert sum(one["calls"] for one in sums) == 6
    paid = sum(row["cost_usd"] for row in rows.values() if not row["parts"])
    # The ledger keeps whole nano-dollars; a call on a quiet machine costs some hundred of them.
    assert sum(one["cost_usd"] for one in sums) == pytest.approx(paid, abs=1e-8), "each once"
