"""What the servers on the loopback share: ranges, faults, and counting what is really sent."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

CHUNK_BYTES: Final = 64 * 1024


@dataclass
class Trouble:
    """What goes wrong, and how often: a status, a broken connection, or other bytes."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    breaks_after: int = -1
    flips_a_bit: bool = False
    ignores_range: bool = False
    times: int = 1

    def strikes(self) -> bool:
        """Whether it happens now."""
        self.times -= 1
        return self.times >= 0


@dataclass
class Served:
    """What every server keeps: troubles by path, and what was asked."""

    troubles: dict[str, Trouble] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    bytes_written: int = 0
    endpoint: str = ""

    def asked(self, ending: str) -> int:
        """How many requests ended so."""
        return sum(path.partition("?")[0].endswith(ending) for _, path, _ in self.requests)

    def ranges(self, ending: str) -> list[str]:
        """The ranges that were asked of a file."""
        return [
            headers.get("Range", headers.get("range", ""))
            for _, path, headers in self.requests
            if path.endswith(ending)
        ]


class Loopback(BaseHTTPRequestHandler):
    """A handler over a :class:`Served`."""

    protocol_version = "HTTP/1.1"
    served: Any

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Stay silent."""

    def do_GET(self) -> None:
        """Remember the request and answer it."""
        self.served.requests.append((self.command, self.path, dict(self.headers.items())))
        self.answer()

    def do_HEAD(self) -> None:
        """Likewise; the body is left out."""
        self.do_GET()

    def answer(self) -> None:
        """Answer the request; each server has its own way."""
        raise NotImplementedError

    def say(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """A small answer."""
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def in_trouble(self, name: str) -> Trouble | None:
        """The trouble that strikes now; one with a status has been answered."""
        trouble = self.served.troubles.get(name)
        if trouble is None or not trouble.strikes():
            return None
        if trouble.status:
            self.say(trouble.status, b"", trouble.headers)
        return trouble

    def send_file(
        self, content: bytes, headers: dict[str, str], trouble: Trouble | None = None
    ) -> None:
        """A file, or the range that was asked for."""
        trouble = trouble or Trouble()
        if trouble.flips_a_bit:
            content = bytes([content[0] ^ 1]) + content[1:]
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = 0, len(content) - 1
        if span and not trouble.ignores_range:
            first = int(span[1])
            last = min(last, int(span[2])) if span[2] else last
            headers = {**headers, "Content-Range": f"bytes {first}-{last}/{len(content)}"}
        body = content[first : last + 1]
        self.send_response(206 if "Content-Range" in headers else 200)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if trouble.breaks_after >= 0:
            body = body[: trouble.breaks_after]
            self.close_connection = True
        if self.command != "HEAD":
            self._write(body)

    def _write(self, body: bytes) -> None:
        try:
            for start in range(0, len(body), CHUNK_BYTES):
                self.wfile.write(body[start : start + CHUNK_BYTES])
                self.served.bytes_written += len(body[start : start + CHUNK_BYTES])
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


class QuietServer(ThreadingHTTPServer):
    """A server that keeps silent about clients who hang up, as those under test do."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(handler: type[Loopback], served: Any, host: str = "127.0.0.1") -> Iterator[str]:
    """Run a server; yields its address."""
    server = QuietServer((host, 0), type("Bound", (handler,), {"served": served}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
