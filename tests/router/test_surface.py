"""Every path that models answer at passes through by name, as it is."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from dispatchers import Running, general, route
from fake_engine import FakeEngine, Script, Turn, piece, sse, usage_of
from streams import SURE, told

from tierwise_core.route_table import Price
from tierwise_router.surface import PATHS

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]

ODD = b'{"data": [{"embedding": [1.0,  -2e3]}],   "usage": {"prompt_tokens": 4}}'


async def odd(turn: Turn) -> None:
    await turn.whole(200, ODD)


@pytest.mark.parametrize("path", [path for path in PATHS if not path.startswith("/v1/audio/tr")])
async def test_both_ways_byte_for_byte(engine: Engine, run: Run, path: str) -> None:
    pod = await engine(odd)
    router = await run(route("sorter", pod.url))
    body = b'{ "model":"sorter", "messages":[{"role":"user","content":"\\u0064"}],"x_new":1e2 }'

    reply = await router.client.post(path, content=body)

    assert reply.content == ODD
    assert pod.requests[0].body == body
    assert reply.headers["x-tierwise-specialist"] == "demo/sorter"


@pytest.mark.parametrize(
    ("path", "pod_path", "provider_path"),
    [
        ("/v1/embeddings", "/v1/embeddings", "/api/v1/embeddings"),
        ("/rerank", "/v1/rerank", "/api/v1/rerank"),
        ("/v2/rerank", "/v1/rerank", "/api/v1/rerank"),
        ("/score", "/v1/score", "/api/v1/score"),
        ("/tokenize", "/tokenize", "/api/tokenize"),
        ("/v2/embed", "/v2/embed", "/api/v2/embed"),
        ("/inference/v1/generate", "/inference/v1/generate", "/api/inference/v1/generate"),
        ("/v1/responses", "/v1/responses", "/api/v1/responses"),
    ],
)
async def test_where_an_upstream_has_it(
    engine: Engine, run: Run, path: str, pod_path: str, provider_path: str
) -> None:
    pod, provider = await engine(odd), await engine(odd)
    far = general("far", f"{provider.url}/api/v1", external=True, upstream_model="x-1", tier="")
    router = await run(route("sorter", pod.url), far)

    for name in ("sorter", "far"):
        await router.client.post(path, json={"model": name, "input": "a"})

    assert pod.requests[0].path == pod_path
    assert provider.requests[0].path == provider_path
    assert provider.requests[0].fields == {"model": "x-1", "input": "a"}


UPLOAD = {
    "model": (None, "whisper"),
    "language": (None, "de"),
    "file": ("a.wav", b"\x00\r\n--x\xff"),
}


async def test_an_upload_goes_through_byte_for_byte(engine: Engine, run: Run) -> None:
    pod = await engine(odd)
    router = await run(route("whisper", pod.url))
    asked = router.client.build_request("POST", "/v1/audio/transcriptions", files=UPLOAD)
    asked.read()

    reply = await router.client.send(asked)

    assert reply.content == ODD
    assert pod.requests[0].body == asked.content
    assert pod.requests[0].headers["content-type"] == asked.headers["content-type"]


async def test_an_upload_names_the_model_as_its_provider_does(engine: Engine, run: Run) -> None:
    provider = await engine(odd)
    far = general("whisper", f"{provider.url}/v1", external=True, upstream_model="w-large", tier="")
    router = await run(far)
    asked = router.client.build_request("POST", "/v1/audio/transcriptions", files=UPLOAD)
    asked.read()

    await router.client.send(asked)

    assert provider.requests[0].body == asked.content.replace(b"whisper", b"w-large")


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"junk", "multipart/form-data; boundary=x", "invalid_form"),
        (b"--x\r\nno end", "multipart/form-data; boundary=x", "invalid_form"),
        (b"--x--", "multipart/form-data; boundary=x", "missing_field"),
        (b"junk", "multipart/form-data", "invalid_json"),
    ],
)
async def test_a_broken_upload_is_a_bad_request(
    run: Run, body: bytes, kind: str, code: str
) -> None:
    router = await run(route("whisper"))

    reply = await router.client.post(
        "/v1/audio/transcriptions", content=body, headers={"content-type": kind}
    )

    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == code


@pytest.mark.parametrize(
    ("path", "why", "named"),
    [
        ("/v1/embeddings", "vectors of different models do not mix", "bge"),
        ("/v1/rerank", "scores of different models do not compare", "bge, judge"),
        ("/classify", "classes of its own", "judge"),
        ("/tokenize", "at this endpoint", "sorter"),
    ],
)
async def test_auto_does_not_choose_where_models_do_not_mix(
    run: Run, path: str, why: str, named: str
) -> None:
    router = await run(
        route("sorter", tasks=("generate",)),
        route("bge", tasks=("embed", "score")),
        route("judge", tasks=("classify", "score")),
    )

    reply = await router.client.post(path, json={"model": "auto", "input": "a"})

    error = reply.json()["error"]
    assert reply.status_code == 400
    assert (error["code"], error["param"]) == ("auto_not_served", "model")
    assert why in error["message"]
    assert error["message"].endswith(f"name one: {named}")


async def test_who_embeds_has_no_part_in_a_cascade(engine: Engine, run: Run) -> None:
    vectors, large = await engine(odd), await engine(says_whole("abcd"))
    router = await run(
        route("bge", vectors.url, tasks=("embed", "score")), general("frontier", large.url)
    )

    reply = await router.chat("sort dbca")

    assert reply.headers["x-tierwise-specialist"] == "demo/frontier"
    assert not vectors.requests


def says_whole(text: str) -> Script:
    """Answer a call of /responses, or of chat, as vLLM does."""

    async def script(turn: Turn) -> None:
        token = {"token": text, "logprob": SURE}
        if "input" not in turn.request.fields:
            choice: dict[str, Any] = {"index": 0, "message": {"content": text}}
            choice["logprobs"] = {"content": [token]}
            await turn.whole(200, json.dumps({"choices": [choice]}).encode())
            return
        part = {"type": "output_text", "text": text, "logprobs": [token]}
        item = {"type": "message", "id": "m", "role": "assistant", "content": [part]}
        answer = {"id": "resp-1", "object": "response", "status": "completed", "output": [item],
                  "usage": {"input_tokens": 5, "output_tokens": 1}}  # fmt: skip
        await turn.whole(200, json.dumps(answer).encode())

    return script


async def test_auto_answers_responses(engine: Engine, run: Run) -> None:
    small = await engine(says_whole("abcd"))
    router = await run(route("sorter", small.url))

    reply = await router.client.post(
        "/v1/responses", json={"model": "auto", "input": "sort dbca", "max_output_tokens": 9}
    )

    part = reply.json()["output"][0]["content"][0]
    assert part == {"type": "output_text", "text": "abcd", "logprobs": []}
    assert small.requests[0].fields["include"] == ["message.output_text.logprobs"]
    assert float(reply.headers["x-tierwise-confidence"]) > 0.85


async def test_auto_streams_responses(engine: Engine, run: Run) -> None:
    async def events(turn: Turn) -> None:
        await turn.stream_head()
        for letter in "abcdefghij":
            token = [{"token": letter, "logprob": SURE}]
            event = {"type": "response.output_text.delta", "delta": letter, "logprobs": token}
            await turn.chunk(b"event: response.output_text.delta\n" + sse(event))
        last = {"type": "response.completed", "response": {"output": [], "usage": {}}}
        await turn.chunk(b"event: response.completed\n" + sse(last))
        await turn.end()

    small = await engine(events)
    router = await run(route("sorter", small.url))

    reply = await router.client.post(
        "/v1/responses", json={"model": "auto", "input": "sort dbca", "stream": True}
    )

    stream = told(reply.text)
    assert [event.get("delta") for event in stream.events] == [*"abcdefghij", None]
    assert all(event.get("logprobs", []) == [] for event in stream.events)
    assert stream.done == 0  # this protocol has none
    assert "event: response.completed\n" in reply.text


async def test_an_answer_to_responses_that_came_whole_is_told_as_events(
    engine: Engine, run: Run
) -> None:
    small = await engine(says_whole("abcd"))
    router = await run(route("sorter", small.url))

    reply = await router.client.post(
        "/v1/responses", json={"model": "auto", "input": "sort dbca", "stream": True}
    )

    kinds = [event["type"] for event in told(reply.text).events]
    assert kinds == [
        "response.created", "response.in_progress", "response.output_item.added",
        "response.content_part.added", "response.output_text.delta", "response.output_text.done",
        "response.content_part.done", "response.output_item.done", "response.completed",
    ]  # fmt: skip


TOKENS = Price(input_usd_per_token=0.01, output_usd_per_token=0.1)


async def speaks(turn: Turn) -> None:
    await turn.stream_head()
    first = piece(turn.request.fields, "abcd")
    if "stream_options" in turn.request.fields:
        first["usage"] = None
    await turn.chunk(sse(first))
    if "stream_options" in turn.request.fields:
        await turn.chunk(sse({"choices": [], "usage": usage_of("abcd")}))
    await turn.chunk(b"data: [DONE]\n\n")
    await turn.end()


@pytest.mark.parametrize("wanted", [True, False])
async def test_what_a_provider_streams_by_name_is_billed_by_its_tokens(
    engine: Engine, run: Run, *, wanted: bool
) -> None:
    provider = await engine(speaks)
    far = general("far", f"{provider.url}/v1", external=True, price=TOKENS, tier="")
    router = await run(far)
    options = {"stream_options": {"include_usage": True}} if wanted else {}

    reply = await router.chat("hello", "far", stream=True, **options)

    assert router.dispatcher.tally.cost_usd["demo/far"] == pytest.approx(5 * 0.01 + 5 * 0.1)
    stream = told(reply.text)
    assert (stream.text, stream.done) == ("abcd", 1)
    assert [usage for usage in stream.usages if usage] == ([usage_of("abcd")] if wanted else [])


async def test_a_provider_that_knows_no_stream_options_is_asked_without(
    engine: Engine, run: Run
) -> None:
    async def strict(turn: Turn) -> None:
        if "stream_options" in turn.request.fields:
            await turn.whole(400, b'{"error":{"message":"unknown field stream_options"}}')
        else:
            await speaks(turn)

    provider = await engine(strict)
    far = general("far", f"{provider.url}/v1", external=True, price=TOKENS, tier="")
    router = await run(far)

    reply = await router.chat("hello", "far", stream=True)

    assert told(reply.text).text == "abcd"
