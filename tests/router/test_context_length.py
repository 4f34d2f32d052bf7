"""What is too long for a model is caught before it is sent, and goes where there is room."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest
from dispatchers import Running, general, route
from fake_engine import FakeEngine, Script, Turn, answers, refuses
from streams import SURE

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]


def counts(text: str, bytes_per_token: float = 1.0) -> Script:
    """An engine that counts, as vLLM does, and answers."""

    async def script(turn: Turn) -> None:
        if turn.request.path != "/tokenize":
            await answers(text, SURE)(turn)
            return
        said = turn.request.fields["messages"][-1]["content"]
        count = int(len(said) / bytes_per_token)
        await turn.whole(200, json.dumps({"count": count, "max_model_len": 256}).encode())

    return script


def paths(engine: FakeEngine) -> list[str]:
    return [request.path for request in engine.requests]


LONG = "sort " + "dbca" * 75  # 305 characters


async def test_a_short_request_is_not_counted(engine: Engine, run: Run) -> None:
    small = await engine(counts("abcd"))
    router = await run(route("sorter", small.url, context_tokens=256))

    for model in ("auto", "sorter"):
        await router.chat("sort dbca", model, max_tokens=16)

    assert paths(small) == ["/v1/chat/completions"] * 2


async def test_one_that_may_not_fit_is_counted_by_the_engine(engine: Engine, run: Run) -> None:
    small = await engine(counts("abcd", bytes_per_token=4.0))
    router = await run(route("sorter", small.url, context_tokens=256))

    reply = await router.chat(LONG, "sorter", tools=[{"type": "function"}])

    assert reply.status_code == 200
    assert paths(small) == ["/tokenize", "/v1/chat/completions"]
    asked = small.requests[0].fields
    assert set(asked) == {"model", "messages", "tools"}


async def test_by_name_it_is_a_bad_request_in_numbers(engine: Engine, run: Run) -> None:
    small = await engine(counts("abcd"))
    router = await run(
        route("sorter", small.url, context_tokens=256), general("frontier", context_tokens=512)
    )

    reply = await router.chat(LONG, "sorter", max_tokens=16)

    error = reply.json()["error"]
    assert reply.status_code == 400
    assert (error["code"], error["param"]) == ("context_length_exceeded", "messages")
    assert error["message"] == (
        "model 'demo/sorter' has a maximum context length of 256 tokens; this request has 305 "
        "prompt tokens and wants up to 16 more (max_tokens); shorten it, or ask one with more "
        "room: demo/frontier (512)"
    )
    assert paths(small) == ["/tokenize"]


async def test_a_prompt_that_fits_with_too_large_an_answer_does_not(
    engine: Engine, run: Run
) -> None:
    small = await engine(counts("abcd"))
    router = await run(route("sorter", small.url, context_tokens=256))

    reply = await router.chat("sort dbca", "sorter", max_tokens=250)

    assert reply.status_code == 400
    assert "9 prompt tokens and wants up to 250 more" in reply.json()["error"]["message"]


async def test_auto_goes_to_who_has_room(engine: Engine, run: Run) -> None:
    small, large = await engine(counts("abcd")), await engine(answers("ABCD", SURE))
    router = await run(
        route("sorter", small.url, escalate_to=("demo/frontier",), context_tokens=256),
        general("frontier", large.url, context_tokens=4096),
    )

    reply = await router.chat(LONG)

    assert reply.status_code == 200
    assert reply.headers["x-tierwise-specialist"] == "demo/frontier"
    assert reply.headers["x-tierwise-path"].startswith(
        "sorter@small=failed:context_length_exceeded, frontier@big="
    )


async def test_auto_does_not_even_plan_what_surely_does_not_fit(engine: Engine, run: Run) -> None:
    small, large = await engine(counts("abcd")), await engine(answers("ABCD", SURE))
    router = await run(
        route("sorter", small.url, escalate_to=("demo/frontier",), context_tokens=256),
        general("frontier", large.url, context_tokens=4096),
    )

    reply = await router.chat("sort dbca" * 600)

    assert reply.headers["x-tierwise-path"].startswith("frontier@big=")
    assert not small.requests


async def test_a_plan_is_made_again_with_the_count(engine: Engine, run: Run) -> None:
    """By the estimate of four bytes a token both would do; counted, only the third does."""
    small, middle = await engine(counts("abcd")), await engine(counts("abcd"))
    large = await engine(answers("ABCD", SURE))
    router = await run(
        route("sorter", small.url, escalate_to=("demo/middle",), context_tokens=256),
        general("middle", middle.url, context_tokens=300, escalate_to=("demo/frontier",)),
        general("frontier", large.url, context_tokens=4096),
    )

    reply = await router.chat(LONG)

    assert reply.status_code == 200
    assert reply.headers["x-tierwise-specialist"] == "demo/frontier"


async def test_too_long_for_everybody_is_a_bad_request(engine: Engine, run: Run) -> None:
    small, large = await engine(counts("abcd")), await engine(counts("ABCD"))
    router = await run(
        route("sorter", small.url, escalate_to=("demo/frontier",), context_tokens=256),
        general("frontier", large.url, context_tokens=300),
    )

    counted = await router.chat(LONG)
    estimated = await router.chat("sort dbca" * 600)

    for reply in (counted, estimated):
        assert reply.status_code == 400
        assert reply.json()["error"]["code"] == "context_length_exceeded"
    assert "305 prompt tokens" in counted.json()["error"]["message"]
    message = estimated.json()["error"]["message"]
    assert "maximum context length is 300 tokens, that of demo/frontier" in message


async def test_a_query_too_long_for_everybody_too(engine: Engine, run: Run) -> None:
    small = await engine(counts("abcd"))
    router = await run(general("sorter", small.url, context_tokens=256))

    reply = await router.client.post("/query", json={"query": "sort dbca" * 600})

    assert reply.json()["error"]["code"] == "context_length_exceeded"


async def test_pictures_are_not_counted_as_text(engine: Engine, run: Run) -> None:
    seer = await engine(answers("a cat", SURE))
    router = await run(general("seer", seer.url, context_tokens=4096))
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 99_000}}
    content = [{"type": "text", "text": "what is this?"}, picture]

    reply = await router.client.post(
        "/v1/chat/completions",
        json={"model": "auto", "messages": [{"role": "user", "content": content}]},
    )

    assert reply.status_code == 200
    assert seer.requests[-1].fields["messages"][0]["content"] == content
    assert "/tokenize" not in paths(seer)


@pytest.mark.parametrize("extra", [{"truncate_prompt_tokens": 64}])
async def test_who_wants_the_prompt_cut_is_not_refused(
    engine: Engine, run: Run, extra: dict[str, object]
) -> None:
    small = await engine(counts("abcd"))
    router = await run(route("sorter", small.url, context_tokens=256))

    assert (await router.chat(LONG, "sorter", **extra)).status_code == 200


async def test_an_engine_that_cannot_count_judges_for_itself(engine: Engine, run: Run) -> None:
    small = await engine(refuses(404, "Not Found"))
    router = await run(route("sorter", small.url, context_tokens=256))

    await router.chat(LONG, "sorter")

    assert paths(small) == ["/tokenize", "/v1/chat/completions"]


async def test_what_was_counted_spares_the_next_count(engine: Engine, run: Run) -> None:
    small = await engine(counts("abcd", bytes_per_token=4.0))
    router = await run(route("sorter", small.url, context_tokens=256))

    for _ in range(9):
        await router.chat(LONG, "sorter")

    assert paths(small).count("/tokenize") == 8


@pytest.mark.parametrize("model", ["sorter", "auto"])
async def test_an_engine_s_own_words_get_the_code(engine: Engine, run: Run, model: str) -> None:
    words = "This model's maximum context length is 8 tokens. However, you requested 9 tokens"
    small = await engine(refuses(400, words))
    router = await run(route("sorter", small.url))

    reply = await router.chat("sort dbca", model)

    error = reply.json()["error"]
    assert reply.status_code == 400
    assert (error["code"], error["message"]) == ("context_length_exceeded", words)
