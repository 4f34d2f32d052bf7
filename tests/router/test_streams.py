"""``model: auto`` with ``stream: true``: judged by its beginning, told as it comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from dispatchers import Running, general, route
from fake_engine import (
    FakeEngine,
    Script,
    Turn,
    answers,
    chat,
    dies,
    piece,
    refuses,
    sse,
    until_hung_up,
)
from streams import SURE, UNSURE, Told, says, told

from tierwise_core.route_table import Price
from tierwise_core.verifier_spec import VerifierSpec
from tierwise_router.journal_turn import Turn as JournalTurn
from tierwise_router.settings import Settings

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]

LONG = "abcdefghijklmnop"


async def cascade(
    engine: Engine, run: Run, small: Script, large: Script, **changes: object
) -> tuple[Running, FakeEngine, FakeEngine]:
    sorter, frontier = await engine(small), await engine(large)
    router = await run(
        route("sorter", sorter.url, escalate_to=("demo/frontier",), **changes),
        general("frontier", frontier.url),
    )
    return router, sorter, frontier


async def ask(router: Running, **fields: object) -> tuple[httpx.Response, Told]:
    reply = await router.chat("sort dbca", stream=True, **fields)
    return reply, told(reply.text)


def body(**fields: object) -> dict[str, object]:
    messages = [{"role": "user", "content": "sort dbca"}]
    return {"model": "auto", "messages": messages, "stream": True, **fields}


class Noted:
    """A journal in memory."""

    def __init__(self) -> None:
        self.decisions: list[Any] = []
        self.turn = JournalTurn(self.record)

    def record(self, *told: Any) -> None:
        self.decisions += [one.decision for one in told]


async def test_a_sure_stream_flows_before_it_has_ended(engine: Engine, run: Run) -> None:
    more = asyncio.Event()

    async def slow(turn: Turn) -> None:
        await turn.stream_head()
        for letter in LONG[:8]:
            await turn.chunk(sse(piece(turn.request.fields, letter, SURE)))
        await more.wait()
        await turn.chunk(sse(piece(turn.request.fields, "!", SURE, finish="stop")))
        await turn.chunk(b"data: [DONE]\n\n")
        await turn.end()

    router, _, large = await cascade(engine, run, slow, answers("ABCD", SURE))

    async with router.client.stream("POST", "/v1/chat/completions", json=body()) as reply:
        pieces = reply.aiter_text()
        text = await anext(pieces)
        more.set()  # eight tokens were enough; the ninth comes only now
        text += "".join([piece async for piece in pieces])

    assert told(text).text == LONG[:8] + "!"
    assert told(text).done == 1
    assert reply.headers["x-tierwise-specialist"] == "demo/sorter"
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert float(reply.headers["x-tierwise-confidence"]) > 0.96
    assert not large.requests


async def test_seven_sure_tokens_are_not_enough(engine: Engine, run: Run) -> None:
    async def seven_then_doubt(turn: Turn) -> None:
        await says(LONG[:7], [SURE] * 7 + [UNSURE])(turn)

    router, *_ = await cascade(engine, run, seven_then_doubt, answers("abcd", SURE))

    reply, stream = await ask(router)

    assert stream.text == "abcd"
    assert reply.headers["x-tierwise-specialist"] == "demo/frontier"


async def test_an_unsure_stream_is_escalated_and_a_comment_says_so(
    engine: Engine, run: Run
) -> None:
    router, *_ = await cascade(engine, run, answers("dbca", UNSURE), answers("abcd", SURE))

    reply, stream = await ask(router)

    assert stream.text == "abcd"
    assert stream.done == 1
    first, last = stream.comments
    assert first.startswith("escalated sorter@small -> frontier@big (0.")
    assert first.endswith(" < 0.85)")
    assert last.startswith("answered frontier@big=0.9")
    assert last.endswith(" USD")
    assert reply.headers["x-tierwise-path"].startswith("sorter@small=0.")
    assert router.dispatcher.tally.escalations["demo/sorter", "demo/frontier", "below_floor"] == 1
    assert router.dispatcher.tally.streams["demo/sorter", "rejected"] == 1
    assert router.dispatcher.tally.streams["demo/frontier", "flowed"] == 1


async def test_a_doubtful_beginning_stops_the_engine_at_once(engine: Engine, run: Run) -> None:
    async def endless(turn: Turn) -> None:
        await turn.stream_head()
        for letter in "db":
            await turn.chunk(sse(piece(turn.request.fields, letter, UNSURE)))
        turn.keep = False
        await turn.reader.read()  # returns when the router hangs up
        small.hung_up.set()

    router, small, _ = await cascade(engine, run, endless, answers("abcd", SURE))

    # Ten tokens at most: too few to make an unlikely one weigh less.
    _, stream = await ask(router, max_tokens=10)

    assert stream.text == "abcd"
    async with asyncio.timeout(60):
        await small.hung_up.wait()
    assert router.dispatcher.balancer.in_flight() == 0


async def test_the_length_of_earlier_answers_bounds_the_next_one(engine: Engine, run: Run) -> None:
    router, small, _ = await cascade(engine, run, answers("abcd", SURE), answers("ABCD", SURE))
    for _ in range(8):
        await ask(router)

    async def endless(turn: Turn) -> None:
        await turn.stream_head()
        await turn.chunk(sse(piece(turn.request.fields, "d", UNSURE)))
        turn.keep = False
        await turn.reader.read()

    small.script = endless
    _, stream = await ask(router)

    assert stream.text == "ABCD"


async def test_a_long_answer_with_one_unlikely_word_flows_when_that_weighs_little(
    engine: Engine, run: Run
) -> None:
    words = [SURE, UNSURE, *[SURE] * 60]
    router, _, large = await cascade(engine, run, says("x" * 61, words), answers("A", SURE))

    reply, stream = await ask(router)

    assert stream.text == "x" * 61
    assert reply.headers["x-tierwise-specialist"] == "demo/sorter"
    assert not large.requests


async def test_a_doubt_after_the_beginning_is_flagged(engine: Engine, run: Run) -> None:
    begun = asyncio.Event()

    async def late(turn: Turn) -> None:
        await turn.stream_head()
        for letter in LONG[:8]:
            await turn.chunk(sse(piece(turn.request.fields, letter, SURE)))
        await begun.wait()
        for letter in LONG[8:]:
            await turn.chunk(sse(piece(turn.request.fields, letter, UNSURE)))
        await turn.chunk(sse(piece(turn.request.fields, "", UNSURE, finish="stop")))
        await turn.chunk(b"data: [DONE]\n\n")
        await turn.end()

    router, *_ = await cascade(engine, run, late, answers("A", SURE))

    journal = Noted()
    router.dispatcher.journal = journal  # type: ignore[assignment]
    text = ""
    async with router.client.stream("POST", "/v1/chat/completions", json=body()) as reply:
        async for got in reply.aiter_text():
            text += got
            begun.set()

    stream = told(text)
    assert (stream.text, stream.done) == (LONG, 1)
    assert float(reply.headers["x-tierwise-confidence"]) > 0.96
    flag, end = stream.comments
    assert flag.startswith("doubtful sorter@small (0.")
    assert flag.endswith(" < 0.85), after its answer had begun")
    assert "<0.85" in end
    assert router.dispatcher.tally.streams["demo/sorter", "collapsed"] == 1
    (decision,) = journal.decisions
    assert "turned doubtful" in decision.reason
    assert decision.steps[-1].confidence < 0.85


async def test_nobody_sure_is_a_refusal_and_no_stream(engine: Engine, run: Run) -> None:
    router, *_ = await cascade(engine, run, answers("dbca", UNSURE), answers("?", UNSURE))

    reply = await router.chat("sort dbca", stream=True)

    assert reply.status_code == 422
    assert reply.json()["error"]["type"] == "abstained"
    assert len(reply.json()["error"]["path"]) == 2


@pytest.mark.parametrize("wanted", [True, False])
async def test_usage_comes_once_and_only_to_who_asked(
    engine: Engine, run: Run, *, wanted: bool
) -> None:
    router, small, large = await cascade(
        engine, run, answers("dbca", UNSURE), answers("abcd", SURE)
    )
    options = {"stream_options": {"include_usage": True}} if wanted else {}

    _, stream = await ask(router, **options)

    # Asked for in any case, to know what the answer costs.
    assert small.requests[0].fields["stream_options"] == {"include_usage": True}
    assert large.requests[0].fields["stream_options"] == {"include_usage": True}
    usage = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
    assert stream.usages == ([usage] if wanted else [])


async def test_all_hops_are_paid_for_and_the_last_comment_says_how_much(
    engine: Engine, run: Run
) -> None:
    tokens = Price(input_usd_per_token=0.01, output_usd_per_token=0.1)
    small, large = await engine(answers("dbca", UNSURE)), await engine(answers("abcd", SURE))
    router = await run(
        route("sorter", small.url, escalate_to=("demo/frontier",), price=tokens),
        general("frontier", large.url, price=tokens),
    )

    _, stream = await ask(router)

    # Twice 5 tokens in and 5 out, the end token included.
    assert stream.comments[-1].endswith(", 1.100000000 USD")
    assert router.dispatcher.tally.cost_usd["demo/frontier"] == pytest.approx(1.1)


@pytest.mark.parametrize("wanted", [True, False])
async def test_logprobs_are_shown_only_to_who_asked(
    engine: Engine, run: Run, *, wanted: bool
) -> None:
    router, small, _ = await cascade(engine, run, answers("abcd", SURE), answers("A", SURE))

    _, stream = await ask(router, **({"logprobs": True} if wanted else {}))

    assert small.requests[0].fields["logprobs"] is True
    shown = [choice["logprobs"] for event in stream.events for choice in event["choices"]]
    assert all(shown) if wanted else not any(shown)


async def test_a_provider_without_logprobs_streams_by_its_prediction(
    engine: Engine, run: Run
) -> None:
    async def plain(turn: Turn) -> None:
        for name in ("logprobs", "stream_options"):
            if name in turn.request.fields:
                await refuses(400, f"{name} is not supported with this model")(turn)
                return
        await says("Paris", [None] * 6)(turn)

    far = await engine(plain)
    router = await run(general("frontier", far.url))

    reply = await router.chat("Which city is the capital of France?", stream=True)

    assert told(reply.text).text == "Paris"


async def test_every_choice_must_be_sure(engine: Engine, run: Run) -> None:
    async def two(turn: Turn) -> None:
        await turn.stream_head()
        for index, likely in ((0, SURE), (1, UNSURE)):
            for letter in "abc":
                event = piece(turn.request.fields, letter, likely, index=index)
                await turn.chunk(sse(event))
            end = piece(turn.request.fields, "", likely, index=index, finish="stop")
            await turn.chunk(sse(end))
        await turn.chunk(b"data: [DONE]\n\n")
        await turn.end()

    router, *_ = await cascade(engine, run, two, answers("abcd", SURE))

    reply, _ = await ask(router, n=2)

    assert reply.headers["x-tierwise-specialist"] == "demo/frontier"


async def test_tool_calls_stream_as_the_engine_writes_them(engine: Engine, run: Run) -> None:
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}

    async def calls(turn: Turn) -> None:
        await turn.stream_head()
        first = piece(turn.request.fields, "", SURE)
        first["choices"][0]["delta"] = {"role": "assistant", "tool_calls": [call]}
        await turn.chunk(sse(first))
        more = piece(turn.request.fields, "", SURE, finish="tool_calls")
        more["choices"][0]["delta"] = {
            "tool_calls": [{"index": 0, "function": {"arguments": '{"a":1}'}}]
        }
        await turn.chunk(sse(more))
        await turn.chunk(b"data: [DONE]\n\n")
        await turn.end()

    router, small, _ = await cascade(engine, run, calls, answers("A", SURE))

    _, stream = await ask(router, tools=[{"type": "function"}])

    deltas = [event["choices"][0]["delta"] for event in stream.events]
    assert deltas[0]["tool_calls"] == [call]
    assert deltas[1]["tool_calls"][0]["function"]["arguments"] == '{"a":1}'
    assert small.requests[0].fields["tools"] == [{"type": "function"}]


async def test_an_engine_that_dies_undecided_is_passed_over(engine: Engine, run: Run) -> None:
    async def half(turn: Turn) -> None:
        await turn.stream_head()
        await turn.chunk(sse(piece(turn.request.fields, "d", SURE)))
        turn.die()

    router, *_ = await cascade(engine, run, half, answers("abcd", SURE))

    _, stream = await ask(router)

    assert stream.text == "abcd"
    assert stream.comments[0] == (
        "escalated sorter@small -> frontier@big (failed: upstream_unavailable)"
    )


async def test_an_engine_that_dies_after_the_beginning_ends_with_an_error(
    engine: Engine, run: Run
) -> None:
    seen = asyncio.Event()

    async def dying(turn: Turn) -> None:
        await turn.stream_head()
        for letter in LONG[:9]:
            await turn.chunk(sse(piece(turn.request.fields, letter, SURE)))
        await seen.wait()
        turn.die()

    router, *_ = await cascade(engine, run, dying, answers("abcd", SURE))

    text = ""
    async with router.client.stream("POST", "/v1/chat/completions", json=body()) as reply:
        async for got in reply.aiter_text():
            text += got
            seen.set()

    assert told(text).error["code"] == "upstream_unavailable"
    assert told(text).done == 0
    assert router.dispatcher.tally.streams["demo/sorter", "died"] == 1


@pytest.mark.parametrize(
    "junk",
    [
        b"data: {half\n\n",
        b"data: 7\n\n",
        b'data: {"choices": 7}\n\n',
        b'data: {"choices": [7]}\n\n',
        b'data: {"choices": [{"delta": 7}]}\n\n',
        b'data: {"choices": [{"logprobs": {"content": [{"logprob": NaN}]}}]}\n\n',
        b'data: {"object": "none"}\n\n',
        b"data: [DONE]\n\n",
        b"\xff\xfe\n\n",
        sse({"error": {"message": "out of memory", "code": 500}}) + b"data: [DONE]\n\n",
    ],
)
async def test_an_engine_that_writes_junk_is_passed_over(
    engine: Engine, run: Run, junk: bytes
) -> None:
    async def script(turn: Turn) -> None:
        await turn.stream_head()
        await turn.chunk(junk)
        await turn.end()

    router, *_ = await cascade(engine, run, script, answers("abcd", SURE))

    _, stream = await ask(router)

    assert stream.text == "abcd"
    assert stream.done == 1


async def test_an_engine_s_own_error_in_a_stream_that_flows_is_the_last_event(
    engine: Engine, run: Run
) -> None:
    async def failing(turn: Turn) -> None:
        await turn.stream_head()
        for letter in LONG[:9]:
            await turn.chunk(sse(piece(turn.request.fields, letter, SURE)))
        await turn.chunk(sse({"error": {"message": "out of memory"}}) + b"data: [DONE]\n\n")
        await turn.end()

    router, *_ = await cascade(engine, run, failing, answers("abcd", SURE))

    _, stream = await ask(router)

    # All of it came at once, or not: a failure before the decision may also be passed over.
    assert stream.error == {"message": "out of memory"} or stream.text == "abcd"
    assert stream.done == (0 if stream.error else 1)


async def test_more_after_done_is_not_told(engine: Engine, run: Run) -> None:
    async def twice(turn: Turn) -> None:
        await turn.stream_head()
        for letter in LONG[:9]:
            await turn.chunk(sse(piece(turn.request.fields, letter, SURE)))
        await turn.chunk(sse(piece(turn.request.fields, "", SURE, finish="stop")))
        await turn.chunk(b"data: [DONE]\n\ndata: [DONE]\n\n" + sse({"choices": []}))
        await turn.end()

    router, *_ = await cascade(engine, run, twice, answers("abcd", SURE))

    _, stream = await ask(router)

    assert (stream.text, stream.done) == (LONG[:9], 1)


async def test_an_end_without_done_is_an_end_when_every_choice_said_why(
    engine: Engine, run: Run
) -> None:
    async def quiet(turn: Turn) -> None:
        await turn.stream_head()
        await turn.chunk(sse(piece(turn.request.fields, "abcd", SURE, finish="stop")))
        await turn.end()

    router, _, large = await cascade(engine, run, quiet, answers("A", SURE))

    _, stream = await ask(router)

    assert (stream.text, stream.done) == ("abcd", 1)
    assert not large.requests


@pytest.mark.parametrize("sent", [0, 3, 9])
async def test_a_client_that_leaves_stops_the_engine_in_every_phase(
    engine: Engine, run: Run, sent: int
) -> None:
    async def endless(turn: Turn) -> None:
        if sent:
            await turn.stream_head()
        for letter in LONG[:sent]:
            await turn.chunk(sse(piece(turn.request.fields, letter, SURE)))
        await until_hung_up(lambda: small)(turn)

    router, small, _ = await cascade(engine, run, endless, answers("A", SURE))
    asking = asyncio.ensure_future(router.client.post("/v1/chat/completions", json=body()))
    await small.arrived.wait()

    asking.cancel()

    async with asyncio.timeout(60):
        await small.hung_up.wait()
        await router.listener.drain()
    assert router.dispatcher.balancer.in_flight() == 0
    assert router.dispatcher.tally.in_flight == 0


async def test_an_engine_that_answers_whole_is_judged_whole(engine: Engine, run: Run) -> None:
    async def whole(turn: Turn) -> None:
        await turn.whole(200, json.dumps(chat("abcd", [SURE])).encode())

    router, *_ = await cascade(engine, run, whole, answers("A", SURE))

    _, stream = await ask(router, stream_options={"include_usage": True})

    assert (stream.text, stream.done) == ("abcd", 1)
    assert stream.usages[-1]["total_tokens"] == 8


async def test_what_verifiers_check_is_told_only_when_it_is_whole(engine: Engine, run: Run) -> None:
    router, small, _ = await cascade(
        engine, run, answers("abcd", SURE), answers("A", SURE),
        verifiers=(VerifierSpec("letters", "regex", pattern="[a-z]+"),),
    )  # fmt: skip

    _, stream = await ask(router)

    assert small.requests[0].fields["stream"] is False
    assert (stream.text, stream.done) == ("abcd", 1)


async def test_completions_stream_too(engine: Engine, run: Run) -> None:
    router, small, _ = await cascade(engine, run, answers("abcd", SURE), answers("A", SURE))
    asked = {"model": "auto", "prompt": "sort dbca", "stream": True}

    reply = await router.client.post("/v1/completions", json=asked)

    stream = told(reply.text)
    assert (stream.text, stream.done) == ("abcd", 1)
    assert {event["object"] for event in stream.events} == {"text_completion"}
    assert small.requests[0].fields["logprobs"] == 1


async def test_a_connection_is_used_again_after_a_stream(engine: Engine, run: Run) -> None:
    router, small, _ = await cascade(engine, run, answers("abcd", SURE), answers("A", SURE))

    for _ in range(3):
        await ask(router)

    assert small.connections == 1


async def test_the_deadline_bounds_the_decision(engine: Engine, run: Run) -> None:
    async def silent(turn: Turn) -> None:
        await turn.stream_head()
        await turn.chunk(sse(piece(turn.request.fields, "d", SURE)))
        await until_hung_up(lambda: small)(turn)

    small = await engine(silent)
    router = await run(route("sorter", small.url), settings=Settings(deadline_s=1.0))

    reply = await router.chat("sort dbca", stream=True)

    assert reply.status_code == 504
    async with asyncio.timeout(60):
        await small.hung_up.wait()


async def test_all_dead_is_an_error_and_no_stream(engine: Engine, run: Run) -> None:
    router, *_ = await cascade(engine, run, dies, dies)

    reply: Any = await router.chat("sort dbca", stream=True)

    assert reply.status_code == 502
