"""One connection to an endpoint: it sends a request and feeds the answer to a Response."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import httptools

from tierwise_core.policy_resilience import Timeouts
from tierwise_router.dead_peers import GONE_AFTER_S
from tierwise_router.errors import UpstreamDiedError, UpstreamError, UpstreamTimeoutError
from tierwise_router.same_head import KnownHead, learn_head
from tierwise_router.upstream.response import Headers, Response

__all__ = ["READ_AT_ONCE_BYTES", "Connection"]

FIRST_FINAL_STATUS = 200
REDIRECTS = range(300, 400)
LONGEST_FRAMING_BYTES = 256 * 1024
"""How much may come that is no body: heads, interim answers, sizes of chunks, trailers."""

FRAMING_PER_BYTE = 64
"""How much more of it may come for each byte of body."""

OK = 200
NOT_MODIFIED = 304
BODILESS = (204, NOT_MODIFIED)
COPIED_BYTES = 16 * 1024
MOST_UNLIKE = 4
"""After so many answers in a row whose heads differ, a connection looks for equal ones no more."""

READ_AT_ONCE_BYTES = 32 * 1024
"""How much is taken from the network by one read: while it is taken in, everybody else waits."""
NO_TIMEOUTS = Timeouts()


class Connection(asyncio.BufferedProtocol):
    """An HTTP/1.1 client connection that carries one request at a time.

    Args:
        loop: the event loop it lives in.
        name: the endpoint's URL, for messages.
        on_idle: called when an answer is complete and the connection can take another request.
        room: what is read goes there; all connections of a loop may share it.
    """

    __slots__ = (
        "_excess_bytes",
        "_framed",
        "_headers",
        "_known",
        "_last_data_at",
        "_loop",
        "_on_idle",
        "_parser",
        "_reading_paused",
        "_response",
        "_room",
        "_sent_at",
        "_timer",
        "_timer_at",
        "_times",
        "_transport",
        "_unlike",
        "answered",
        "idle_since",
        "name",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        name: str,
        on_idle: Callable[[Connection], None],
        room: memoryview,
    ) -> None:
        self._loop = loop
        self.name = name
        self._on_idle = on_idle
        self._room = room
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._response: Response | None = None
        self._headers: Headers = []
        self._framed = False
        self._excess_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._times = NO_TIMEOUTS
        self._sent_at = 0.0
        self._last_data_at = 0.0
        self._reading_paused = False
        self._known: KnownHead[None] | None = None
        self._unlike = 0
        self.answered = False
        self.idle_since = 0.0

    @property
    def usable(self) -> bool:
        """Tell whether another request can be sent on it."""
        transport = self._transport
        return self._response is None and transport is not None and not transport.is_closing()

    def send(self, head: bytes, body: bytes, times: Timeouts) -> Response:
        """Send a request and return the answer-to-be.

        ``times`` bound the wait for the answer's head, each silence after it, and the whole.
        """
        response = self._response = Response(self._loop, self)
        self.answered = False
        self._headers = []
        self._framed = False
        self._excess_bytes = 0
        self._times = times
        self._sent_at = self._loop.time()
        self._look_at(self._sent_at + min(times.first_byte_s, times.whole_s))
        if self._transport is None:
            self._fail(UpstreamDiedError(f"endpoint {self.name} closed the connection"))
        elif len(body) <= COPIED_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))
        return response

    def close(self) -> None:
        """Close it in order."""
        if self._transport is not None:
            self._transport.close()

    # What the reader of the answer asks for.

    def pause(self) -> None:
        """Stop reading from the network until :meth:`resume`."""
        if self._transport is not None and not self._transport.is_closing():
            self._reading_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._last_data_at = self._loop.time()
            self._transport.resume_reading()

    def abort(self) -> None:
        """Drop the connection at once; a running request is given up."""
        self._end_exchange()
        if self._transport is not None:
            self._transport.abort()

    # What asyncio tells us.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's
        """Lend the place for one read; what is read is taken in before the next one."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Take in what was read."""
        self.data_received(self._room[:nbytes])

    def data_received(self, data: bytes | memoryview) -> None:
        """Feed the parser; what comes without a request ends the connection."""
        response = self._response
        if response is None:
            self.close()
            return
        begins, self.answered = not self.answered, True
        if begins and self._unlike < MOST_UNLIKE:
            whole = bytes(data)
            known = self._known
            found = known.match(whole) if known is not None else None
            if found is not None:
                self._unlike = 0
                self._end_exchange()
                response.take_whole(*found)
                self._become_free()
                return
            self._parse(data)
            self._learn(whole, response)
        else:
            self._parse(data)

    def _parse(self, data: bytes | memoryview) -> None:
        self._excess_bytes += len(data)
        self._last_data_at = self._loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._break("switched protocols")
        except httptools.HttpParserError as error:
            self._break(f"sent no valid HTTP ({error})")
        if self._excess_bytes > LONGEST_FRAMING_BYTES:
            self._break(f"sent {LONGEST_FRAMING_BYTES} bytes of headers and no body")

    def _learn(self, data: bytes, response: Response) -> None:
        """Remember the head of a plain answer that came as a whole: the next one's may be equal."""
        self._unlike += 1
        self._known = None
        kept = response.complete and self._parser.should_keep_alive()
        if kept and response.status == OK and self._response is None:
            self._known = learn_head(data, response.waiting_body, response.headers, None)

    def eof_received(self) -> bool:
        """Finish an answer that ends with its connection."""
        response = self._response
        if response is not None and response.started and not self._framed:
            self._end_exchange()
            response.finish()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the reader of an unfinished answer."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if isinstance(exc, TimeoutError):
            what = f"has given no sign of life for {GONE_AFTER_S} s"
        else:
            what = f"closed the connection ({exc})" if exc else "closed the connection"
        self._fail(UpstreamDiedError(f"endpoint {self.name} {what}"))

    # What the parser tells us.

    def on_message_begin(self) -> None:
        """Close when a message begins that nobody asked for."""
        if self._response is None:
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header, its name in lower case; note whether the body says its length."""
        key = name.lower()
        if key in {b"content-length", b"transfer-encoding"}:
            self._framed = True
        self._headers.append((key, value))

    def on_headers_complete(self) -> None:
        """Hand the head over; an interim answer (1xx) is passed by."""
        status = self._parser.get_status_code()
        if status < FIRST_FINAL_STATUS or self._response is None:
            self._headers = []
            self._framed = False
            return
        if status in REDIRECTS and status != NOT_MODIFIED:
            # Where it points to is for us to know: a client that went there would pass us by.
            self._break(f"answered {status}, and nobody follows; give the address it names")
            return
        self._framed = self._framed or status in BODILESS
        times = self._times
        self._look_at(min(self._last_data_at + times.idle_s, self._sent_at + times.whole_s))
        headers, self._headers = self._headers, []  # trailers go nowhere
        self._response.feed_head(status, headers)

    def on_body(self, body: bytes) -> None:
        """Hand a piece of the body over."""
        self._excess_bytes -= FRAMING_PER_BYTE * len(body)
        if self._response is not None:
            self._response.feed(body)

    def on_message_complete(self) -> None:
        """Hand the end over and become free, if the upstream keeps the connection."""
        response = self._response
        if response is None or not response.started:
            return
        keep = self._parser.should_keep_alive()
        self._end_exchange()
        response.finish()
        if keep:
            self._become_free()
        else:
            self.close()

    def _become_free(self) -> None:
        """Take the next request, unless the last one was answered before it was sent."""
        transport = self._transport
        # Who answers before the whole request is sent may take its rest for the next one.
        if transport is not None and not transport.get_write_buffer_size():
            self.idle_since = self._loop.time()
            self._on_idle(self)
        else:
            self.close()

    # Time. Nearly every answer comes in time, so the timer is not set anew for each request: it
    # goes off when one might be late, and then is set for the one that runs.

    def _look_at(self, due: float) -> None:
        if self._timer is None or due < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = due
            self._timer = self._loop.call_later(due - self._loop.time(), self._look)

    def _look(self) -> None:
        self._timer = None
        response = self._response
        if response is None:
            return
        now = self._loop.time()
        due, message = self._due(response, now)
        if due > now:
            self._look_at(due)
        else:
            self._give_up(f"endpoint {self.name} {message}")

    def _due(self, response: Response, now: float) -> tuple[float, str]:
        """Tell when the running answer is late next, and in which way."""
        times = self._times
        whole_by = self._sent_at + times.whole_s
        if not response.started:
            due = self._sent_at + times.first_byte_s
            message = f"sent no answer within {times.first_byte_s:g} s"
        else:
            # A paused connection is silent because its reader is slow: no fault of the engine.
            due = (now if self._reading_paused else self._last_data_at) + times.idle_s
            message = f"fell silent for {times.idle_s:g} s"
        if whole_by <= due:
            return whole_by, f"did not end its answer within {times.whole_s:g} s"
        return due, message

    # Ends.

    def _give_up(self, message: str) -> None:
        self._fail(UpstreamTimeoutError(message))
        self.abort()

    def _break(self, what: str) -> None:
        self._fail(UpstreamDiedError(f"endpoint {self.name} {what}"))
        self.abort()

    def _fail(self, error: UpstreamError) -> None:
        response = self._response
        self._end_exchange()
        if response is not None:
            response.fail(error)

    def _end_exchange(self) -> None:
        self._response = None
