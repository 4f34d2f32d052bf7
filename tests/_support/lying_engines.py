"""Upstreams that lie: about lengths, about JSON, about being one answer, about ever ending."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import itertools
import json
from typing import Any, Final

from fake_engine import Script, Turn, chat, sse

HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
GOOD: Final = json.dumps(chat("abcd", [-0.001])).encode()
PIECE: Final = b"a" * 65536


def sends(data: bytes, *, closes: bool = False) -> Script:
    """Send these bytes, whatever was asked."""

    async def script(turn: Turn) -> None:
        with contextlib.suppress(ConnectionError):
            await turn.send(data)
        turn.keep = not closes

    return script


def sized(body: bytes, length: int | None = None, *lines: bytes) -> bytes:
    """An answer whose length is said to be another one."""
    said = len(body) if length is None else length
    extra = b"".join(b"%s\r\n" % line for line in lines)
    return HEAD + extra + b"content-length: %d\r\n\r\n" % said + body


def says(answer: Any) -> Script:
    """Answer with any JSON; NaN and infinities are written the way Python writes them."""
    return sends(sized(json.dumps(answer).encode()))


def with_logprobs(*values: Any) -> dict[str, Any]:
    """A good answer but for its log-probabilities."""
    answer = chat("abcd", [])
    tokens = [{"token": "a", "logprob": value, "top_logprobs": []} for value in values]
    answer["choices"][0]["logprobs"] = {"content": tokens}
    return answer


async def never_ends(turn: Turn) -> None:
    """Send events until the other side has had enough."""
    await turn.stream_head()
    with contextlib.suppress(ConnectionError):
        for number in itertools.count():
            await turn.chunk(sse({"n": number, "pad": "x" * 4096}))
    turn.keep = False


async def endless_body(turn: Turn) -> None:
    """Send a body without a length until the other side has had enough."""
    with contextlib.suppress(ConnectionError):
        await turn.send(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        while True:
            await turn.chunk(PIECE)
    turn.keep = False


async def endless_head(turn: Turn) -> None:
    """Send headers until the other side has had enough."""
    with contextlib.suppress(ConnectionError):
        await turn.send(HEAD)
        while True:
            await turn.send(b"x-more: " + PIECE + b"\r\n")
    turn.keep = False


async def endless_interims(turn: Turn) -> None:
    """Send interim answers until the other side has had enough."""
    with contextlib.suppress(ConnectionError):
        while True:
            await turn.send(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 1000)
            await asyncio.sleep(0)
    turn.keep = False


def bomb(expanded_bytes: int = 64 << 20) -> bytes:
    """A small body that says it is compressed, and would be large."""
    return gzip.compress(b" " * expanded_bytes)
