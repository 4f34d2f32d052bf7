"""A candidate that answers unseen: nobody is shown it, nobody waits, and it counts as evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from dispatchers import general
from fake_engine import FakeEngine, Script, Turn, answers, dies, refuses
from two_sides import Tell

from tierwise_core.decision_story import story
from tierwise_core.route_split import Split
from tierwise_core.route_table import AdapterRoute
from tierwise_core.verifier_spec import VerifierSpec
from tierwise_core.windows import interaction_of

Engine = Callable[[Script], Awaitable[FakeEngine]]
SURE, UNSURE = -0.0001, -4.0


async def test_green_answers_too_and_nobody_is_shown_it(tell: Tell) -> None:
    told = await tell(answers("abcd", SURE), answers("dcba", SURE))

    reply = await told.router.chat("sort dbca")

    assert reply.json()["choices"][0]["message"]["content"] == "abcd"
    (shadow,) = await told.shadows()
    (step,) = shadow.steps
    assert (step.side, step.revision, step.verdict) == ("green", "rev-g", "accept")
    assert shadow.parts == (reply.headers["x-tierwise-decision"],)
    assert (shadow.state, shadow.field, shadow.cost_usd > 0) == ("accepted", "sorting", True)
    seen = interaction_of(shadow, 0)
    assert seen is not None
    assert (seen.accepted, seen.source) == (True, "gate")
    (row,) = await told.of_kind("comparison")
    assert (row["outcome"], row["shadow"]) == ("disagree", "sorter-v2")
    said = story(shadow)[0].lines
    assert any("nobody was shown it" in line for line in said)


async def test_green_gets_the_questions_that_blue_was_not_sure_of(
    tell: Tell, engine: Engine
) -> None:
    """Or it would look better than it is: it must not get the easy ones alone."""
    frontier = await engine(answers("abcd", SURE))
    told = await tell(
        answers("?", UNSURE), answers("?", UNSURE), general("frontier", frontier.url),
        escalate_to=("demo/frontier",),
    )  # fmt: skip

    reply = await told.router.chat("sort dbca")

    assert reply.headers["x-tierwise-specialist"] == "demo/frontier"
    (shadow,) = await told.shadows()
    # Had it been asked for real, somebody would have stood behind it.
    assert [step.verdict for step in shadow.steps] == ["escalate"]
    seen = interaction_of(shadow, 0)
    assert seen is not None
    assert (seen.accepted, seen.escalated) == (False, True)


@pytest.mark.parametrize("wishes", [{}, {"stream": True}])
async def test_a_request_by_name_is_repeated_without_a_judgement(
    tell: Tell, wishes: dict[str, Any]
) -> None:
    told = await tell(answers("abcd"), answers("abcd"), adapters=(AdapterRoute("acme"),))

    for model in ("sorter", "sorter:acme"):
        await told.router.chat("sort dbca", model, **wishes)

    shadows = await told.shadows()
    assert [shadow.state for shadow in shadows] == ["relayed", "relayed"]
    assert {shadow.steps[0].adapter for shadow in shadows} == {"", "acme"}
    assert [row["outcome"] for row in await told.of_kind("comparison")] == ["agree", "agree"]
    assert all(request.fields.get("stream") in {None, False} for request in told.green.requests)


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        (dies, "upstream_unavailable"),
        (refuses(500, "no"), "status-500"),
        (refuses(502, "no"), "status-502"),  # which no request brings about, so each one counts
    ],
)
@pytest.mark.parametrize("model", ["auto", "sorter"])
async def test_what_green_fails_at_is_greens_alone(
    tell: Tell, script: Script, failure: str, model: str
) -> None:
    told = await tell(answers("abcd", SURE), script)

    replies = []
    for number in range(30):
        replies.append(await told.router.chat(f"sort dbca {number}", model))
        await told.router.app.unseen.settled()

    assert {reply.status_code for reply in replies} == {200}
    first = (await told.shadows())[0]
    assert [(step.side, step.failure) for step in first.steps] == [("green", failure)]
    assert first.state == "failed"
    guard = told.router.dispatcher.dispatch.guard(
        told.router.dispatcher.current_brain().table.routes["demo/sorter"]
    )
    assert str(guard.breaker.state) == "closed"
    assert len(told.blue.requests) == 30


async def test_a_full_house_leaves_shadows_out(tell: Tell) -> None:
    opened = asyncio.Event()

    async def slow(turn: Turn) -> None:
        await opened.wait()
        await answers("abcd", SURE)(turn)

    told = await tell(answers("abcd", SURE), slow)
    told.router.app.unseen.most = 1

    for _ in range(3):
        assert (await told.router.chat("sort dbca")).status_code == 200
    opened.set()

    assert len(await told.shadows()) == 1
    assert told.router.dispatcher.tally.comparisons["sorter-v2", "left_out"] == 2


async def test_a_share_is_repeated_and_green_itself_never(tell: Tell) -> None:
    told = await tell(
        answers("abcd", SURE), answers("abcd", SURE), split=Split("sorter-v2", 50, 50)
    )
    told.router.app.unseen.most = 1000

    replies = [await told.router.chat(f"sort {number}", "sorter") for number in range(60)]

    shadowed = {shadow.parts[0] for shadow in await told.shadows()}
    by_green = {
        one.headers["x-tierwise-decision"]
        for one in replies
        if one.headers["x-tierwise-side"] == "green"
    }
    assert not shadowed & by_green
    assert 0 < len(shadowed) < 40


async def test_without_a_share_nothing_is_repeated(tell: Tell) -> None:
    told = await tell(answers("a", SURE), answers("b", SURE), split=Split("sorter-v2", 0, 0))

    await told.router.chat("sort dbca")

    assert not await told.shadows()
    assert not told.green.requests


async def test_verifiers_look_at_a_shadow_too(tell: Tell) -> None:
    verifiers = (VerifierSpec("letters", "regex", pattern="^[a-d]+$"),)
    told = await tell(answers("abcd", SURE), answers("xyz", SURE), verifiers=verifiers)

    assert (await told.router.chat("sort dbca")).status_code == 200

    (shadow,) = await told.shadows()
    seen = interaction_of(shadow, 0)
    assert seen is not None
    assert (seen.accepted, seen.source) == (False, "verifier")


async def test_a_verifier_that_is_not_heard_of_a_shadow_speaks_against_nobody(
    tell: Tell, engine: Engine
) -> None:
    """It is asked behind everybody who waits; blue's answer was judged in its request's turn."""
    asked = 0

    async def once(turn: Turn) -> None:
        nonlocal asked
        asked += 1
        await (turn.whole(200, b'{"accepted": true}') if asked == 1 else dies(turn))

    shop = VerifierSpec("shop", "http", url=(await engine(once)).url)
    told = await tell(answers("abcd", SURE), answers("abcd", SURE), verifiers=(shop,))

    assert (await told.router.chat("sort dbca")).status_code == 200

    (shadow,) = await told.shadows()
    seen = interaction_of(shadow, 0)
    assert seen is not None
    assert (seen.accepted, seen.source, seen.escalated) == (None, "", False)
    assert shadow.steps[0].checks[0]["passed"] is None


async def test_a_query_is_repeated_too(tell: Tell) -> None:
    told = await tell(answers("abcd", SURE), answers("abcd", SURE))

    reply = await told.router.client.post("/query", json={"query": "sort dbca"})

    assert reply.json()["answer"] == "abcd"
    assert [shadow.state for shadow in await told.shadows()] == ["accepted"]
    assert [row["outcome"] for row in await told.of_kind("comparison")] == ["agree"]
