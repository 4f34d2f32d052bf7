"""Load with streams: a lean reader of server-sent events on raw asyncio, thousands at once."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field, replace

from figures import Cell, percentile
from load import KEY, sums

__all__ = ["StreamLoad", "StreamResult", "hold_streams", "run_streams"]

DONE = b"data: [DONE]\n\n"
LAST_CHUNK = b"0\r\n\r\n"
LONGEST_S = 60.0


@dataclass(frozen=True, slots=True)
class StreamLoad:
    """Streams of ``events`` events ``gap_ms`` apart, over ``connections`` at once.

    ``slow`` of the readers read nothing of streams that are far longer, until the end.
    """

    model: str
    connections: int
    events: int = 16
    gap_ms: int = 0
    slow: int = 0


@dataclass(slots=True)
class StreamResult:
    """What the readers saw: whole streams, errors, and times in ms."""

    streams: int = 0
    errors: int = 0
    first_ms: list[float] = field(default_factory=list)
    whole_ms: list[float] = field(default_factory=list)

    def cell(self, seconds: float) -> Cell:
        """Put it the way whole answers are: the rate of streams, the time of a whole one."""
        return Cell(
            self.streams / seconds, percentile(self.whole_ms, 0.5),
            percentile(self.whole_ms, 0.99), self.streams, self.errors,
        )  # fmt: skip


def request_bytes(load: StreamLoad, prompt: str, *, events: int) -> bytes:
    """Write a request; the fields that the upstream looks for come last."""
    fields = {
        "model": load.model, "messages": [{"role": "user", "content": prompt}], "stream": True,
        "max_tokens": events, "seed": load.gap_ms,
    }  # fmt: skip
    body = json.dumps(fields).encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b"
        % (KEY.encode(), len(body), body)
    )


class Reader(asyncio.Protocol):
    """One connection that asks again as soon as its stream has ended."""

    def __init__(self, requests: list[bytes], result: StreamResult, until: float) -> None:
        self._requests = requests
        self._result = result
        self._until = until
        self._at = 0
        self._tail, self._end = b"", LAST_CHUNK
        self._begun = self._first = 0.0
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        if time.perf_counter() >= self._until:
            self._leave()
            return
        self._tail, self._first = b"", 0.0
        self._begun = time.perf_counter()
        self._transport.write(self._requests[self._at % len(self._requests)])  # type: ignore[attr-defined]
        self._at += 1

    def data_received(self, data: bytes) -> None:
        if not self._first:
            self._first = time.perf_counter()
            if not data.startswith(b"HTTP/1.1 200"):
                self._failed()
                return
            head = data.partition(b"\r\n\r\n")[0].lower()
            # A stream that is there at once may come as a whole, with its length.
            self._end = LAST_CHUNK if b"chunked" in head else DONE
        seen = self._tail + data
        self._tail = seen[-64:]
        if seen.endswith(self._end) and DONE in seen:
            now = time.perf_counter()
            self._result.streams += 1
            self._result.first_ms.append((self._first - self._begun) * 1e3)
            self._result.whole_ms.append((now - self._begun) * 1e3)
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        if not self.ended.done():
            self._failed()

    def _failed(self) -> None:
        self._result.errors += 1
        self._leave()

    def _leave(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
        self._transport.abort()  # type: ignore[attr-defined]


async def stuck_reader(port: int, request: bytes) -> asyncio.StreamWriter:
    """Ask for a long stream and read nothing of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(request)
    await reader.readexactly(64)
    return writer


async def hold_streams(port: int, load: StreamLoad) -> list[asyncio.StreamWriter]:
    """Begin ``slow`` streams that nobody reads to their end; the caller drops them."""
    asked = sums(200)
    return [
        await stuck_reader(port, request_bytes(load, asked[at % 200], events=load.events))
        for at in range(load.slow)
    ]


async def run_streams(port: int, load: StreamLoad, seconds: float) -> StreamResult:
    """Keep that many streams going for a while, and let the last ones end."""
    loop = asyncio.get_running_loop()
    asked = sums(200)
    slow = await hold_streams(port, replace(load, events=100_000))
    result = StreamResult()
    requests = [request_bytes(load, prompt, events=load.events) for prompt in asked]
    until = time.perf_counter() + seconds
    readers = []
    for at in range(load.connections):
        turned = requests[at % 200 :] + requests[: at % 200]
        _, reader = await loop.create_connection(
            lambda turned=turned: Reader(turned, result, until), "127.0.0.1", port
        )
        readers.append(reader.ended)
    _, late = await asyncio.wait(readers, timeout=seconds + LONGEST_S)
    result.errors += len(late)
    for writer in slow:
        writer.transport.abort()
    return result
