"""Streams arrive cut anywhere, with any ends of lines, and say the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.confidence import answer_confidence
from tierwise_core.policy_streaming import StreamingPolicy
from tierwise_core.route_table import Route
from tierwise_core.routing import Hop
from tierwise_router.dialects import Chat
from tierwise_router.errors import UpstreamDiedError
from tierwise_router.events import EVENT_LIMIT_BYTES, Event, EventReader
from tierwise_router.judged_stream import JudgedStream, Wishes
from tierwise_router.upstream.response import Response

ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
DATA = st.sampled_from([b'{"a":1}', b"[DONE]", b"", b"x: y", "é".encode()])
EVENTS = st.lists(st.tuples(DATA, st.sampled_from([b"", b"response.x"]), ENDS), max_size=8)


def cut(raw: bytes, at: Iterable[int]) -> list[bytes]:
    places = sorted({0, len(raw), *(place % (len(raw) + 1) for place in at)})
    return [raw[start:end] for start, end in pairwise(places)]


@given(EVENTS, st.lists(st.integers(0, 10_000), max_size=12))
def test_events_are_the_same_however_they_are_cut(
    events: list[tuple[bytes, bytes, bytes]], at: list[int]
) -> None:
    raw = b"".join(
        b": ping" + end + (b"event: " + name + end if name else b"") + b"data: " + data + end + end
        for data, name, end in events
    )
    reader = EventReader()

    got = [event for piece in cut(raw, at) for event in reader.feed(piece)]

    assert got == [Event(data, name) for data, name, _ in events]


def test_lines_of_data_belong_together() -> None:
    assert EventReader().feed(b"data: a\ndata:b\nid: 7\n\n") == [Event(b"a\nb")]


def test_an_event_without_end_is_given_up() -> None:
    reader = EventReader()

    reader.feed(b"x" * EVENT_LIMIT_BYTES)

    with pytest.raises(UpstreamDiedError, match="larger than"):
        reader.feed(b"x")


class Idle:
    """A connection that nobody needs to slow down."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def abort(self) -> None: ...


def event(letter: str, logprob: float, finish: str | None = None) -> bytes:
    choice = {
        "index": 0,
        "delta": {"content": letter},
        "logprobs": {"content": [{"token": letter, "logprob": logprob}]},
        "finish_reason": finish,
    }
    return b"data: " + orjson.dumps({"id": "c", "choices": [choice]}) + b"\n\n"


async def judged(pieces: list[bytes]) -> tuple[float, bytes]:
    """Judge a stream while its pieces arrive one by one; give the end of it."""
    response = Response(asyncio.get_running_loop(), Idle())
    hop = Hop(Route("demo", "sorter", "sorting", "sorter"), 0.91, 0.85, "")
    wishes = Wishes(logprobs=False, usage=False)
    stream = JudgedStream(response, hop, Chat(), StreamingPolicy(), wishes)
    deciding = asyncio.ensure_future(stream.decide())
    for piece in pieces:
        response.feed(piece)
        await asyncio.sleep(0)
    response.finish()
    await deciding
    told = b"".join([data async for data in stream.flow()])
    return stream.confidence, told


@given(
    st.lists(st.floats(-5, 0), min_size=1, max_size=30),
    st.lists(st.integers(0, 10_000), max_size=20),
)
def test_a_stream_is_judged_the_same_however_it_is_cut(
    logprobs: list[float], at: list[int]
) -> None:
    letters = [event("a", value) for value in logprobs[:-1]]
    raw = b"".join([*letters, event("", logprobs[-1], "stop"), b"data: [DONE]\n\n"])

    confidence, told = asyncio.run(judged(cut(raw, at)))

    assert (confidence, told) == asyncio.run(judged([raw]))
    assert confidence == pytest.approx(answer_confidence(logprobs, 0.91))
    assert told.count(b"data: ") == len(logprobs)
    assert b'"logprob":' not in told
