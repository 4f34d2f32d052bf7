"""What a Specialist's verifiers say decides, beside its tokens, whether an answer counts."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import pytest
from dispatchers import Running, general, route
from fake_engine import FakeEngine, Script, Turn, answers

from tierwise_core.provider import Requirements
from tierwise_core.route_table import Route, RouteTable
from tierwise_core.tenant import TenantRoute
from tierwise_core.verifier_spec import BUILT_IN, VerifierSpec
from tierwise_router.brain import Brain
from tierwise_router.lease import Ask, Lease
from tierwise_router.verifiers.check import Draft
from tierwise_router.verifiers.schema import check_schema

Engine = Callable[[Script], Awaitable[FakeEngine]]
Start = Callable[..., Awaitable[Running]]
SURE = -0.0001
NUMERIC = (BUILT_IN["numeric"],)


def says(word: dict[str, Any], status: int = 200) -> Script:
    async def script(turn: Turn) -> None:
        await turn.whole(status, json.dumps(word).encode())

    return script


async def a_router(
    engine: Engine, recording: Start, answer: str, verifiers: tuple[VerifierSpec, ...], *others: Any
) -> Running:
    small, large = await engine(answers(answer, SURE)), await engine(answers("42", SURE))
    return await recording(
        route("sorter", small.url, escalate_to=("demo/frontier",), verifiers=verifiers),
        general("frontier", large.url),
        *others,
    )


async def answered_by(router: Running, **fields: Any) -> tuple[str, dict[str, Any]]:
    reply = await router.chat("sort dbca", **fields)
    decision = reply.headers["x-tierwise-decision"]
    row = (await router.client.get(f"/v1/decisions/{decision}")).json()
    return reply.headers["x-tierwise-specialist"], row


@pytest.mark.parametrize("how", ["whole", "streamed"])
async def test_an_answer_of_the_wrong_form_is_passed_on_however_sure_its_tokens_are(
    engine: Engine, recording: Start, how: str
) -> None:
    router = await a_router(engine, recording, "about 42", NUMERIC)

    who, row = await answered_by(router, stream=how == "streamed")

    assert who == "demo/frontier"
    assert row["steps"][0]["confidence"] == 0.0
    assert row["steps"][0]["verified"] is False
    assert row["steps"][0]["checks"][0]["detail"] == "'about 42' is no number"


async def test_an_answer_of_the_right_form_is_no_surer_for_it(
    engine: Engine, recording: Start
) -> None:
    router = await a_router(engine, recording, "42", NUMERIC)
    plain = await a_router(engine, recording, "42", ())

    who, checked = await answered_by(router)
    _, unchecked = await answered_by(plain)

    assert who == "demo/sorter"
    assert checked["steps"][0]["verified"] is True
    assert checked["steps"][0]["confidence"] == unchecked["steps"][0]["confidence"]


@pytest.mark.parametrize(
    ("text", "who"), [('{"total": 3}', "demo/sorter"), ('{"sum": 3}', "demo/frontier")]
)
async def test_the_schema_that_the_request_asks_for_is_checked(
    engine: Engine, recording: Start, text: str, who: str
) -> None:
    schema = {"type": "object", "required": ["total"]}
    router = await a_router(engine, recording, text, (BUILT_IN["json-schema"],))
    asked = {"type": "json_schema", "json_schema": {"name": "sum", "schema": schema}}

    assert (await answered_by(router, response_format=asked))[0] == who


def test_a_request_s_own_schema_runs_no_pattern_and_fetches_nothing() -> None:
    spec = BUILT_IN["json-schema"]

    def check(schema: Any, text: str) -> Any:
        asked = {"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}
        return check_schema(spec, Draft(text, asked))

    evil = {"type": "string", "pattern": "^(a+)+$"}
    assert check(evil, json.dumps("a" * 60 + "!")).passed is True
    leading_out = check({"$ref": "http://127.0.0.1:9/schema"}, "{}")
    assert (leading_out.passed, leading_out.failed) == (None, True)
    assert check({"type": "no such type"}, "{}").failed


@pytest.mark.parametrize(
    ("word", "status", "who"),
    [
        ({"accepted": True}, 200, "demo/sorter"),
        ({"accepted": False, "detail": "not sorted"}, 200, "demo/frontier"),
        ({"accepted": True, "confidence": 0.01}, 200, "demo/frontier"),
        ({"accepted": "yes"}, 200, "demo/frontier"),
        ({}, 500, "demo/frontier"),
    ],
)
async def test_a_service_of_the_platform_decides(
    engine: Engine, recording: Start, word: dict[str, Any], status: int, who: str
) -> None:
    service = await engine(says(word, status))
    spec = VerifierSpec("shop", "http", url=f"{service.url}/check/answer")
    router = await a_router(engine, recording, "abcd", (spec,))

    found, row = await answered_by(router)

    assert found == who
    assert service.requests[0].path == "/check/answer"
    assert service.requests[0].fields == {
        "verifier": "shop",
        "specialist": "demo/sorter",
        "question": "sort dbca",
        "answer": "abcd",
    }
    assert row["calls"] == len(row["steps"]) + 1


async def test_a_service_that_is_away_accepts_nothing_unless_it_is_to_be_ignored(
    engine: Engine, recording: Start
) -> None:
    away = VerifierSpec("shop", "http", url="http://127.0.0.1:9/")
    ignored = VerifierSpec("shop", "http", url="http://127.0.0.1:9/", on_failure="Ignore")

    strict = await a_router(engine, recording, "abcd", (away,))
    lenient = await a_router(engine, recording, "abcd", (ignored,))

    assert (await answered_by(strict))[0] == "demo/frontier"
    assert (await answered_by(lenient))[0] == "demo/sorter"


@pytest.mark.parametrize(
    ("verdict", "who"),
    [
        ("Yes, it is.", "demo/sorter"),
        ("no: c comes before d", "demo/frontier"),
        ("well", "demo/frontier"),
    ],
)
async def test_another_specialist_judges_and_is_paid_for(
    engine: Engine, recording: Start, verdict: str, who: str
) -> None:
    judge = await engine(answers(verdict, SURE))
    spec = VerifierSpec("judge", "llm-judge", specialist="demo/judge", trust=0.9)
    router = await a_router(
        engine, recording, "abcd", (spec,), general("judge", judge.url, field="judging")
    )

    found, row = await answered_by(router)

    assert found == who
    assert len(judge.requests) == 1
    assert "abcd" in judge.requests[0].fields["messages"][0]["content"]
    assert row["cost_usd"] > sum(step["cost_usd"] for step in row["steps"])


def of_team(router: Running, **changes: Any) -> dict[str, str]:
    """Let one tenant in, and give the headers of its requests."""
    team = TenantRoute("demo", "team", (sha256(b"key").hexdigest(),), **changes)
    table = router.dispatcher.current_brain().table
    routes, tiers = table.routes.values(), table.tiers.values()
    router.dispatcher.take(Brain.build(RouteTable.of(routes, tiers, table.policy, [team])))
    return {"authorization": "Bearer key"}


async def judged(router: Running, headers: dict[str, str]) -> dict[str, Any]:
    body = {"model": "auto", "messages": [{"role": "user", "content": "sort dbca"}]}
    reply = await router.client.post("/v1/chat/completions", json=body, headers=headers)
    seen = f"/v1/decisions/{reply.headers['x-tierwise-decision']}"
    row: dict[str, Any] = (await router.client.get(seen, headers=headers)).json()
    return row


async def test_a_judge_waits_in_the_tenant_s_turn_though_the_tenant_may_not_name_it(
    engine: Engine, recording: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = await engine(answers("yes", SURE))
    spec = VerifierSpec("judge", "llm-judge", specialist="demo/judge", trust=0.9)
    router = await a_router(
        engine, recording, "abcd", (spec,), general("judge", judge.url, field="judging")
    )
    headers = of_team(router, specialists=("demo/sorter", "demo/frontier"))
    asked: list[tuple[str, str]] = []
    dispatch = router.dispatcher.dispatch
    ask = dispatch.ask

    async def noting(route: Route, wanted: Ask) -> Lease:
        asked.append((route.key, wanted.admitted.tenant_key))
        return await ask(route, wanted)

    monkeypatch.setattr(dispatch, "ask", noting)

    row = await judged(router, headers)

    assert asked == [("demo/sorter", "demo/team"), ("demo/judge", "demo/team")]
    assert row["steps"][0]["verified"] is True


async def test_a_judge_reads_nothing_that_the_tenant_keeps_within_its_region(
    engine: Engine, recording: Start
) -> None:
    judge = await engine(answers("yes", SURE))
    spec = VerifierSpec("judge", "llm-judge", specialist="demo/judge", trust=0.9)
    abroad = general("judge", judge.url, field="judging", external=True, region="us")
    small = await engine(answers("abcd", SURE))
    here = route("sorter", small.url, verifiers=(spec,), region="eu")
    router = await recording(here, abroad)
    headers = of_team(router, requirements=Requirements.of(regions=["eu"]))

    row = await judged(router, headers)

    assert judge.requests == []
    assert "may not read this: its region is us" in str(row["steps"][0])


async def test_nobody_is_asked_about_an_answer_that_is_refused_already(
    engine: Engine, recording: Start
) -> None:
    service = await engine(says({"accepted": True}))
    shop = VerifierSpec("shop", "http", url=service.url)
    router = await a_router(engine, recording, "about 42", (shop, *NUMERIC))

    await answered_by(router)

    assert service.requests == []
