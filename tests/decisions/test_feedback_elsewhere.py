"""A client does not choose its router pod: each one tells of any decision, and takes feedback."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from dispatchers import Running, brain, route
from fake_engine import FakeEngine, Script, answers
from ledgers import NOON, Served, a_decision, a_word

from tierwise_core.tenant import TenantRoute
from tierwise_ledger.ingest import ingest
from tierwise_ledger.store import Store
from tierwise_router.journal_files import Marks, tail
from tierwise_router.ledger_client import LedgerClient
from tierwise_router.shipping import LedgerAddress

Engine = Callable[[Script], Awaitable[FakeEngine]]
Start = Callable[..., Awaitable[Running]]
ELSEWHERE = "d-pod-one-000001"
TENANTS = [
    TenantRoute("demo", name, key_hashes=(hashlib.sha256(name.encode()).hexdigest(),))
    for name in ("team-a", "team-b")
]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Served]:
    """A ledger that has one decision, of another pod's, for demo/team-a."""
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    with store.begin() as connection:
        ingest(connection, [a_decision(1)], received_at=NOON)
    yield Served(store)
    store.close()


async def a_pod(
    engine: Engine, recording: Start, ledger: Served, *, tenants: bool = False
) -> Running:
    small = await engine(answers("abcd"))
    router = await recording(route("sorter", small.url))
    if tenants:
        router.dispatcher.take(brain(route("sorter", small.url), tenants=TENANTS))
    router.dispatcher.ledger = LedgerClient(LedgerAddress("http://ledger"), ledger.transport())
    return router


async def say(router: Running, decision: str, key: str = "") -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    body = {"decision": decision, "accepted": False, "corrected": "abcd"}
    return await router.client.post("/v1/feedback", json=body, headers=headers)


async def told(router: Running, decision: str, key: str = "") -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return await router.client.get(f"/v1/decisions/{decision}", headers=headers)


def recorded(ledger: Served, *rows: dict[str, Any]) -> None:
    with ledger.store.begin() as connection:
        ingest(connection, list(rows), received_at=NOON)


def journal(router: Running) -> list[dict[str, Any]]:
    kept = router.dispatcher.journal
    assert kept is not None
    kept.flush()
    return list(tail(kept.directory, Marks()))


async def test_what_another_pod_decided_is_judged_here(
    engine: Engine, recording: Start, ledger: Served
) -> None:
    router = await a_pod(engine, recording, ledger)

    first, again = await say(router, ELSEWHERE), await say(router, ELSEWHERE)

    assert (first.status_code, again.status_code) == (200, 200)
    assert (first.json()["duplicate"], again.json()["duplicate"]) == (False, True)
    assert [row["decision"] for row in journal(router)] == [ELSEWHERE]


async def test_what_the_ledger_was_told_by_another_pod_is_no_news(
    engine: Engine, recording: Start, ledger: Served
) -> None:
    router = await a_pod(engine, recording, ledger)
    recorded(ledger, a_word(1, accepted=True))

    body = {"decision": ELSEWHERE, "accepted": True}
    same = await router.client.post("/v1/feedback", json=body)
    other = await router.client.post("/v1/feedback", json={**body, "accepted": False})

    assert (same.json()["duplicate"], other.json()["duplicate"]) == (True, False)
    assert [row["accepted"] for row in journal(router)] == [False]


async def test_a_decision_is_told_with_what_another_pod_was_told_of_it(
    engine: Engine, recording: Start, ledger: Served
) -> None:
    router = await a_pod(engine, recording, ledger)
    made = (await router.chat("sort dbca")).headers["x-tierwise-decision"]
    recorded(ledger, a_decision(2, id=made), a_word(2, accepted=False) | {"decision": made})

    record = (await told(router, made)).json()
    ledger.down = True
    without = (await told(router, made)).json()

    assert record["feedback"]["accepted"] is False
    assert without["feedback"] is None


async def test_a_tenant_judges_its_own_decisions_alone(
    engine: Engine, recording: Start, ledger: Served
) -> None:
    router = await a_pod(engine, recording, ledger, tenants=True)

    own, others = await say(router, ELSEWHERE, "team-a"), await say(router, ELSEWHERE, "team-b")

    assert (own.status_code, others.status_code) == (200, 404)
    assert others.json()["error"]["code"] == "decision_not_found"
    assert len(journal(router)) == 1


async def test_what_nobody_has_recorded_is_said(
    engine: Engine, recording: Start, ledger: Served
) -> None:
    router = await a_pod(engine, recording, ledger)

    reply = await say(router, "d-pod-one-0000ff")

    assert reply.status_code == 404
    assert "try again in some seconds" in reply.json()["error"]["message"]
    assert not journal(router)


@pytest.mark.parametrize("tenants", [False, True])
async def test_without_a_ledger_only_what_cannot_be_anothers_is_taken(
    engine: Engine, recording: Start, ledger: Served, *, tenants: bool
) -> None:
    router = await a_pod(engine, recording, ledger, tenants=tenants)
    ledger.down = True

    reply = await say(router, ELSEWHERE, "team-a" if tenants else "")

    assert reply.status_code == (503 if tenants else 200)
    assert len(journal(router)) == (0 if tenants else 1)
    if tenants:
        assert reply.headers["retry-after"] == "5"


async def test_any_pod_tells_what_another_one_decided(
    engine: Engine, recording: Start, ledger: Served
) -> None:
    router = await a_pod(engine, recording, ledger)
    recorded(ledger, a_word(1, accepted=False, corrected="abcd", comment="late"))

    record = (await told(router, ELSEWHERE)).json()

    assert {**record, "feedback": None} == {**a_decision(1), "feedback": None}
    assert [record["feedback"][name] for name in ("accepted", "corrected", "comment")] == [
        False, "abcd", "late",
    ]  # fmt: skip


async def test_a_tenant_is_told_of_its_own_decisions_alone(
    engine: Engine, recording: Start, ledger: Served
) -> None:
    router = await a_pod(engine, recording, ledger, tenants=True)

    own, others = await told(router, ELSEWHERE, "team-a"), await told(router, ELSEWHERE, "team-b")

    assert (own.status_code, others.status_code) == (200, 404)
    assert "sorter" not in others.text


async def test_what_this_pod_forgot_the_ledger_tells(
    engine: Engine, recording: Start, ledger: Served
) -> None:
    router = await a_pod(engine, recording, ledger)
    mine = f"d-{router.dispatcher.ids.pod}-{router.dispatcher.ids.process}-0000ff"
    before = await told(router, mine)
    recorded(ledger, a_decision(2, id=mine))

    after = await told(router, mine)

    assert (before.status_code, after.status_code) == (404, 200)
    assert after.json()["id"] == mine


async def test_while_the_ledger_is_away_it_says_when_to_ask_again(
    engine: Engine, recording: Start, ledger: Served
) -> None:
    router = await a_pod(engine, recording, ledger)
    ledger.down = True

    reply = await told(router, ELSEWHERE)

    assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
    assert reply.json()["error"]["code"] == "ledger_away"


async def test_who_changes_their_mind_at_another_pod_and_back_is_heard_each_time(
    engine: Engine, recording: Start, ledger: Served
) -> None:
    router = await a_pod(engine, recording, ledger)
    first = await say(router, ELSEWHERE)
    recorded(ledger, a_word(1, accepted=True, at=first.json()["at"] + 1.0))

    between = (await told(router, ELSEWHERE)).json()["feedback"]
    again = await say(router, ELSEWHERE)

    assert between["accepted"] is True
    assert again.json()["duplicate"] is False
    assert len(journal(router)) == 2
