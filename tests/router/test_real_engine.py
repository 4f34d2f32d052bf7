"""The real vLLM behind the router: its whole surface, streams that are judged, its own counting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from dispatchers import SORTING, Running, general, route
from real_engine import real_engine
from streams import told

from tierwise_router.events import EventReader
from tierwise_router.token_event import read_token

pytestmark = pytest.mark.engine

Run = Callable[..., Awaitable[Running]]


@pytest.fixture(scope="module")
def sorter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real_engine(tmp_path_factory.mktemp("vllm") / "sorter.log") as url:
        yield url


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("vllm") / "embedder.log"
    with real_engine(log, "sorter", "--runner", "pooling", "--convert", "embed") as url:
        yield url


def chat(**fields: object) -> dict[str, Any]:
    messages = [{"role": "user", "content": "sort hgfedcba"}]
    return {"model": "auto", "messages": messages, "temperature": 0, **fields}


def said(events: list[Any]) -> tuple[str, str, str]:
    """What a stream says in all: its text, the tool it calls, and with what."""
    found = [choice["delta"] for event in events for choice in event["choices"]]
    # The first and the last may be empty; the rest must not be there for our sake alone.
    assert all(found[1:-1])
    calls = [call["function"] for delta in found for call in delta.get("tool_calls") or ()]
    return (
        "".join(delta.get("content") or "" for delta in found),
        "".join(call.get("name") or "" for call in calls),
        "".join(call.get("arguments") or "" for call in calls),
    )


async def test_a_sure_stream_flows(sorter: str, run: Run) -> None:
    router = await run(route("sorter", sorter))
    options = {"stream_options": {"include_usage": True}}

    reply = await router.client.post("/v1/chat/completions", json=chat(stream=True, **options))

    stream = told(reply.text)
    assert (stream.text, stream.done) == ("abcdefgh", 1)
    assert float(reply.headers["x-tierwise-confidence"]) > 0.85
    assert stream.usages[-1]["completion_tokens"] == 9
    assert stream.comments[-1].startswith("answered sorter@small=0.9")
    assert all(not choice.get("logprobs") for e in stream.events for choice in e["choices"])


async def test_the_tokens_of_a_stream_are_read_without_parsing(sorter: str) -> None:
    asked = chat(stream=True, logprobs=True, model="sorter")
    async with httpx.AsyncClient(timeout=60) as client:
        reply = await client.post(f"{sorter}/v1/chat/completions", json=asked)

    events = EventReader().feed(reply.content)
    tokens = [token for one in events if (token := read_token(one.data)) is not None]

    # Not the role before them, nor the end behind.
    assert len(tokens) == len("abcdefgh")
    assert all(token.logprob > -0.1 for token in tokens)


async def test_a_doubtful_stream_is_escalated(sorter: str, run: Run) -> None:
    # The sorter takes letters of the wording along, and its tokens show that it doubts them.
    question = "Now give the letters of uetcpso in alphabetical order."
    examples = (question, "now give the letters of abc in alphabetical order", *SORTING)
    router = await run(
        route("sorter", sorter, examples=examples, escalate_to=("demo/frontier",)),
        general("frontier", sorter, upstream_model="sorter", confidence_floor=0.0),
    )
    messages = [{"role": "user", "content": question}]

    reply = await router.client.post(
        "/v1/chat/completions", json=chat(stream=True, messages=messages)
    )

    stream = told(reply.text)
    assert stream.comments[0].startswith("escalated sorter@small -> frontier@big (0.")
    assert stream.text == "ceefioopstuv"
    assert stream.done == 1


async def test_two_choices_with_seed_and_stop_stream(sorter: str, run: Run) -> None:
    router = await run(route("sorter", sorter))
    body = {
        "model": "auto", "prompt": "sort hgfedcba=", "n": 2, "seed": 3, "stop": ["f"],
        "stream": True, "logprobs": 1, "max_tokens": 12, "temperature": 0.1,
    }  # fmt: skip

    stream = told((await router.client.post("/v1/completions", json=body)).text)

    choices = [choice for event in stream.events for choice in event["choices"]]
    texts = ["".join(c["text"] for c in choices if c["index"] == index) for index in (0, 1)]
    assert texts == ["abcde", "abcde"]
    assert all(choice["logprobs"]["token_logprobs"] for choice in choices if choice["text"])


async def test_structured_output_and_tools_stream_through_a_cascade(sorter: str, run: Run) -> None:
    router = await run(route("sorter", sorter, confidence_floor=0.0))
    schema = {"type": "object", "properties": {"o": {"enum": ["up"]}}, "required": ["o"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "o", "schema": schema}}
    tool = {"type": "function", "function": {"name": "order", "parameters": schema}}

    named = {"type": "function", "function": {"name": "order"}}
    for asked in (
        {"response_format": wanted, "max_tokens": 40},
        {"tools": [tool], "tool_choice": named, "max_tokens": 140},
    ):
        replies = [
            await router.client.post(
                "/v1/chat/completions", json=chat(model=model, stream=True, **asked)
            )
            for model in ("auto", "sorter")
        ]
        judged, straight = (said(told(reply.text).events) for reply in replies)
        assert judged == straight
        assert any(judged)


@pytest.mark.parametrize("stream", [False, True])
async def test_auto_answers_responses(sorter: str, run: Run, *, stream: bool) -> None:
    router = await run(route("sorter", sorter))
    body = {"model": "auto", "input": "sort hgfedcba", "temperature": 0, "stream": stream}

    reply = await router.client.post("/v1/responses", json=body)

    assert reply.status_code == 200, reply.text
    assert float(reply.headers["x-tierwise-confidence"]) > 0.85
    if stream:
        events = told(reply.text).events
        assert "".join(e["delta"] for e in events if e["type"].endswith("text.delta")) == "abcdefgh"
        assert events[-1]["type"] == "response.completed"
        assert '"logprob":' not in reply.text
    else:
        (item,) = reply.json()["output"]
        assert (item["content"][0]["text"], item["content"][0]["logprobs"]) == ("abcdefgh", [])


async def test_tokens_go_both_ways(sorter: str, run: Run) -> None:
    router = await run(route("sorter", sorter))

    asked = {"model": "sorter", "prompt": "sort dbca="}
    tokens = (await router.client.post("/tokenize", json=asked)).json()
    back = await router.client.post(
        "/detokenize", json={"model": "sorter", "tokens": tokens["tokens"]}
    )

    assert tokens["count"] == len(tokens["tokens"]) > 9
    assert back.json()["prompt"].endswith("sort dbca=")


async def test_anthropic_s_protocol_passes(sorter: str, run: Run) -> None:
    router = await run(route("sorter", sorter))
    messages = [{"role": "user", "content": "sort dbca"}]
    body = {"model": "sorter", "max_tokens": 9, "messages": messages, "temperature": 0}

    reply = await router.client.post("/v1/messages", json=body)

    assert reply.json()["content"][0]["text"] == "abcd"


@pytest.mark.parametrize("told_limit", [256, 0])
async def test_what_is_too_long_is_a_bad_request_by_our_count_and_by_the_engine_s(
    sorter: str, run: Run, told_limit: int
) -> None:
    router = await run(route("sorter", sorter, context_tokens=told_limit))
    messages = [{"role": "user", "content": "sort " + "dbca" * 75}]

    reply = await router.client.post(
        "/v1/chat/completions", json=chat(model="sorter", messages=messages)
    )

    error = reply.json()["error"]
    assert reply.status_code == 400
    assert error["code"] == "context_length_exceeded"
    assert "256" in error["message"]
    if told_limit:
        assert "307 prompt tokens" in error["message"]


async def test_vectors_scores_and_orders_pass(embedder: str, run: Run) -> None:
    router = await run(route("sorter", embedder, tasks=("embed", "score")))
    texts = ["abc", "abd", "17+25"]
    asked: list[tuple[str, dict[str, Any]]] = [
        ("/v1/embeddings", {"input": texts}),
        ("/pooling", {"input": texts}),
        ("/score", {"text_1": "abc", "text_2": texts}),
        ("/v1/score", {"text_1": "abc", "text_2": texts}),
        ("/rerank", {"query": "abc", "documents": texts}),
        ("/v1/rerank", {"query": "abc", "documents": texts}),
        ("/v2/rerank", {"query": "abc", "documents": texts}),
    ]

    for path, fields in asked:
        body = {"model": "sorter", **fields}
        through = await router.client.post(path, json=body)
        direct = await router.client.post(f"{embedder}{path}", json=body)
        assert through.status_code == direct.status_code == 200, (path, through.text)
        kept = ("data", "results", "usage")
        assert [through.json().get(name) for name in kept] == [
            direct.json().get(name) for name in kept
        ]

    refused = await router.client.post("/v1/embeddings", json={"model": "auto", "input": "a"})
    assert refused.json()["error"]["message"].endswith("name one: sorter")
