"""An HTTP connection with bounds: how long a request's head may be, and how long it may take.

A client that sends a byte now and then would hold a connection, and the memory of its request, for
as long as it likes. A request that comes at once, as nearly all do, arms no timer.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["LONGEST_HEAD_BYTES", "BoundedProtocol", "bounded_protocol"]

# Far above any real head, and above one read of the event loop, which may hold body as well.
LONGEST_HEAD_BYTES = 1024 * 1024


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with an end to the length of a head and to waiting for the rest of it.

    A head must be whole ``patience_s`` after its connection, or its first byte, came. A body may
    take as long as its pieces are never further apart than that.
    """

    patience_s = 30.0
    _head_bytes = 0
    _impatience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, and wait for the rest of a request that is not whole."""
        if self._between_requests:
            self._head_bytes += len(data)
            if self._head_bytes > LONGEST_HEAD_BYTES:
                self.transport.close()
                return
        super().data_received(data)
        if self._between_requests and self._head_bytes:
            self._wait()
        elif not self._between_requests and self.cycle.more_body:
            self._stop_waiting()
            self._wait()
        else:
            self._stop_waiting()

    def on_headers_complete(self) -> None:
        """Begin to count anew: the next head is another one."""
        self._head_bytes = 0
        super().on_headers_complete()

    @property
    def _between_requests(self) -> bool:
        cycle: Any = self.cycle  # None before the first request, whatever its type says
        return cycle is None or bool(cycle.response_complete)

    def _wait(self) -> None:
        if self._impatience is None:
            self._impatience = self.loop.call_later(self.patience_s, self._give_up)

    def _stop_waiting(self) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None

    def _give_up(self) -> None:
        self._impatience = None
        if self.flow.read_paused:  # it is we who do not read
            self._wait()
        else:
            self.transport.close()


def bounded_protocol(patience_s: float) -> type[BoundedProtocol]:
    """Make the protocol class for a listener, which makes an object of it for each connection."""
    return type("PatientProtocol", (BoundedProtocol,), {"patience_s": patience_s})
