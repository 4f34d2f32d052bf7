"""A token's event that is read without parsing says what it says parsed; all others are parsed."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tierwise_router.dialects import Chat, Piece
from tierwise_router.token_event import read_token

# As vLLM writes them, pydantic's way: UTF-8 as it is, no blanks.
VLLM = (
    b'{"id":"chatcmpl-91","object":"chat.completion.chunk","created":1763000000,"model":"a/b",'
    b'"choices":[{"index":0,"delta":{"content":" w\\u00e4\\n\xc3\xa9"},"logprobs":{"content":['
    b'{"token":" w","logprob":-0.0012,"bytes":[32,119],"top_logprobs":[]}]},"finish_reason":null,'
    b'"token_ids":null}]}'
)
TEXTS = st.one_of(st.text(max_size=6), st.sampled_from(["", '"', "\\", "é", "\u2028", "\ud800"]))
NUMBERS = st.one_of(st.floats(-30, 0), st.integers(-9, 0), st.sampled_from([1e-7, -1e22, 0.5]))


@st.composite
def events(draw: st.DrawFn) -> bytes:
    """Write an event of a chat, most of them of one token, as some engine might."""
    token: dict[str, Any] = {"token": draw(TEXTS), "logprob": draw(NUMBERS)}
    if draw(st.booleans()):
        token["bytes"] = draw(st.sampled_from([None, [], [32], [240, 159]]))
    if draw(st.booleans()):
        token["top_logprobs"] = draw(st.sampled_from([[], [], [{"token": "a", "logprob": -1}]]))
    choice: dict[str, Any] = {
        "index": draw(st.integers(0, 3)),
        "delta": {draw(st.sampled_from(["content", "reasoning", "role"])): draw(TEXTS)},
        "logprobs": {"content": [token] * draw(st.sampled_from([1, 1, 1, 0, 2]))},
        "finish_reason": draw(st.sampled_from([None, None, None, "stop"])),
    }
    if draw(st.booleans()):
        choice[draw(st.sampled_from(["token_ids", "stop_reason"]))] = None
    whole = {"id": draw(TEXTS), "object": "chat.completion.chunk", "created": 7, "model": "m"}
    ascii_only, compact = draw(st.booleans()), draw(st.booleans())
    written = json.dumps(
        whole | {"choices": [choice]},
        ensure_ascii=ascii_only,
        separators=(",", ":") if compact else None,
    )
    return written.encode("utf-8", "surrogatepass")


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Take an event and put some bytes in place of others, as a bad engine or a bad line would."""
    whole = draw(st.one_of(st.just(VLLM), events()))
    at = draw(st.integers(0, len(whole)))
    put = draw(st.sampled_from([b"", b"\x00", b"\xff", b'"', b"\\", b"0", b",", b" ", b"}", b"-"]))
    return whole[:at] + put + whole[at + draw(st.integers(0, 2)) :]


def parsed(data: bytes) -> tuple[list[Piece], object]:
    """Read an event the long way: its pieces, and what the client sees of it."""
    fields = orjson.loads(data)
    pieces = list(Chat().pieces(fields))
    assert not Chat().says_nothing(fields)
    assert Chat().usage(fields) is None
    assert not Chat().failure(fields)
    Chat().hide(fields)
    return pieces, fields


@given(st.one_of(events(), broken()))
@example(VLLM)
@example(VLLM.replace(b"-0.0012", b"-01"))
@example(VLLM.replace(b"\\u00e4", b"\\ud83d"))
@example(VLLM.replace(b"\xc3\xa9", b"\xe9"))
@example(VLLM.replace(b"\xc3\xa9", b"\n"))
def test_whatever_is_read_unparsed_says_what_it_says_parsed(data: bytes) -> None:
    token = read_token(data)
    if token is None:
        return

    pieces, shown = parsed(data)

    said = Piece(token.choice, [token.logprob], spoke=True, ended=False)
    assert pieces == [said]
    assert orjson.loads(token.shown) == shown
    assert b'logprob"' not in token.shown.partition(b'"choices"')[2].replace(b"logprobs", b"")


def test_a_token_as_vllm_writes_it_is_not_parsed() -> None:
    token = read_token(VLLM)

    assert token is not None
    assert (token.choice, token.logprob) == (0, -0.0012)
    assert b'"delta":{"content":" w\\u00e4\\n\xc3\xa9"},"logprobs":null,"finish' in token.shown


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"finish_reason":null', b'"finish_reason":"stop"'),
        (b'{"content":" w\\u00e4\\n\xc3\xa9"}', b'{"content":""}'),
        (b'{"content":" w\\u00e4\\n\xc3\xa9"}', b'{"role":"assistant"}'),
        (b'"token_ids":null}]}', b'"token_ids":null}],"usage":null}'),
        (b'"token_ids":null', b'"token_ids":[1]'),
        (b"-0.0012", b"NaN"),
        (b"-0.0012", b"null"),
        (b'{"id"', b'{"error":{},"id"'),
    ],
)
def test_what_says_more_or_less_than_a_token_is_parsed(old: bytes, new: bytes) -> None:
    data = VLLM.replace(old, new)

    assert data != VLLM
    assert read_token(data) is None
