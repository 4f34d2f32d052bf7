"""A router on the loopback that answers what a test tells it to, and remembers the question."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

HEADERS = {
    "x-tierwise-decision": "d-1",
    "x-tierwise-specialist": "demo/sorter",
    "x-tierwise-tier": "rtx-4090",
    "x-tierwise-confidence": "0.971",
    "x-tierwise-cost-usd": "0.00000123",
    "x-tierwise-path": "sorter@rtx-4090=0.97",
}


@dataclass
class Reply:
    """What the router answers: a status, headers and the bytes of a body."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: HEADERS)
    body: bytes = b""


@dataclass
class FakeRouter:
    """The router's address, what it answers next, and what it was asked."""

    url: str
    reply: Reply = field(default_factory=Reply)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


def completion(text: str, **headers: str) -> Reply:
    message = {"role": "assistant", "content": text}
    body = json.dumps({"choices": [{"index": 0, "message": message}]}).encode()
    return Reply(headers=HEADERS | headers, body=body)


def stream(*pieces: str, ending: str = "data: [DONE]\n\n") -> Reply:
    events = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + ending
    return Reply(headers=HEADERS | {"content-type": "text/event-stream"}, body=body.encode())


def refused(status: int, kind: str, message: str, **headers: str) -> Reply:
    error = {"message": message, "type": kind, "code": kind, "param": None}
    return Reply(status, headers, json.dumps({"error": error}).encode())


@contextmanager
def fake_router() -> Iterator[FakeRouter]:
    """Serve until the test is over."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    router = FakeRouter(f"http://127.0.0.1:{server.server_address[1]}")
    server.router = router  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield router
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        router: FakeRouter = self.server.router  # type: ignore[attr-defined]
        length = int(self.headers["content-length"])
        router.asked.append((self.path, json.loads(self.rfile.read(length))))
        self._answer(router)

    def do_GET(self) -> None:
        router: FakeRouter = self.server.router  # type: ignore[attr-defined]
        router.asked.append((self.path, {}))
        self._answer(router)

    def _answer(self, router: FakeRouter) -> None:
        self.send_response(router.reply.status)
        for name, value in router.reply.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(router.reply.body)))
        self.end_headers()
        self.wfile.write(router.reply.body)

    def log_message(self, *_: Any) -> None:
        """Keep the tests' output clean."""
