"""A scripted OpenAI server on loopback: it answers, streams, dawdles, refuses and dies on cue.

The real engine cannot be asked to die after exactly eleven bytes; this one can.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

Script = Callable[["Turn"], Awaitable[None]]


@dataclass(slots=True)
class Request:
    """What arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"

    @property
    def fields(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(slots=True)
class Turn:
    """One request and the wire to answer it on."""

    request: Request
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    keep: bool = True

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def whole(
        self, status: int, body: bytes, content_type: str = "application/json", extra: str = ""
    ) -> None:
        head = (
            f"HTTP/1.1 {status} Scripted\r\ncontent-type: {content_type}\r\n"
            f"content-length: {len(body)}\r\n{extra}\r\n"
        )
        await self.send(head.encode() + body)

    async def stream_head(self) -> None:
        await self.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def end(self) -> None:
        await self.send(b"0\r\n\r\n")

    def die(self) -> None:
        self.keep = False
        self.writer.transport.abort()


def chat(text: str, logprobs: list[float] | None = None, model: str = "m") -> dict[str, Any]:
    """A whole chat answer, the way vLLM writes it."""
    tokens = [{"token": "t", "logprob": value, "top_logprobs": []} for value in logprobs or []]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "tool_calls": []},
                "logprobs": {"content": tokens} if logprobs is not None else None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
    }


def answers(text: str, logprob: float = -0.001) -> Script:
    """Answer a chat with one token of that log-probability, if log-probabilities are wanted."""

    async def script(turn: Turn) -> None:
        fields = turn.request.fields
        wanted = bool(fields.get("logprobs"))
        answer = chat(text, [logprob] if wanted else None, fields["model"])
        if turn.request.path.endswith("/completions") and "prompt" in fields:
            answer["object"] = "text_completion"
            answer["choices"] = [
                {
                    "index": 0,
                    "text": text,
                    "logprobs": {"token_logprobs": [logprob]} if wanted else None,
                    "finish_reason": "stop",
                }
            ]
        if fields.get("stream"):
            await stream_text(turn, text, logprob if wanted else None)
        else:
            await turn.whole(200, json.dumps(answer).encode())

    return script


async def stream_text(turn: Turn, text: str, logprob: float | None = None) -> None:
    """Stream a text letter by letter, the way vLLM does; the end token is a token too."""
    fields = turn.request.fields
    await turn.stream_head()
    for letter in text:
        await turn.chunk(sse(piece(fields, letter, logprob)))
    await turn.chunk(sse(piece(fields, "", logprob, finish="stop")))
    if (fields.get("stream_options") or {}).get("include_usage"):
        await turn.chunk(sse({"choices": [], "usage": usage_of(text)}))
    await turn.chunk(b"data: [DONE]\n\n")
    await turn.end()


def piece(
    asked: dict[str, Any],
    text: str,
    logprob: float | None = None,
    *,
    finish: str | None = None,
    index: int = 0,
) -> dict[str, Any]:
    """One event of a stream, as the endpoint that was asked writes it."""
    choice: dict[str, Any] = {"index": index, "logprobs": None, "finish_reason": finish}
    if "prompt" in asked:
        choice["text"] = text
        if logprob is not None:
            choice["logprobs"] = {"tokens": [text], "token_logprobs": [logprob]}
        return {"id": "cmpl-1", "object": "text_completion", "choices": [choice]}
    choice["delta"] = {"content": text}
    if logprob is not None:
        choice["logprobs"] = {"content": [{"token": text, "logprob": logprob}]}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]}


def usage_of(text: str) -> dict[str, int]:
    tokens = len(text) + 1
    return {"prompt_tokens": 5, "completion_tokens": tokens, "total_tokens": 5 + tokens}


def sse(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def refuses(status: int, message: str, extra: str = "") -> Script:
    """Answer with an error of the engine's own."""
    body = json.dumps({"error": {"message": message, "type": "BadRequestError", "code": status}})

    async def script(turn: Turn) -> None:
        await turn.whole(status, body.encode(), extra=extra)

    return script


async def dies(turn: Turn) -> None:
    """Take the request and reset the connection."""
    turn.die()


@dataclass(slots=True)
class FakeEngine:
    """A server; ``script`` says what it does with the next request, and may be changed.

    One that does not read bodies answers as soon as it has a head.
    """

    script: Script
    reads_bodies: bool = True
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    url: str = ""

    @classmethod
    async def start(cls, script: Script, host: str = "127.0.0.1", port: int = 0) -> Self:
        engine = cls(script)
        engine._server = await asyncio.start_server(engine._serve, host, port, backlog=4096)
        port = engine._server.sockets[0].getsockname()[1]
        engine.url = f"http://{host}:{port}"
        return engine

    async def stop(self) -> None:
        """Refuse new connections and reset the running ones."""
        if self._server is not None:
            self._server.close()
            self.cut()
            await self._server.wait_closed()
            self._server = None

    def cut(self) -> None:
        """Close every connection, as a server does with those that were idle for long."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while (turn := await self._read(reader, writer)) is not None:
                self.requests.append(turn.request)
                self.arrived.set()
                await self.script(turn)
                if not turn.keep:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            self.hung_up.set()
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _read(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Turn | None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        request_line, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.split(": ", 1) for line in lines if line)
        headers = {name.lower(): value for name, value in pairs}
        size = int(headers.get("content-length", "0")) if self.reads_bodies else 0
        body = await reader.readexactly(size)
        method, path, _ = request_line.split(" ", 2)
        return Turn(Request(path, headers, body, method), reader, writer)


def until_hung_up(engine_of: Callable[[], FakeEngine]) -> Script:
    """Never answer; notice when the other side gives up."""

    async def script(turn: Turn) -> None:
        turn.keep = False
        if await turn.reader.read() == b"":
            engine_of().hung_up.set()

    return script
