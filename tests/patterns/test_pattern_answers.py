"""A request that names a pattern: what the models are asked, and what the client gets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from dispatchers import ADDING, TIERS, Running, general, route
from fake_engine import FakeEngine, Script, Turn, answers, chat, refuses

from tierwise_core.policy_patterns import (
    DualRun,
    EvaluatorOptimizer,
    OnDisagreement,
    OrchestratorWorkers,
    Pattern,
    PatternsPolicy,
    Shadow,
)
from tierwise_core.policy_resilience import QueueRules, ResiliencePolicy
from tierwise_core.route_table import Route, RouteTable
from tierwise_core.router_policy import RouterPolicy
from tierwise_core.tenant import TenantRoute
from tierwise_router.brain import Brain
from tierwise_router.journal import Journal
from tierwise_router.journal_files import Marks, tail

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]
SURE = -0.0001


def obey(
    router: Running,
    routes: Iterable[Route],
    *patterns: Pattern,
    shadows: tuple[Shadow, ...] = (),
    queue: QueueRules | None = None,
    tenants: tuple[TenantRoute, ...] = (),
) -> None:
    policy = RouterPolicy(
        patterns=PatternsPolicy(patterns, shadows),
        resilience=ResiliencePolicy(queue=queue or QueueRules()),
    )
    router.dispatcher.take(Brain.build(RouteTable.of(routes, TIERS, policy, tenants)))


def asked(engine: FakeEngine) -> list[str]:
    """The last message of every request that an engine got."""
    return [str(one.fields["messages"][-1]["content"]) for one in engine.requests]


def content(reply: Any) -> str:
    return str(reply.json()["choices"][0]["message"]["content"])


def says(*texts: str) -> Script:
    """An engine that says one thing after the other, and the last one for ever."""
    left = list(texts)

    async def script(turn: Turn) -> None:
        text = left.pop(0) if len(left) > 1 else left[0]
        await turn.whole(200, json.dumps(chat(text, [SURE])).encode())

    return script


async def workshop(engine: Engine) -> tuple[FakeEngine, FakeEngine, list[Route]]:
    sorter, adder = await engine(answers("abcd", SURE)), await engine(answers("5", SURE))
    return (
        sorter,
        adder,
        [
            route("sorter", sorter.url),
            route("adder", adder.url, field="arithmetic", examples=ADDING),
        ],
    )


async def test_parts_are_answered_by_who_knows_them_and_joined_with_their_sources(
    engine: Engine, run: Run
) -> None:
    sorter, adder, routes = await workshop(engine)
    router = await run(*routes)
    obey(router, routes, Pattern("both", OrchestratorWorkers()))

    reply = await router.chat("1. sort dbca\n2. add 17 and 25", "both", temperature=0)

    assert content(reply) == "sort dbca\nabcd [1]\n\nadd 17 and 25\n5 [2]"
    assert asked(sorter) == ["sort dbca"]
    assert asked(adder) == ["add 17 and 25"]
    assert sorter.requests[0].fields["temperature"] == 0
    told = reply.json()["tierwise"]
    assert [source["specialist"] for source in told["sources"]] == ["demo/sorter", "demo/adder"]
    assert told["complete"] is True
    assert reply.headers["x-tierwise-pattern"] == "both"
    assert 0.5 < float(reply.headers["x-tierwise-confidence"]) < 1


async def test_the_conversation_before_goes_along_with_every_part(engine: Engine, run: Run) -> None:
    sorter, _, routes = await workshop(engine)
    router = await run(*routes)
    obey(router, routes, Pattern("both", OrchestratorWorkers()))
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "- sort dbca\n- add 17 and 25"},
    ]

    await router.client.post("/v1/chat/completions", json={"model": "both", "messages": messages})

    assert [one["content"] for one in sorter.requests[0].fields["messages"]] == [
        "Be brief.",
        "sort dbca",
    ]


async def test_equal_parts_are_asked_once(engine: Engine, run: Run) -> None:
    sorter, _, routes = await workshop(engine)
    router = await run(*routes)
    obey(router, routes, Pattern("both", OrchestratorWorkers()))

    reply = await router.chat("- sort dbca\n- sort dbca", "both")

    assert content(reply) == "abcd"
    assert len(sorter.requests) == 1
    assert reply.json()["usage"] == (await router.chat("sort dbca", "sorter")).json()["usage"]


async def test_a_part_that_fails_is_named_and_the_others_are_kept(engine: Engine, run: Run) -> None:
    sorter = await engine(answers("abcd", SURE))
    broken = await engine(refuses(400, "no such thing"))
    routes = [
        route("sorter", sorter.url),
        route("adder", broken.url, field="arithmetic", examples=ADDING),
    ]
    router = await run(*routes)
    obey(router, routes, Pattern("both", OrchestratorWorkers()))

    reply = await router.chat("- sort dbca\n- add 17 and 25", "both")

    assert reply.status_code == 200
    assert "add 17 and 25\n(no answer: no such thing) [2]" in content(reply)
    assert reply.json()["tierwise"]["complete"] is False
    assert float(reply.headers["x-tierwise-confidence"]) == 0


async def test_a_pattern_without_any_answer_is_an_error(engine: Engine, run: Run) -> None:
    broken = await engine(refuses(400, "no such thing"))
    routes = [route("sorter", broken.url)]
    router = await run(*routes)
    obey(router, routes, Pattern("both", OrchestratorWorkers(workers="sorter")))

    reply = await router.chat("- sort dbca\n- sort hgfe", "both")

    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "no_part_answered"
    assert "no such thing" in reply.json()["error"]["message"]


async def test_a_model_may_take_apart_and_another_may_write(engine: Engine, run: Run) -> None:
    sorter, adder, routes = await workshop(engine)
    planner = await engine(answers('["sort dbca", "add 17 and 25"]', SURE))
    writer = await engine(answers("abcd [1] and 5 [2]", SURE))
    routes += [general("planner", planner.url), general("writer", writer.url)]
    router = await run(*routes)
    rule = OrchestratorWorkers(decomposer="planner", synthesizer="demo/writer")
    obey(router, routes, Pattern("both", rule))

    reply = await router.chat("sort dbca and also add 17 and 25", "both")

    assert content(reply) == "abcd [1] and 5 [2]"
    assert len(asked(sorter)) == len(asked(adder)) == 1
    assert "5 [2]" in asked(writer)[0]
    assert reply.json()["tierwise"]["merged_by"] == "demo/writer"


async def test_a_stream_is_told_how_far_it_has_come(engine: Engine, run: Run) -> None:
    _, _, routes = await workshop(engine)
    router = await run(*routes)
    obey(router, routes, Pattern("both", OrchestratorWorkers(max_parallel=1)))

    reply = await router.chat("- sort dbca\n- add 17 and 25", "both", stream=True)

    events = [one for one in reply.text.split("\n\n") if one]
    assert [one for one in events if one.startswith(":")] == [
        ": both: 2 parts",
        ": both: part 1 of 2: demo/sorter",
        ": both: part 2 of 2: demo/adder",
    ]
    assert events[-1] == "data: [DONE]"
    assert reply.text.count("[DONE]") == 1
    first = json.loads(events[3].removeprefix("data: "))
    assert first["choices"][0]["delta"]["content"].startswith("sort dbca\nabcd [1]")


async def test_an_answer_is_improved_until_the_critic_is_content(engine: Engine, run: Run) -> None:
    writer = await engine(says("old pond", "a frog jumps in"))
    critic = await engine(
        says('{"score": 0.2, "advice": "name the frog"}', '{"score": 0.9, "advice": ""}')
    )
    routes = [general("writer", writer.url), general("critic", critic.url)]
    router = await run(*routes)
    obey(router, routes, Pattern("careful", EvaluatorOptimizer("writer", "critic")))

    reply = await router.chat("a haiku", "careful")

    assert content(reply) == "a frog jumps in"
    assert "name the frog" in asked(writer)[1]
    assert critic.requests[0].fields["response_format"]["type"] == "json_schema"
    told = reply.json()["tierwise"]
    assert told["scores"] == [0.2, 0.9]
    assert told["accepted"] is True


async def test_the_cap_bounds_the_calls_and_the_best_answer_is_used(
    engine: Engine, run: Run
) -> None:
    writer = await engine(says("one", "two", "three"))
    critic = await engine(
        says('{"score": 0.2, "advice": "x"}', '{"score": 0.6, "advice": "y"}', "no idea")
    )
    routes = [general("writer", writer.url), general("critic", critic.url)]
    router = await run(*routes)
    rule = EvaluatorOptimizer("writer", "critic", max_iterations=3)
    obey(router, routes, Pattern("careful", rule))

    reply = await router.chat("a number", "careful")

    assert content(reply) == "two"
    assert len(writer.requests) == len(critic.requests) == 3
    assert reply.json()["tierwise"]["reason"] == "best of 3: score 0.60 < 0.80"


async def test_a_critic_that_fails_costs_nobody_the_answer(engine: Engine, run: Run) -> None:
    writer = await engine(answers("old pond", SURE))
    critic = await engine(refuses(400, "too long"))
    routes = [general("writer", writer.url), general("critic", critic.url)]
    router = await run(*routes)
    obey(router, routes, Pattern("careful", EvaluatorOptimizer("writer", "critic")))

    reply = await router.chat("a haiku", "careful")

    assert content(reply) == "old pond"
    assert reply.json()["tierwise"]["reason"] == "the evaluator failed: too long"


@pytest.mark.parametrize(
    ("on_disagreement", "status", "code"),
    [("Primary", 200, None), ("Abstain", 422, "abstained"), ("HumanReview", 422, "human_review")],
)
async def test_two_that_disagree(
    engine: Engine, run: Run, on_disagreement: OnDisagreement, status: int, code: str | None
) -> None:
    old, new = await engine(answers("5", SURE)), await engine(answers("6", SURE))
    routes = [general("old", old.url), general("new", new.url)]
    router = await run(*routes)
    rule = DualRun("old", "new", on_disagreement=on_disagreement)
    obey(router, routes, Pattern("both", rule))

    reply = await router.chat("add 2 and 3", "both")

    assert reply.status_code == status
    if code is None:
        assert content(reply) == "5"
        assert reply.json()["tierwise"]["agrees"] is False
    else:
        assert reply.json()["error"]["code"] == code
        assert reply.json()["error"]["primary_text"] == "5"


async def test_a_candidate_that_fails_is_nobodys_loss(engine: Engine, run: Run) -> None:
    old, new = await engine(answers("5", SURE)), await engine(refuses(500, "broken"))
    routes = [general("old", old.url), general("new", new.url)]
    router = await run(*routes)
    obey(router, routes, Pattern("both", DualRun("old", "new", on_disagreement="Abstain")))

    reply = await router.chat("add 2 and 3", "both")

    assert content(reply) == "5"
    assert reply.json()["tierwise"]["agrees"] is None


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"n": 2}, "pattern_parameter"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "pattern_parameter"),
        ({"response_format": {"type": "json_object"}}, "pattern_parameter"),
    ],
)
async def test_what_a_pattern_cannot_do_is_said(
    engine: Engine, run: Run, fields: dict[str, Any], code: str
) -> None:
    sorter, _, routes = await workshop(engine)
    router = await run(*routes)
    obey(router, routes, Pattern("both", OrchestratorWorkers()))

    reply = await router.chat("- sort dbca\n- sort hgfe", "both", **fields)

    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == code
    assert reply.json()["error"]["param"] in fields
    assert sorter.requests == []


async def test_patterns_do_not_nest(engine: Engine, run: Run) -> None:
    _, _, routes = await workshop(engine)
    router = await run(*routes)
    rule = OrchestratorWorkers(workers="again")
    obey(router, routes, Pattern("again", rule))

    reply = await router.chat("- sort dbca\n- sort hgfe", "again")

    assert reply.status_code == 400
    assert "patterns do not nest" in reply.json()["error"]["message"]


async def test_a_shadow_is_compared_counted_and_never_shown(engine: Engine, run: Run) -> None:
    old, new = await engine(answers("abcd", SURE)), await engine(answers("abdc", SURE))
    routes = [route("sorter", old.url), route("sorter-v2", new.url, field="other", examples=())]
    router = await run(*routes)
    shadow = Shadow("try", "demo/sorter", "sorter-v2", percent=100)
    obey(router, routes, shadows=(shadow,))

    for fields in ({}, {"stream": True}):
        reply = await router.chat("sort dbca", "sorter", **fields)
        assert "abdc" not in reply.text
    shadows = router.dispatcher.shadows
    assert shadows is not None
    await shadows.settled()

    assert len(new.requests) == 2
    assert not new.requests[1].fields["stream"]
    assert dict(router.dispatcher.tally.comparisons) == {("try", "disagree"): 2}
    scraped = (await router.client.get("/metrics")).text
    assert 'shadow_comparisons_total{outcome="disagree",shadow="try"} 2.0' in scraped


async def test_a_shadows_decision_is_told_from_a_clients(
    engine: Engine, run: Run, tmp_path: Path
) -> None:
    old, new = await engine(answers("abcd", SURE)), await engine(answers("abdc", SURE))
    routes = [route("sorter", old.url), route("sorter-v2", new.url, field="other", examples=())]
    router = await run(*routes)
    obey(router, routes, shadows=(Shadow("try", "demo/sorter", "sorter-v2", percent=100),))
    dispatcher = router.dispatcher
    dispatcher.journal = Journal(tmp_path, dispatcher.ids.process, 1 << 26)

    reply = await router.chat("sort dbca", "sorter")
    assert dispatcher.shadows is not None
    await dispatcher.shadows.settled()
    await asyncio.to_thread(dispatcher.journal.flush)

    decisions = [row for row in tail(tmp_path, Marks()) if row["kind"] == "decision"]
    of = reply.headers["x-tierwise-decision"]
    assert {(row["specialist"], row["pattern"], *row["parts"]) for row in decisions} == {
        ("demo/sorter", ""),
        ("demo/sorter-v2", "shadow", of),
    }


async def test_shadows_beyond_their_number_are_left_out(engine: Engine, run: Run) -> None:
    old = await engine(answers("abcd", SURE))
    routes = [route("sorter", old.url), route("sorter-v2", old.url, field="other", examples=())]
    router = await run(*routes)
    shadow = Shadow("try", "sorter", "sorter-v2", percent=100, max_in_flight=1)
    obey(router, routes, shadows=(shadow,))
    shadows = router.dispatcher.shadows
    assert shadows is not None

    await router.chat("sort dbca", "sorter")
    await router.chat("sort dbca", "sorter")
    await shadows.settled()

    seen = router.dispatcher.tally.comparisons
    assert seen["try", "agree"] + seen["try", "left_out"] == 2


async def test_a_run_does_not_wait_for_the_place_it_takes_itself(engine: Engine, run: Run) -> None:
    _, _, routes = await workshop(engine)
    router = await run(*routes)
    queue = QueueRules(max_in_flight=1)
    obey(router, routes, Pattern("both", OrchestratorWorkers()), queue=queue)

    replies = await asyncio.gather(
        *(router.chat("- sort dbca\n- add 17 and 25", "both") for _ in range(3))
    )

    assert [reply.status_code for reply in replies] == [200, 200, 200]


async def test_a_step_may_ask_whom_its_tenant_may_ask(engine: Engine, run: Run) -> None:
    sorter, adder, routes = await workshop(engine)
    router = await run(*routes)
    digest = sha256(b"key-a").hexdigest()
    tenant = TenantRoute("demo", "team-a", (digest,), specialists=("demo/sorter",))
    obey(router, routes, Pattern("both", OrchestratorWorkers()), tenants=(tenant,))
    router.client.headers["authorization"] = "Bearer key-a"

    reply = await router.chat("- sort dbca\n- add 17 and 25", "both")

    assert "abcd [1]" in content(reply)
    assert "(no answer: " in content(reply)
    assert len(sorter.requests) == 1
    assert adder.requests == []
