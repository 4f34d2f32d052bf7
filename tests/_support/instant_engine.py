"""An engine that answers at once and always the same, for tests of many thousand requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast

from fake_engine import chat, sse

WHOLE: Final = json.dumps(chat("abcd", [-0.0001])).encode()
TOKEN: Final = {"content": [{"token": "a", "logprob": -0.0001, "top_logprobs": []}]}
DELTA: Final = {"index": 0, "delta": {"content": "a"}, "logprobs": TOKEN, "finish_reason": None}
END: Final = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
EVENTS: Final = (
    sse({"choices": [DELTA]}) * 4 + sse({"choices": [END]}) + b"data: [DONE]\n\n"
)  # fmt: skip


def _answer(kind: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n"
    return head % (kind, len(body)) + body


JSON_ANSWER: Final = _answer(b"application/json", WHOLE)
STREAM_ANSWER: Final = _answer(b"text/event-stream", EVENTS)


class _Instant(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if found and len(body) >= _length(head):
            self._data = b""
            self._transport.write(STREAM_ANSWER if b'"stream":true' in body else JSON_ANSWER)


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length: ")
    return int(rest.partition(b"\r\n")[0] or 0)


@asynccontextmanager
async def instant_engine() -> AsyncIterator[str]:
    """Serve on loopback; yields the address."""
    server = await asyncio.get_running_loop().create_server(_Instant, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()
