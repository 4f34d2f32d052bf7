"""The pod's own pulse on a port of its own: what the liveness probe asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

__all__ = ["HealthServer", "Pulse"]

STALE_AFTER_S = 30.0


class Pulse:
    """When the pod's machinery was last seen to work.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last_at = clock()
        self._limit_s = float("inf")

    def beat(self) -> None:
        """Note that everything answered just now; from the first beat on, silence counts."""
        self._last_at = self._clock()
        self._limit_s = STALE_AFTER_S

    def trouble(self) -> str:
        """Say what is wrong; empty when nothing is.

        >>> now = [0.0]
        >>> pulse = Pulse(lambda: now[0])
        >>> pulse.beat(); now[0] = 31.0; pulse.trouble()
        'Ray has not answered for 31 s'
        """
        silent_s = self._clock() - self._last_at
        return f"Ray has not answered for {silent_s:.0f} s" if silent_s > self._limit_s else ""


class HealthServer:
    """Answers ``GET /healthz`` from a thread; a context manager."""

    def __init__(self, host: str, port: int, pulse: Pulse) -> None:
        try:
            self._server = ThreadingHTTPServer((host, port), _handler(pulse))
        except OSError as error:
            raise OSError(
                f"port {port} for the liveness probe is taken ({error.strerror}); stop what "
                "listens there, or choose another with --health-port (0 for none)"
            ) from error
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="health", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(pulse: Pulse) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path in {"/healthz", "/livez"}
            trouble = pulse.trouble()
            self._say(404 if not known else 503 if trouble else 200, trouble or "ok")

        def _say(self, status: int, text: str) -> None:
            body = f"{text}\n".encode()
            self.send_response(status)
            self.send_header("content-type", "text/plain; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Probes are no news."""

    return Handler
