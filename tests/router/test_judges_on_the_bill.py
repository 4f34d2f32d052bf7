"""A verifier that asks another Specialist makes calls that cost: each is on the bill once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dispatchers import general, until
from fake_engine import FakeEngine, Script, Turn, answers
from ledgers import Clock, Served
from sqlalchemy import func, select
from two_sides import Tell, TwoSides

from tierwise_core.decision_record import JUDGE, DecisionRecord
from tierwise_core.decision_story import story
from tierwise_core.route_split import Split
from tierwise_core.route_table import Price
from tierwise_core.verifier_spec import VerifierSpec
from tierwise_ledger.ingest import ingest
from tierwise_ledger.store import Store
from tierwise_ledger.tables.calls import CALL_HOURS, CALLS
from tierwise_ledger.tables.outcomes import OUTCOMES

Engine = Callable[[Script], Awaitable[FakeEngine]]
Row = dict[str, Any]
SURE = -0.0001
BOUGHT = Price(input_usd_per_token=2e-6, output_usd_per_token=8e-6)
SPEC = VerifierSpec("judge", "llm-judge", specialist="demo/judge", trust=0.9)
UNTRIED = Split("sorter-v2", 0)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Served]:
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    yield Served(store, clock=Clock(time.time() + 60))
    store.close()


async def take(told: TwoSides, ledger: Served) -> None:
    rows = await told.rows()
    with ledger.store.begin() as connection:
        for _ in range(2):  # what is sent twice counts once
            assert not ingest(connection, rows, received_at=ledger.clock()).rejected


def asked(engine: FakeEngine) -> int:
    return len(engine.requests)


def bill_of(ledger: Served, by: str) -> dict[str, Row]:
    told = ledger.client.get("/v1/cost", params={"since": "2h", "by": by}).json()
    assert sum(one["nanoUSD"] for one in told["groups"]) == told["total"]["nanoUSD"]
    return {one["name"]: one for one in told["groups"]}


async def says_no_to_sorted_letters(turn: Turn) -> None:
    question = turn.request.fields["messages"][0]["content"]
    await answers("no" if "Answer: abcd" in question else "yes", SURE)(turn)


async def test_every_call_that_a_request_cost_is_on_the_bill_exactly_once(
    tell: Tell, engine: Engine, ledger: Served
) -> None:
    """Judged before it is shown, passed on, in shadows of both, and after it went out."""
    judge, large = await engine(says_no_to_sorted_letters), await engine(answers("z", SURE))
    told = await tell(
        answers("abcd", SURE), answers("dcba", SURE),
        general("frontier", large.url),
        general("judge", judge.url, field="judging", tier="external", external=True, price=BOUGHT),
        verifiers=(SPEC,), escalate_to=("demo/frontier",),
    )  # fmt: skip

    for number in range(3):
        assert (await told.router.chat(f"sort dbca {number}")).status_code == 200
    await told.router.chat("sort dbca", "sorter")
    await take(told, ledger)

    engines = {
        "demo/judge": asked(judge), "demo/frontier": asked(large),
        "demo/sorter": asked(told.blue) + asked(told.green),
    }  # fmt: skip
    # Three answers to be shown and three of green's, one by name and green's to it.
    assert engines["demo/judge"] == 8
    with ledger.store.read() as connection:
        hours = CALL_HOURS.c
        query = select(hours.specialist, func.sum(hours.calls)).group_by(hours.specialist)
        assert {name: int(calls) for name, calls in connection.execute(query)} == engines
        by_call = connection.execute(select(func.sum(hours.cost_nano_usd))).scalar_one()
        by_request = connection.execute(select(func.sum(OUTCOMES.c.cost_nano_usd))).scalar_one()
    # Every figure is rounded to a billionth of a dollar.
    assert by_call == pytest.approx(by_request, abs=sum(engines.values()))
    lines = bill_of(ledger, "specialist")
    assert lines["(judges)"]["calls"] == 3
    assert lines["(judges)"]["usd"] > 0
    assert "demo/judge" not in lines
    # Green's four, those who read them, and who read the answer by name.
    assert lines["(shadows)"]["calls"] == 4 + 4 + 1


async def test_who_was_asked_about_an_answer_is_in_its_record(
    tell: Tell, engine: Engine, ledger: Served
) -> None:
    judge = await engine(answers("yes", SURE))
    told = await tell(
        answers("abcd", SURE), answers("abcd"), general("judge", judge.url, field="judging"),
        verifiers=(SPEC,), split=UNTRIED,
    )  # fmt: skip

    reply = await told.router.chat("sort dbca")

    await take(told, ledger)
    name = reply.headers["x-tierwise-decision"]
    (row,) = await told.of_kind("decision")
    record = DecisionRecord.of(row)
    (asked_about,) = record.judges
    assert (asked_about.specialist, asked_about.verdict) == ("demo/judge", JUDGE)
    assert (asked_about.input_tokens, asked_about.output_tokens) == (5, 3)
    assert record.cost_usd == pytest.approx(record.steps[0].cost_usd + asked_about.cost_usd)
    assert "of it for judges" in story(record)[0].lines[1]
    # It is none of those who might have answered.
    with ledger.store.read() as connection:
        assert [*connection.execute(select(CALLS.c.specialist)).scalars()] == ["demo/sorter"]
    outcome = ledger.client.get(f"/v1/outcomes/{name}").json()
    assert [one["specialist"] for one in outcome["record"]["judges"]] == ["demo/judge"]
    # By whatever tells requests apart the judge belongs to the request.
    for by, whose in (("field", "sorting"), ("workload", "realtime"), ("tenant", "(none)")):
        assert bill_of(ledger, by)[whose]["calls"] == 2


async def test_a_request_without_a_judge_says_nothing_of_them(tell: Tell) -> None:
    told = await tell(answers("abcd", SURE), answers("abcd"), split=UNTRIED)

    await told.router.chat("sort dbca")

    (row,) = await told.of_kind("decision")
    assert "judges" not in row


async def test_a_client_that_leaves_while_its_answer_is_judged_has_cost_the_answer(
    tell: Tell, engine: Engine
) -> None:
    async def never(turn: Turn) -> None:
        await turn.reader.read()
        turn.keep = False

    judge = await engine(never)
    told = await tell(
        answers("abcd", SURE), answers("abcd"), general("judge", judge.url, field="judging"),
        verifiers=(SPEC,), split=UNTRIED,
    )  # fmt: skip
    asking = asyncio.create_task(told.router.chat("sort dbca"))
    await judge.arrived.wait()
    asking.cancel()
    await until(lambda: not told.router.dispatcher.tally.in_flight)

    (row,) = await told.of_kind("decision")
    (step,) = DecisionRecord.of(row).steps
    assert (step.specialist, step.failure) == ("demo/sorter", "abandoned")
    assert step.cost_usd > 0
