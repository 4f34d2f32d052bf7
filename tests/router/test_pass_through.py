"""A request by name goes through as it is, and comes back as it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import httpx
import orjson
import pytest
from dispatchers import Running, general, route
from fake_engine import FakeEngine, Script, Turn, answers, chat, refuses, sse, until_hung_up

from tierwise_core.route_table import Price
from tierwise_router.settings import Settings

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]


async def test_the_body_goes_through_byte_for_byte(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))
    body = (
        b'{ "model":"sorter",  "messages":[{"role":"user","content":"sort \\u0064"}], "x_new":1e2}'
    )

    await router.client.post("/v1/chat/completions", content=body)

    assert pod.requests[0].body == body
    assert pod.requests[0].path == "/v1/chat/completions"


async def test_the_answer_comes_back_byte_for_byte(engine: Engine, run: Run) -> None:
    odd = b'{"choices": [],   "note": "spaces and 1.0 stay"}'

    async def script(turn: Turn) -> None:
        await turn.whole(200, odd, extra="x-engine: one\r\nset-cookie: a=b\r\n")

    pod = await engine(script)
    router = await run(route("sorter", pod.url))

    response = await router.chat("sort dbca", "sorter")

    assert response.content == odd
    assert response.headers["x-engine"] == "one"
    assert "set-cookie" not in response.headers


async def test_every_answer_says_what_was_decided(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))

    response = await router.chat("sort dbca", "demo/sorter")

    assert response.headers["x-tierwise-specialist"] == "demo/sorter"
    assert response.headers["x-tierwise-tier"] == "small"
    assert response.headers["x-tierwise-path"] == "sorter@small"
    assert response.headers["x-tierwise-decision"].startswith("d-")
    assert 0 < float(response.headers["x-tierwise-cost-usd"]) < 0.4
    assert response.headers["x-request-id"]


async def test_a_request_id_is_kept_and_passed_on(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))
    body = {"model": "sorter", "messages": [{"role": "user", "content": "x"}]}

    response = await router.client.post(
        "/v1/chat/completions", json=body, headers={"x-request-id": "mine-7"}
    )

    assert response.headers.get_list("x-request-id") == ["mine-7"]
    assert pod.requests[0].headers["x-request-id"] == "mine-7"


async def test_a_client_s_credentials_stop_here(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))
    body = {"model": "sorter", "messages": [{"role": "user", "content": "x"}]}
    secrets = {"authorization": "Bearer mine", "cookie": "s=1", "x-api-key": "k", "x-team": "a"}

    await router.client.post("/v1/chat/completions", json=body, headers=secrets)

    seen = pod.requests[0].headers
    assert not {"authorization", "cookie", "x-api-key"} & set(seen)
    assert seen["x-team"] == "a"


async def test_a_provider_gets_its_own_name_and_key(
    engine: Engine, run: Run, tmp_path_factory: object
) -> None:
    provider = await engine(answers("HELLO"))
    directory = tmp_path_factory.mktemp("secrets")  # type: ignore[attr-defined]
    (directory / "openai").mkdir()
    (directory / "openai" / "api-key").write_text("sk-test\n")
    price = Price(input_usd_per_token=2e-6, output_usd_per_token=10e-6)
    far = general(
        "frontier", f"{provider.url}/openai/v1", upstream_model="gpt-x", external=True,
        secret=("openai", "api-key"), price=price, tier="",
    )  # fmt: skip
    router = await run(far, settings=Settings(secrets_dir=str(directory)))

    response = await router.chat("hello", "frontier", temperature=0)

    sent = provider.requests[0]
    assert sent.path == "/openai/v1/chat/completions"
    assert sent.headers["authorization"] == "Bearer sk-test"
    assert sent.fields["model"] == "gpt-x"
    assert sent.fields["temperature"] == 0
    assert float(response.headers["x-tierwise-cost-usd"]) == 5 * 2e-6 + 3 * 10e-6
    assert response.headers["x-tierwise-tier"] == "external"


async def test_a_secret_that_is_not_mounted_is_named(engine: Engine, run: Run) -> None:
    provider = await engine(answers("HELLO"))
    router = await run(general("frontier", provider.url, secret=("openai", "api-key")))

    response = await router.chat("hello", "frontier")

    assert response.status_code == 503
    assert "Secret 'openai'" in response.json()["error"]["message"]
    assert not provider.requests


async def test_a_stream_arrives_piece_by_piece(engine: Engine, run: Run) -> None:
    more = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.stream_head()
        await turn.chunk(sse({"n": 1}))
        await more.wait()
        await turn.chunk(sse({"n": 2}) + b"data: [DONE]\n\n")
        await turn.end()

    pod = await engine(script)
    router = await run(route("sorter", pod.url))
    body = {"model": "sorter", "messages": [{"role": "user", "content": "x"}], "stream": True}

    async with router.client.stream("POST", "/v1/chat/completions", json=body) as response:
        pieces = response.aiter_raw()
        assert await anext(pieces) == sse({"n": 1})
        more.set()  # the first piece came before the engine had made the second
        rest = b"".join([piece async for piece in pieces])

    assert rest == sse({"n": 2}) + b"data: [DONE]\n\n"
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["x-tierwise-specialist"] == "demo/sorter"


async def test_a_client_that_leaves_stops_the_engine(engine: Engine, run: Run) -> None:
    pod = await engine(until_hung_up(lambda: pod))
    router = await run(route("sorter", pod.url))
    asking = asyncio.ensure_future(router.chat("sort dbca", "sorter"))
    await pod.arrived.wait()

    asking.cancel()

    async with asyncio.timeout(60):
        await pod.hung_up.wait()
        await router.listener.drain()
    assert router.dispatcher.balancer.in_flight() == 0
    assert router.dispatcher.tally.requests[
        "/chat/completions", "named", "demo/sorter", 499
    ] == 1  # fmt: skip


async def test_a_client_that_leaves_a_stream_stops_the_engine(engine: Engine, run: Run) -> None:
    async def script(turn: Turn) -> None:
        await turn.stream_head()
        await turn.chunk(sse({"n": 1}))
        turn.keep = False
        await turn.reader.read()
        pod.hung_up.set()

    pod = await engine(script)
    router = await run(route("sorter", pod.url))
    body = {"model": "sorter", "messages": [{"role": "user", "content": "x"}], "stream": True}

    async with router.client.stream("POST", "/v1/chat/completions", json=body) as response:
        await anext(response.aiter_raw())

    async with asyncio.timeout(60):
        await pod.hung_up.wait()


async def test_an_engine_s_own_error_passes_untouched(engine: Engine, run: Run) -> None:
    pod = await engine(refuses(400, "maximum context length is 256 tokens"))
    router = await run(route("sorter", pod.url))

    response = await router.chat("sort dbca", "sorter")

    assert response.status_code == 400
    assert "context length" in response.json()["error"]["message"]
    assert response.headers["x-tierwise-specialist"] == "demo/sorter"


async def test_too_many_requests_passes_with_its_retry_after(engine: Engine, run: Run) -> None:
    pod = await engine(refuses(429, "slow down", extra="retry-after: 7\r\n"))
    router = await run(route("sorter", pod.url))

    response = await router.chat("sort dbca", "sorter")

    assert response.status_code == 429
    assert response.headers["retry-after"] == "7"


async def test_a_large_answer_is_not_held_back_whole(engine: Engine, run: Run) -> None:
    more = asyncio.Event()
    first = b'{"x":"' + b"a" * (2 << 20)

    async def script(turn: Turn) -> None:
        rest = b'"}'
        await turn.send(
            b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (len(first) + len(rest)) + first
        )
        await more.wait()
        await turn.send(rest)

    pod = await engine(script)
    router = await run(route("sorter", pod.url))
    body = {"model": "sorter", "messages": [{"role": "user", "content": "x"}]}

    async with router.client.stream("POST", "/v1/chat/completions", json=body) as response:
        pieces = response.aiter_raw()
        got = await anext(pieces)
        more.set()
        got += b"".join([piece async for piece in pieces])

    assert got == first + b'"}'


async def test_completions_go_through_too(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))

    response = await router.client.post(
        "/v1/completions", json={"model": "sorter", "prompt": "sort dbca"}
    )

    assert response.json()["choices"][0]["text"] == "abcd"
    assert pod.requests[0].path == "/v1/completions"


async def test_the_models_are_listed_with_auto_first(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url), general("frontier"))

    listed = (await router.client.get("/v1/models")).json()

    assert [model["id"] for model in listed["data"]] == ["auto", "frontier", "sorter"]
    assert [model["tierwise"]["ready"] for model in listed["data"][1:]] == [False, True]
    one = (await router.client.get("/v1/models/demo/sorter")).json()
    assert one["tierwise"]["field"] == "sorting"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/sorter", "/v1/models/auto"])
async def test_before_the_first_table_no_models_are_told_but_when_to_ask_again(
    run: Run, path: str
) -> None:
    router = await run()

    reply = await router.client.get(path)

    assert reply.status_code == 503
    assert int(reply.headers["retry-after"]) >= 1
    assert "no route table has been loaded yet" in reply.json()["error"]["message"]


async def test_a_session_stays_on_one_pod(engine: Engine, run: Run) -> None:
    pods = [await engine(answers("abcd")) for _ in range(3)]
    router = await run(route("sorter", *(pod.url for pod in pods)))
    body = {"model": "sorter", "messages": [{"role": "user", "content": "x"}]}

    for _ in range(12):
        await router.client.post(
            "/v1/chat/completions", json=body, headers={"x-session-id": "conversation-1"}
        )

    assert sorted(len(pod.requests) for pod in pods) == [0, 0, 12]


async def test_connections_to_a_pod_are_kept(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))

    for _ in range(5):
        await router.chat("sort dbca", "sorter")

    assert pod.connections == 1


async def test_metrics_count_what_was_answered(engine: Engine, run: Run) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))
    await router.chat("sort dbca", "sorter")

    text = (await router.client.get("/metrics")).text

    assert (
        'tierwise_router_requests_total{endpoint="/chat/completions",model="named",'
        'specialist="demo/sorter",status="200"} 1.0'
    ) in text
    assert 'tierwise_router_first_byte_seconds_count{specialist="demo/sorter"} 1.0' in text
    version = router.dispatcher.current_brain().table.version
    assert f'tierwise_router_table_info{{version="{version}"}} 1.0' in text


async def test_the_probes_tell_alive_from_ready(run: Run) -> None:
    router = await run()

    assert (await router.client.get("/healthz")).status_code == 200
    assert (await router.client.get("/readyz")).status_code == 503
    refused = await router.chat("x", "sorter")
    assert refused.status_code == 503
    assert refused.headers["retry-after"]


def test_a_chat_answer_is_what_the_fake_says() -> None:
    # Guards the fake itself: vLLM's answers have these keys.
    assert set(orjson.loads(json.dumps(chat("a")))) >= {"id", "object", "choices", "usage"}
    assert isinstance(httpx.__version__, str)
