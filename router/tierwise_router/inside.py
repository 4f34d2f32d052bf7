"""Requests of the router to itself: the same code as a client's, without a socket.

Batch lines, background requests and the steps of patterns go this way, so that they are admitted,
routed, judged, counted and recorded like everything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson

from tierwise_router.upstream.response import Headers

__all__ = ["WORK", "Checkpoints", "InProcessWork", "Inside", "ask_inside", "work_of"]

WORK: Final = "tierwise.work"
"""The key of a scope under which a request of our own says whose it is; no client can set it."""

AsgiApp = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class Checkpoints(Protocol):
    """Answers of single steps that outlive the process: work that is resumed asks them first."""

    async def get(self, step: str) -> bytes | None:
        """Give the step's answer if it was reached before."""

    async def put(self, step: str, answer: bytes) -> None:
        """Keep the step's answer; it is durable when this returns."""


@dataclass(frozen=True, slots=True)
class InProcessWork:
    """Whose work a request of our own is.

    ``tenant_key`` is ``namespace/name``, empty where there are no tenants. ``checkpoints`` are None
    for work that is not resumed. ``shadow_of`` is the decision whose request a shadow repeats.
    """

    tenant_key: str = ""
    latency_class: str = "batch"
    checkpoints: Checkpoints | None = None
    shadow_of: str = ""


@dataclass(slots=True)
class Inside:
    """A whole answer."""

    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""

    def header(self, name: bytes) -> bytes:
        """Look a header up by its lower-case name; empty when it is not there."""
        return next((value for key, value in self.headers if key == name), b"")


async def ask_inside(  # noqa: PLR0913 - a request, and whose it is
    app: AsgiApp,
    path: str,
    headers: Headers,
    body: bytes,
    *,
    work: InProcessWork | None = None,
    on_piece: Callable[[bytes], Awaitable[None]] | None = None,
) -> Inside:
    """Answer a request in this process and give the whole answer.

    ``headers`` have lower-case names. ``on_piece`` sees the pieces of the body as they come, each
    awaited: a slow reader slows the engine down. Cancelling this gives the request up. An answer
    that ends early becomes a 502.

    >>> async def hello(scope, receive, send):
    ...     body = (await receive())["body"]
    ...     await send({"type": "http.response.start", "status": 200, "headers": []})
    ...     await send({"type": "http.response.body", "body": body, "more_body": False})
    >>> asyncio.run(ask_inside(hello, "/v1/completions", [], b"{}"))
    Inside(status=200, headers=[], body=b'{}')
    """
    told = Inside()
    pieces: list[bytes] = []
    whole = False

    async def send(message: dict[str, Any]) -> None:
        nonlocal whole
        whole = message["type"] == "http.response.body" and not message.get("more_body", False)
        if message["type"] == "http.response.start":
            told.status, told.headers = message["status"], list(message["headers"])
        elif piece := message.get("body", b""):
            pieces.append(bytes(piece))
            if on_piece is not None:
                await on_piece(piece)

    await app(_scope(path, headers, body, work or InProcessWork()), _Receive(body), send)
    told.body = b"".join(pieces)
    return told if whole else _cut_short(told)


def work_of(scope: dict[str, Any]) -> InProcessWork | None:
    """Tell whose work a request is; None for a client's."""
    found: InProcessWork | None = scope.get(WORK)
    return found


def _cut_short(told: Inside) -> Inside:
    # A client sees its connection cut; here nothing else would tell.
    error = {"message": "the answer was cut short", "type": "server_error", "param": None}
    body = orjson.dumps({"error": {**error, "code": "upstream_unavailable"}})
    return Inside(502, told.headers, body)


class _Receive:
    """The body, and then a client that never hangs up."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body

    async def __call__(self) -> dict[str, Any]:
        if self._body is None:
            await asyncio.get_running_loop().create_future()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def _scope(path: str, headers: Headers, body: bytes, work: InProcessWork) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *headers,
        ],
        "client": None,
        "server": None,
        WORK: work,
    }
