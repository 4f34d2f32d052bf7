"""``model: auto`` finds the field, checks the answer, and escalates when it is not sure."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import httpx
from dispatchers import Running, general, route
from fake_engine import (
    FakeEngine,
    Script,
    Turn,
    answers,
    chat,
    dies,
    refuses,
    until_hung_up,
)

from tierwise_router.settings import Settings

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]

SURE, UNSURE = -0.0001, -4.0


def content(reply: httpx.Response) -> str:
    return str(reply.json()["choices"][0]["message"]["content"])


async def pair(engine: Engine, small: Script, large: Script) -> tuple[FakeEngine, FakeEngine]:
    return await engine(small), await engine(large)


def routes(small: FakeEngine, large: FakeEngine, **changes: object) -> tuple[object, ...]:
    return (
        route("sorter", small.url, escalate_to=("demo/frontier",)),
        general("frontier", large.url, **changes),
    )


async def test_a_sure_specialist_answers_alone(engine: Engine, run: Run) -> None:
    small, large = await pair(engine, answers("abcd", SURE), answers("ABCD", SURE))
    router = await run(*routes(small, large))

    reply = await router.chat("sort dbca")

    assert content(reply) == "abcd"
    assert reply.headers["x-tierwise-specialist"] == "demo/sorter"
    assert reply.headers["x-tierwise-tier"] == "small"
    assert float(reply.headers["x-tierwise-confidence"]) > 0.85
    assert float(reply.headers["x-tierwise-cost-usd"]) > 0
    assert not large.requests


async def test_an_unsure_answer_is_escalated_and_the_way_is_told(engine: Engine, run: Run) -> None:
    small, large = await pair(engine, answers("dbca", UNSURE), answers("abcd", SURE))
    router = await run(*routes(small, large))

    reply = await router.chat("sort dbca")

    assert content(reply) == "abcd"
    assert reply.headers["x-tierwise-specialist"] == "demo/frontier"
    sorter, frontier = reply.headers["x-tierwise-path"].split(", ")
    assert sorter.startswith("sorter@small=0.")
    assert sorter.endswith("<0.85")
    assert frontier.startswith("frontier@big=")
    assert router.dispatcher.tally.escalations["demo/sorter", "demo/frontier", "below_floor"] == 1


async def test_what_lies_outside_every_field_goes_to_a_generalist(engine: Engine, run: Run) -> None:
    small, large = await pair(engine, answers("abcd", SURE), answers("Paris", SURE))
    router = await run(*routes(small, large))

    reply = await router.chat("Which city is the capital of France, and since when?")

    assert content(reply) == "Paris"
    assert not small.requests


async def test_logprobs_are_asked_for_and_taken_out_again(engine: Engine, run: Run) -> None:
    small, large = await pair(engine, answers("abcd", SURE), answers("ABCD", SURE))
    router = await run(*routes(small, large))

    reply = await router.chat("sort dbca", temperature=0, seed=7)

    sent = small.requests[0].fields
    assert sent["logprobs"] is True
    assert (sent["model"], sent["temperature"], sent["seed"]) == ("sorter", 0, 7)
    assert reply.json()["choices"][0]["logprobs"] is None


async def test_logprobs_a_client_wants_stay(engine: Engine, run: Run) -> None:
    small, large = await pair(engine, answers("abcd", SURE), answers("ABCD", SURE))
    router = await run(*routes(small, large))

    reply = await router.chat("sort dbca", logprobs=True, top_logprobs=2)

    assert small.requests[0].fields["top_logprobs"] == 2
    assert reply.json()["choices"][0]["logprobs"]["content"][0]["logprob"] == SURE


async def test_a_provider_without_logprobs_is_judged_by_the_prediction(
    engine: Engine, run: Run
) -> None:
    async def script(turn: Turn) -> None:
        if "logprobs" in turn.request.fields:
            await refuses(400, "logprobs are not supported with this model")(turn)
        else:
            await turn.whole(200, json.dumps(chat("Paris")).encode())

    far = await engine(script)
    router = await run(general("frontier", far.url))

    reply = await router.chat("Which city is the capital of France?")

    assert content(reply) == "Paris"
    assert len(far.requests) == 2


async def test_a_failing_specialist_is_passed_over_with_the_reason(
    engine: Engine, run: Run
) -> None:
    small, large = await pair(engine, dies, answers("abcd", SURE))
    router = await run(*routes(small, large))

    reply = await router.chat("sort dbca")

    assert content(reply) == "abcd"
    assert reply.headers["x-tierwise-path"].startswith("sorter@small=failed:upstream_unavailable, ")
    assert router.dispatcher.tally.escalations["demo/sorter", "demo/frontier", "failed"] == 1


async def test_a_question_too_long_for_the_small_one_goes_to_the_large_one(
    engine: Engine, run: Run
) -> None:
    small, large = await pair(
        engine, refuses(400, "maximum context length is 256 tokens"), answers("abcd", SURE)
    )
    router = await run(*routes(small, large))

    reply = await router.chat("sort dbca")

    assert content(reply) == "abcd"
    assert "sorter@small=failed:context_length_exceeded" in reply.headers["x-tierwise-path"]


async def test_the_last_one_s_own_error_reaches_the_client(engine: Engine, run: Run) -> None:
    small, large = await pair(engine, dies, refuses(429, "slow down", "retry-after: 3\r\n"))
    router = await run(*routes(small, large))

    reply = await router.chat("sort dbca")

    assert reply.status_code == 429
    assert reply.headers["retry-after"] == "3"
    assert "frontier@big=failed:status-429" in reply.headers["x-tierwise-path"]


async def test_when_all_are_gone_the_way_is_still_told(engine: Engine, run: Run) -> None:
    small, large = await pair(engine, dies, dies)
    router = await run(*routes(small, large))

    reply = await router.chat("sort dbca")

    assert reply.status_code == 502
    assert reply.headers["x-tierwise-path"] == (
        "sorter@small=failed:upstream_unavailable, frontier@big=failed:upstream_unavailable"
    )


async def test_nobody_sure_is_a_refusal_with_the_way_it_took(engine: Engine, run: Run) -> None:
    small, large = await pair(engine, answers("dbca", UNSURE), answers("?", UNSURE))
    router = await run(*routes(small, large))

    reply = await router.chat("sort dbca")

    assert reply.status_code == 422
    error = reply.json()["error"]
    assert (error["type"], error["code"]) == ("abstained", "abstained")
    assert error["decision"] == reply.headers["x-tierwise-decision"]
    assert [step["specialist"] for step in error["path"]] == ["demo/sorter", "demo/frontier"]
    assert float(reply.headers["x-tierwise-confidence"]) < 0.55


async def test_a_specialist_can_ask_for_a_person_instead(engine: Engine, run: Run) -> None:
    small, large = await pair(engine, answers("dbca", UNSURE), answers("?", UNSURE))
    router = await run(*routes(small, large, on_uncertain="HumanReview"))

    reply = await router.chat("sort dbca")

    assert reply.status_code == 422
    assert reply.json()["error"]["type"] == "human_review"


async def test_nobody_likely_enough_to_be_asked_is_a_refusal_too(engine: Engine, run: Run) -> None:
    small = await engine(answers("abcd", SURE))
    router = await run(route("sorter", small.url))

    reply = await router.chat("who wrote Faust?")

    assert reply.status_code == 422
    error = reply.json()["error"]
    assert (error["type"], error["code"]) == ("abstained", "abstained")
    assert "demo/sorter: " in error["message"]
    assert "add a generalist" in error["message"]
    assert not small.requests


async def test_nobody_likely_enough_can_be_handed_to_a_person(engine: Engine, run: Run) -> None:
    small = await engine(answers("abcd", SURE))
    router = await run(route("sorter", small.url, on_uncertain="HumanReview"))

    reply = await router.client.post(
        "/query", json={"query": "sort dbca", "field": "sorting", "confidence_floor": 0.999}
    )

    assert reply.status_code == 422
    assert reply.json()["error"]["type"] == "human_review"


async def test_the_least_sure_of_several_choices_counts(engine: Engine, run: Run) -> None:
    async def two(turn: Turn) -> None:
        answer = chat("abcd", [SURE])
        answer["choices"] += chat("dbca", [UNSURE])["choices"]
        await turn.whole(200, json.dumps(answer).encode())

    small, large = await pair(engine, two, answers("abcd", SURE))
    router = await run(*routes(small, large))

    reply = await router.chat("sort dbca", n=2)

    assert reply.headers["x-tierwise-specialist"] == "demo/frontier"


async def test_completions_choose_by_their_prompt(engine: Engine, run: Run) -> None:
    small, large = await pair(engine, answers("dbca", UNSURE), answers("abcd", SURE))
    router = await run(*routes(small, large))

    reply = await router.client.post(
        "/v1/completions", json={"model": "auto", "prompt": "sort dbca"}
    )

    assert reply.json()["choices"][0]["text"] == "abcd"
    assert small.requests[0].fields["logprobs"] == 1
    assert reply.headers["x-tierwise-specialist"] == "demo/frontier"


async def test_the_whole_cascade_is_bounded_in_time(engine: Engine, run: Run) -> None:
    small = await engine(until_hung_up(lambda: small))
    large = await engine(answers("abcd", SURE))
    for deadline_s in (0.05, 0.5, 5.0):  # on a busy machine the first may be over too soon
        router = await run(*routes(small, large), settings=Settings(deadline_s=deadline_s))
        reply = await router.chat("sort dbca")
        assert reply.status_code == 504
        if small.requests:
            break

    assert not large.requests
    async with asyncio.timeout(60):
        await small.hung_up.wait()


async def test_nobody_to_ask_says_why(run: Run) -> None:
    router = await run(route("sorter"))

    reply = await router.chat("sort dbca")

    assert reply.status_code == 503
    assert "demo/sorter" in reply.json()["error"]["message"]


async def test_a_query_is_answered_with_its_doubts(engine: Engine, run: Run) -> None:
    small, large = await pair(engine, answers("abcd", SURE), answers("ABCD", SURE))
    router = await run(*routes(small, large))

    told = (
        await router.client.post(
            "/query", json={"query": "sort dbca", "context": "letters", "session_id": "s-1"}
        )
    ).json()

    assert told["answer"] == "abcd"
    assert told["confidence"] > 0.85
    assert told["assertions"] == [
        {"statement": "abcd", "confidence": told["confidence"], "source": "demo/sorter"}
    ]
    assert told["uncertainty_flags"] == []
    assert 0 <= told["U_score"] <= 1
    assert [message["role"] for message in small.requests[0].fields["messages"]] == [
        "system",
        "user",
    ]


async def test_a_query_may_raise_the_floor_and_name_the_field(engine: Engine, run: Run) -> None:
    small, large = await pair(engine, answers("abcd", -0.06), answers("abcd", SURE))
    router = await run(*routes(small, large, confidence_floor=0.5))

    reply = await router.client.post(
        "/query", json={"query": "sort dbca", "field": "sorting", "confidence_floor": 0.999}
    )

    # Nobody reaches 0.999 here: neither the sorter beforehand, nor the frontier.
    assert reply.status_code == 422
    assert not small.requests


async def test_a_query_with_an_unknown_field_is_told_the_known_ones(run: Run) -> None:
    router = await run(route("sorter"))

    reply = await router.client.post("/query", json={"query": "x", "floor": 0.9})

    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "floor"
    assert "confidence_floor" in reply.json()["error"]["message"]
