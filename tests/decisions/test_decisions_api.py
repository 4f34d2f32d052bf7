"""What was decided can be asked for by its name, and told whether it was right."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from dispatchers import Running, general, route
from fake_engine import FakeEngine, Script, answers, dies

from tierwise_core.decision_record import DecisionRecord, StepRecord
from tierwise_core.query import query_id
from tierwise_core.query_features import feature_row
from tierwise_core.route_table import Endpoint

Engine = Callable[[Script], Awaitable[FakeEngine]]
Start = Callable[..., Awaitable[Running]]
SURE, UNSURE = -0.0001, -4.0


async def a_router(
    engine: Engine, recording: Start, small: Script, large: Script, **changes: Any
) -> Running:
    one, other = await engine(small), await engine(large)
    return await recording(
        route("sorter", one.url, escalate_to=("demo/frontier",)),
        general("frontier", other.url, **changes),
    )


async def told(router: Running, decision: str) -> dict[str, Any]:
    reply = await router.client.get(f"/v1/decisions/{decision}")
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def usd_per_second(step: StepRecord) -> float:
    # Which call takes longer is the machine's to say; which second is dearer is ours.
    assert step.seconds
    return step.cost_usd / step.seconds


async def test_an_escalation_is_told_with_every_candidate_and_every_call(
    engine: Engine, recording: Start
) -> None:
    router = await a_router(engine, recording, answers("dbca", UNSURE), answers("abcd", SURE))
    reply = await router.chat("Sort dbca!")

    row = await told(router, reply.headers["x-tierwise-decision"])
    record = DecisionRecord.of(row)

    assert (record.state, record.status, record.specialist) == ("escalated", 200, "demo/frontier")
    assert record.query_id == query_id("sort dbca")
    assert list(record.features) == feature_row("Sort dbca!")
    assert (record.field, record.table) == (
        "sorting",
        router.dispatcher.current_brain().table.version,
    )
    sorter, frontier = record.steps
    assert (sorter.verdict, frontier.verdict) == ("escalate", "accept")
    assert sorter.predicted is not None
    assert sorter.confidence is not None
    assert sorter.confidence < sorter.floor <= sorter.predicted
    assert sorter.own_field == "sorting"
    assert frontier.own_field is None
    assert usd_per_second(frontier) > usd_per_second(sorter) > 0
    assert record.cost_usd == pytest.approx(sorter.cost_usd + frontier.cost_usd)
    assert frontier.output_tokens == 3
    assert [one.specialist for one in record.candidates] == ["demo/sorter", "demo/frontier"]
    assert all(set(one.scores or {}) >= {"cost", "load"} for one in record.candidates)
    assert record.calls == 2


async def test_a_candidate_that_lost_says_why(engine: Engine, recording: Start) -> None:
    router = await a_router(engine, recording, answers("x", SURE), answers("Paris", SURE))
    adder = route(
        "adder", "http://127.0.0.1:9", field="arithmetic", examples=("1+2", "add 3 and 4")
    )
    sorter, frontier = router.dispatcher.current_brain().table.routes.values()
    router = await recording(sorter, frontier, adder)
    reply = await router.client.post("/query", json={"query": "sort dbca", "field": "sorting"})

    record = DecisionRecord.of(await told(router, reply.json()["decision"]))

    assert record.elsewhere == {"demo/adder": "arithmetic"}


async def test_the_question_is_not_written_down(
    engine: Engine, recording: Start, tmp_path: Path
) -> None:
    router = await a_router(engine, recording, answers("x", SURE), answers("y", SURE))
    await router.chat("sort secretword", user="alice@example.com")
    assert router.dispatcher.journal is not None
    router.dispatcher.journal.close()

    written = b"".join(path.read_bytes() for path in (tmp_path / "journal").iterdir())

    assert b'"kind":"decision"' in written
    assert b"secretword" not in written
    assert b"alice" not in written


async def test_an_abstention_is_recorded_as_one(engine: Engine, recording: Start) -> None:
    router = await a_router(engine, recording, answers("x", UNSURE), answers("y", UNSURE))
    reply = await router.chat("sort dbca")
    assert reply.status_code == 422

    record = DecisionRecord.of(await told(router, reply.headers["x-tierwise-decision"]))

    assert (record.state, record.specialist, record.accepted) == ("abstained", "", False)
    assert [step.verdict for step in record.steps] == ["escalate", "abstain"]


async def test_a_failure_is_recorded_with_its_word(engine: Engine, recording: Start) -> None:
    router = await a_router(engine, recording, dies, answers("abcd", SURE))
    reply = await router.chat("sort dbca")

    record = DecisionRecord.of(await told(router, reply.headers["x-tierwise-decision"]))

    assert [(step.verdict, step.failure) for step in record.steps] == [
        ("failed", "upstream_unavailable"),
        ("accept", ""),
    ]


async def test_a_stream_is_recorded_at_its_end(engine: Engine, recording: Start) -> None:
    router = await a_router(engine, recording, answers("abcd", SURE), answers("y", SURE))
    reply = await router.chat("sort dbca", stream=True)

    record = DecisionRecord.of(await told(router, reply.headers["x-tierwise-decision"]))

    assert (record.state, record.stream) == ("accepted", True)
    assert record.steps[0].output_tokens == 5


async def test_a_request_by_name_is_relayed(engine: Engine, recording: Start) -> None:
    router = await a_router(engine, recording, answers("abcd", SURE), answers("y", SURE))
    reply = await router.chat("sort dbca", model="sorter")

    record = DecisionRecord.of(await told(router, reply.headers["x-tierwise-decision"]))

    assert (record.state, record.specialist, record.model) == ("relayed", "demo/sorter", "sorter")
    assert record.candidates == ()


async def test_what_was_refused_is_recorded_with_its_reason(
    engine: Engine, recording: Start
) -> None:
    router = await a_router(engine, recording, answers("x", SURE), answers("y", SURE))
    reply = await router.chat("sort dbca", model="nobody")

    record = DecisionRecord.of(await told(router, reply.headers["x-tierwise-decision"]))

    assert (record.state, record.status, record.reason) == ("refused", 404, "model_not_found")
    assert record.steps == ()


async def test_feedback_is_kept_beside_its_decision_and_once_is_enough(
    engine: Engine, recording: Start
) -> None:
    router = await a_router(engine, recording, answers("abcd", SURE), answers("y", SURE))
    decision = (await router.chat("sort dbca")).headers["x-tierwise-decision"]
    given = {"decision": decision, "accepted": False, "corrected": "abcd", "comment": "typo"}

    first = await router.client.post("/v1/feedback", json=given)
    again = await router.client.post("/v1/feedback", json=given)
    changed = await router.client.post("/v1/feedback", json={**given, "accepted": True})

    assert [reply.status_code for reply in (first, again, changed)] == [200, 200, 200]
    assert [reply.json()["duplicate"] for reply in (first, again, changed)] == [False, True, False]
    assert (await told(router, decision))["feedback"]["accepted"] is True


@pytest.mark.parametrize(
    ("body", "param", "says"),
    [
        ({"accepted": True}, "decision", "'decision' is missing"),
        ({"decision": "chatcmpl-1", "accepted": True}, "decision", "x-tierwise-decision"),
        ({"decision": "d-local-a-000001"}, "accepted", "'accepted' is missing"),
        ({"decision": "d-local-a-000001", "accepted": "yes"}, "accepted", "give true or false"),
        ({"decision": "d-local-a-000001", "accepted": True, "comment": 3}, "comment", "a string"),
        ({"decision": "d-local-a-000001", "accepted": True, "rating": 3}, "rating", "not a field"),
    ],
)
async def test_wrong_feedback_names_the_field(
    engine: Engine, recording: Start, body: dict[str, Any], param: str, says: str
) -> None:
    router = await a_router(engine, recording, answers("x"), answers("y"))

    reply = await router.client.post("/v1/feedback", json=body)

    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == param
    assert says in reply.json()["error"]["message"]


async def test_an_unknown_decision_says_where_to_look(engine: Engine, recording: Start) -> None:
    router = await a_router(engine, recording, answers("x"), answers("y"))
    mine = router.dispatcher.ids.pod

    here = await router.client.get(f"/v1/decisions/d-{mine}-{router.dispatcher.ids.process}-0000ff")
    there = await router.client.get("/v1/decisions/d-x7k2p-aaaa-000001")
    none = await router.client.get("/v1/decisions/chatcmpl-1")
    fed = await router.client.post(
        "/v1/feedback", json={"decision": "d-x7k2p-aaaa-000001", "accepted": True}
    )

    assert [reply.status_code for reply in (here, there, none, fed)] == [404] * 4
    assert "never made" in here.json()["error"]["message"]
    assert "pod 'x7k2p' made it" in there.json()["error"]["message"]
    assert "no decision's name" in none.json()["error"]["message"]
    assert fed.json()["error"]["code"] == "decision_elsewhere"


async def test_other_methods_are_refused_with_the_right_one(
    engine: Engine, recording: Start
) -> None:
    router = await a_router(engine, recording, answers("x"), answers("y"))

    reply = await router.client.get("/v1/feedback")

    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
    assert json.loads(reply.text)["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["sorter", "auto"])
async def test_the_record_names_the_pod_that_answered(
    engine: Engine,
    recording: Start,
    model: str,
    stream: bool,  # noqa: FBT001 - a parameter of the story
) -> None:
    pods = [await engine(answers("abcd", SURE)) for _ in range(2)]
    endpoints = tuple(
        Endpoint(pod.url, revision=f"r{number}", pod=f"sorter-{number}")
        for number, pod in enumerate(pods)
    )
    router = await recording(route("sorter", endpoints=endpoints))

    reply = await router.chat("sort dbca", model, stream=stream)

    (asked,) = [number for number, pod in enumerate(pods) if pod.requests]
    (step,) = (await told(router, reply.headers["x-tierwise-decision"]))["steps"]
    assert (step["pod"], step["revision"]) == (f"sorter-{asked}", f"r{asked}")
