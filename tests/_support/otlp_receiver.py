"""A collector of traces on the loopback: takes what OTLP/HTTP posts, as protobuf."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass, field
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(slots=True)
class Span:
    """A span as it arrived; ids in hexadecimal, ``parent`` empty for none."""

    name: str
    kind: int
    trace: str
    id: str
    parent: str
    seconds: float
    attributes: dict[str, Any]
    error: bool


@dataclass(slots=True)
class Receiver:
    """Answers every post with ``status`` and keeps the spans of those it took."""

    url: str = ""
    status: int = 200
    posts: int = 0
    spans: list[Span] = field(default_factory=list)
    services: set[str] = field(default_factory=set)
    _server: asyncio.Server | None = None

    @classmethod
    async def start(cls) -> Self:
        receiver = cls()
        receiver._server = await asyncio.start_server(receiver._serve, "127.0.0.1", 0)
        receiver.url = f"http://127.0.0.1:{receiver._server.sockets[0].getsockname()[1]}"
        return receiver

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(
            line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line
        )
        body = await reader.readexactly(int(headers["content-length"]))
        assert head.startswith("POST /v1/traces "), head
        self.posts += 1
        if self.status < 400:
            whole = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
            self._take(ExportTraceServiceRequest.FromString(whole))
        reply = f"HTTP/1.1 {self.status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        writer.write(reply.encode())
        await writer.drain()
        writer.close()

    def _take(self, request: Any) -> None:
        for of_resource in request.resource_spans:
            resource = _attributes(of_resource.resource.attributes)
            self.services.add(str(resource["service.name"]))
            for scope in of_resource.scope_spans:
                self.spans += [_span(span) for span in scope.spans]


def _span(span: Any) -> Span:
    return Span(
        span.name,
        span.kind,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        _attributes(span.attributes),
        span.status.code == 2,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
