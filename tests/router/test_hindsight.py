"""Requests by name while a rollout compares: judged once their clients have the answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dispatchers import general
from fake_engine import FakeEngine, Script, Turn, answers, piece, sse
from ledgers import Clock, Served
from two_sides import Tell, TwoSides

from tierwise_core.decision_record import DecisionRecord
from tierwise_core.decision_story import story
from tierwise_core.route_split import Split
from tierwise_core.route_table import Route
from tierwise_core.verifier_spec import VerifierSpec
from tierwise_ledger.ingest import ingest
from tierwise_ledger.store import Store
from tierwise_router.inside import InProcessWork, ask_inside
from tierwise_router.ledger_client import LedgerClient
from tierwise_router.shipping import LedgerAddress

Engine = Callable[[Script], Awaitable[FakeEngine]]
Row = dict[str, Any]
LETTERS = VerifierSpec("letters", "regex", pattern="^[a-d]+$")
SUMS = "/v1/rollouts/sums?specialist=demo/sorter&blue=rev-b&green=rev-g&since=1000000"


@pytest.fixture
def told_of(tell: Tell) -> Tell:
    """As ``tell`` does, of a sorter that has verifiers."""

    async def start(*scripts: Any, **changes: Any) -> TwoSides:
        return await tell(*scripts, **{"verifiers": (LETTERS,), **changes})

    return start


def counted(told: TwoSides) -> dict[str, int]:
    """How many verdicts there were, by what they said."""
    return {end: count for (_, end), count in told.router.dispatcher.tally.verdicts.items()}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Served]:
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    yield Served(store, clock=Clock(time.time() + 60))
    store.close()


def take(ledger: Served, rows: list[Row]) -> None:
    """Send a router's rows to a ledger."""
    with ledger.store.begin() as connection:
        assert not ingest(connection, rows, received_at=ledger.clock()).rejected


def judge_at(url: str, **changes: Any) -> tuple[VerifierSpec, Route]:
    """A Specialist that is asked whether answers are right."""
    spec = VerifierSpec("judge", "llm-judge", specialist="demo/judge")
    return spec, general("judge", url, field="judging", **changes)


@pytest.mark.parametrize("wishes", [{}, {"stream": True}])
async def test_both_answers_to_a_shadowed_request_are_judged(
    told_of: Tell, ledger: Served, wishes: Row
) -> None:
    told = await told_of(answers("abcd"), answers("xyz"))

    replies = [await told.router.chat(f"sort {n}", "sorter", **wishes) for n in range(3)]

    assert {reply.status_code for reply in replies} == {200}
    verdicts = await told.verdicts()
    assert [one.verified for one in verdicts] == [True] * 3
    assert {one.decision for one in verdicts} == {
        reply.headers["x-tierwise-decision"] for reply in replies
    }
    rows = await told.rows()
    for _ in range(2):  # what is sent twice counts once
        take(ledger, rows)
    sums = ledger.client.get(f"{SUMS}&feedback=false").json()
    blue, green = sums["blue"], sums["green"]
    assert (blue["asked"], blue["judged"], blue["verifier"], blue["accepted"]) == (3, 3, 3, 3)
    assert (green["asked"], green["judged"], green["verifier"], green["accepted"]) == (3, 3, 3, 0)


@pytest.mark.parametrize("path", ["chat/completions", "completions", "responses"])
async def test_a_canary_s_answers_are_judged_on_both_sides(told_of: Tell, path: str) -> None:
    async def respond(turn: Turn, text: str) -> None:
        output = [{"type": "message", "content": [{"type": "output_text", "text": text}]}]
        await turn.whole(200, json.dumps({"status": "completed", "output": output}).encode())

    def script(text: str) -> Script:
        async def responses(turn: Turn) -> None:
            await respond(turn, text)

        return responses if path == "responses" else answers(text)

    told = await told_of(script("abcd"), script("xyz"), split=Split("sorter-v2", 50))
    asked = {
        "chat/completions": {"messages": [{"role": "user", "content": "sort"}]},
        "completions": {"prompt": "sort"},
        "responses": {"input": "sort"},
    }[path]

    sides = {}
    for number in range(20):
        body = {"model": "sorter", "user": f"user-{number}", **asked}
        reply = await told.router.client.post(f"/v1/{path}", json=body)
        sides[reply.headers["x-tierwise-decision"]] = reply.headers["x-tierwise-side"]

    said = {one.decision: one.verified for one in await told.verdicts()}
    assert said == {name: side == "blue" for name, side in sides.items()}
    assert set(sides.values()) == {"blue", "green"}
    assert counted(told) == {
        "passed": list(sides.values()).count("blue"),
        "refused": list(sides.values()).count("green"),
    }


async def test_a_judge_s_calls_are_on_the_bill_and_in_nobody_s_budget(
    told_of: Tell, engine: Engine, ledger: Served
) -> None:
    judge = await engine(answers("yes"))
    spec, judging = judge_at(judge.url)
    told = await told_of(answers("abcd"), answers("dcba"), judging, verifiers=(spec,))

    reply = await told.router.chat("sort dbca", "sorter")

    assert [one.verified for one in await told.verdicts()] == [True]
    told_judge = [request.fields["messages"][0]["content"] for request in judge.requests]
    assert sorted(text.rpartition("Answer: ")[2] for text in told_judge) == ["abcd", "dcba"]
    assert all("Question: sort dbca" in text for text in told_judge)
    looks = [one for one in await told.shadows() if one.specialist == "demo/judge"]
    (shadow,) = (one for one in await told.shadows() if one.specialist == "demo/sorter")
    of = {reply.headers["x-tierwise-decision"], shadow.id}
    assert {look.parts[0] for look in looks} == of
    assert all(look.cost_usd > 0 and look.steps[0].cost_usd == look.cost_usd for look in looks)
    assert "a verifier was asked about the answer" in "".join(story(looks[0])[0].lines)
    take(ledger, await told.rows())
    asked = {"by": "specialist", "state": "shadow", "since": "1h"}
    sums = ledger.client.get("/v1/summary", params=asked).json()["sums"]
    costs = {one["specialist"]: (one["requests"], one["calls"], one["cost_usd"]) for one in sums}
    spent_usd = sum(look.cost_usd for look in looks)
    assert costs["demo/judge"] == (0, 2, pytest.approx(spent_usd, abs=2e-9))


async def test_who_asks_for_the_decision_is_told_of_the_verdict(
    told_of: Tell, ledger: Served
) -> None:
    """By its own pod, and by another one, which asks the ledger."""
    told = await told_of(answers("xyz"), answers("xyz"))
    reply = await told.router.chat("sort dbca", "sorter")
    take(ledger, await told.rows())
    path = f"/v1/decisions/{reply.headers['x-tierwise-decision']}"
    here = await told.router.client.get(path)
    dispatcher = told.router.dispatcher
    dispatcher.ids.pod = "another"
    dispatcher.ledger = LedgerClient(LedgerAddress("http://ledger"), ledger.transport())
    there = await told.router.client.get(path)

    for answer in (here, there):
        record = DecisionRecord.of(answer.json())
        lines = "\n".join(line for part in story(record) for line in part.lines)
        assert "its answer went through, and verifiers read it afterwards" in lines
        assert "verifier letters: no, 'xyz' does not match" in lines


async def test_nobody_waits_for_a_verdict_and_too_many_are_left_out(
    told_of: Tell, engine: Engine
) -> None:
    opened = asyncio.Event()

    async def slow(turn: Turn) -> None:
        await opened.wait()
        await answers("yes")(turn)

    spec, judging = judge_at((await engine(slow)).url)
    told = await told_of(
        answers("abcd"), answers("dcba"), judging, verifiers=(spec,), split=Split("sorter-v2", 50)
    )
    told.router.app.unseen.hindsight.most = 2

    for number in range(5):
        reply = await told.router.chat("sort dbca", "sorter", user=f"user-{number}")
        assert reply.status_code == 200
    opened.set()

    assert len(await told.verdicts()) == 2
    assert counted(told) == {"passed": 2, "left_out": 3}


async def test_a_verifier_that_is_away_refuses_nothing(told_of: Tell) -> None:
    away = VerifierSpec("shop", "http", url="http://127.0.0.1:9")
    told = await told_of(answers("abcd"), answers("dcba"), verifiers=(away,))

    await told.router.chat("sort dbca", "sorter")

    assert await told.verdicts() == []
    (shadow,) = await told.shadows()
    assert (shadow.steps[0].verified, shadow.steps[0].checks[0]["passed"]) == (None, None)
    assert counted(told) == {"silent": 2}


async def test_a_judge_reads_nothing_that_the_request_keeps_from_it(
    told_of: Tell, engine: Engine
) -> None:
    judge = await engine(answers("yes"))
    spec, judging = judge_at(judge.url, external=True, region="us")
    told = await told_of(answers("abcd"), answers("dcba"), judging, verifiers=(spec,), region="eu")
    body = {"model": "sorter", "messages": [{"role": "user", "content": "sort dbca"}]}

    reply = await told.router.client.post(
        "/v1/chat/completions", json=body, headers={"x-tierwise-region": "eu"}
    )

    assert reply.status_code == 200
    assert await told.verdicts() == []
    assert judge.requests == []


@pytest.mark.parametrize(
    "changes",
    [
        {"split": None},
        {"verifiers": ()},
        {"split": Split("sorter-v2", 0, 0)},  # green is not ready to be compared yet
    ],
)
async def test_without_a_comparison_nobody_is_judged_afterwards(
    told_of: Tell, changes: Row
) -> None:
    told = await told_of(answers("abcd"), answers("abcd"), **changes)

    assert (await told.router.chat("sort dbca", "sorter")).status_code == 200

    assert await told.verdicts() == []
    assert counted(told) == {}


@pytest.mark.parametrize("verifier", [LETTERS, VerifierSpec("json-schema", "json-schema")])
async def test_what_was_judged_before_it_was_shown_is_not_judged_again(
    told_of: Tell, verifier: VerifierSpec
) -> None:
    """By its verifiers or, where they have nothing to say, by the gate."""
    told = await told_of(answers("abcd"), answers("abcd"), verifiers=(verifier,))

    assert (await told.router.chat("sort dbca")).status_code == 200

    assert await told.verdicts() == []
    assert counted(told) == {}


async def test_what_a_policy_s_shadow_answers_is_shown_to_nobody_and_not_judged(
    told_of: Tell,
) -> None:
    told = await told_of(answers("abcd"), answers("abcd"), split=Split("sorter-v2", 50))
    body = {"model": "sorter", "messages": [{"role": "user", "content": "sort dbca"}]}
    work = InProcessWork(latency_class="background", shadow_of="d-1")

    reply = await ask_inside(
        told.router.app, "/v1/chat/completions", [], json.dumps(body).encode(), work=work
    )

    assert reply.status == 200
    assert await told.verdicts() == []


async def test_a_stream_that_breaks_off_is_no_answer_to_judge(told_of: Tell) -> None:
    async def breaks(turn: Turn) -> None:
        await turn.stream_head()
        await turn.chunk(sse(piece(turn.request.fields, "abcd")))
        turn.die()

    told = await told_of(breaks, breaks, split=Split("sorter-v2", 50))

    await told.router.chat("sort dbca", "sorter", stream=True)

    assert await told.verdicts() == []


async def test_an_answer_by_name_that_calls_a_tool_is_seen_to_do_so(told_of: Tell) -> None:
    """Of a stream, whose calls come in pieces."""

    async def calls(turn: Turn) -> None:
        await turn.stream_head()
        call = {"index": 0, "id": "c-1", "function": {"name": "sort", "arguments": "{}"}}
        delta = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}
        await turn.chunk(sse({"choices": [delta]}) + b"data: [DONE]\n\n")
        await turn.end()

    says_something = VerifierSpec("non-empty", "non-empty")
    told = await told_of(calls, calls, verifiers=(says_something,), split=Split("sorter-v2", 50))

    await told.router.chat("sort dbca", "sorter", stream=True)

    assert [one.verified for one in await told.verdicts()] == [True]
