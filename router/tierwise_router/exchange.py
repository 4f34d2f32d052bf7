"""One exchange with a client over ASGI: its request in, exactly one answer out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Self

import orjson

from tierwise_router.errors import ErrorAnswer, RequestError
from tierwise_router.inside import InProcessWork, work_of
from tierwise_router.journal_turn import Turn
from tierwise_router.upstream.response import Headers

__all__ = ["ClientGoneError", "Exchange", "is_stream", "too_large"]

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

JSON_TYPE = (b"content-type", b"application/json")
STREAM_TYPE = (b"content-type", b"text/event-stream; charset=utf-8")
WATCH_AFTER_S = 0.02
LINGER_S = 5.0
MIB = 1024 * 1024


class ClientGoneError(Exception):
    """The client hung up; nobody is left to answer."""


class Exchange:
    """A client's request and the answer to it.

    ``extra`` are headers that go out with whatever is answered. ``status`` is 0 until an answer
    has begun. A stream that was begun by :meth:`comment`, before anybody knew the answer, is still
    ``open``: whatever is answered then goes into it. ``tap`` and ``said`` keep a copy of every
    piece of the body that goes out, once they are lists: for shadows, and for the record.
    ``before_end`` is called once, right before the last bytes go out: what it writes down is
    written when the client learns that its answer is complete, also what it leaves to the end of a
    turn, which it gives back then.
    """

    __slots__ = (
        "_receive", "_send", "_whole", "before_end", "extra", "headers", "method", "open", "path",
        "query", "request_id", "said", "scope", "status", "tap",
    )  # fmt: skip

    def __init__(
        self, scope: dict[str, Any], receive: Receive, send: Send, request_id: bytes
    ) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope.get("query_string", b"")
        self.headers: Headers = scope["headers"]
        self.request_id = request_id
        self.extra: Headers = [(b"x-request-id", request_id)]
        self.status = 0
        self.open = False
        self.tap: list[bytes] | None = None
        self.said: list[bytes] | None = None
        self.before_end: Callable[[], Turn | None] | None = None
        self._whole: list[bytes] | None = None
        self._receive = receive
        self._send = send

    def work(self) -> InProcessWork | None:
        """Tell whose work of our own the request is; None for a client's."""
        return work_of(self.scope)

    def header(self, name: bytes) -> bytes:
        """Look a request header up by its lower-case name; empty when it is not there."""
        for key, value in self.headers:
            if key == name:
                return value
        return b""

    async def read_body(self, limit_bytes: int) -> bytes:
        """Read the whole body; raises RequestError (413) as soon as it is known to be too large."""
        announced = self.header(b"content-length")
        if announced.isdigit() and int(announced) > limit_bytes:
            raise too_large(limit_bytes)
        message = await self._next()
        body: bytes = message["body"]
        if not message["more_body"]:
            if len(body) > limit_bytes:
                raise too_large(limit_bytes)
            return body
        return await self._read_rest(body, limit_bytes)

    async def _read_rest(self, first: bytes, limit_bytes: int) -> bytes:
        parts, size, more = [first], len(first), True
        while more:
            message = await self._next()
            parts.append(message["body"])
            size += len(message["body"])
            more = message["more_body"]
            if size > limit_bytes:
                raise too_large(limit_bytes)
        return b"".join(parts)

    async def _next(self) -> dict[str, Any]:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        return message

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, for what is too large to be held in memory."""
        more = True
        while more:
            message = await self._next()
            more = message["more_body"]
            if message["body"]:
                yield message["body"]

    async def start(self, status: int, headers: Headers) -> None:
        """Send status and headers; the body follows by :meth:`piece`."""
        self.status = status
        if self.open:
            self.open = False
            self._whole = None if is_stream(headers) else []
            return
        await self._send(
            {"type": "http.response.start", "status": status, "headers": headers + self.extra}
        )

    async def piece(self, data: bytes, *, more: bool = True) -> None:
        """Send a piece of the body; waits while the client is slow."""
        if self._whole is not None:
            # Not a stream, but the client reads one: it gets the whole as a single event.
            self._whole.append(data)
            if more:
                return
            data = b"data: %s\n\n" % b"".join(self._whole).replace(b"\n", b" ")
        self._keep(data)
        if not more and self.before_end is not None:
            self._ending()
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    def _keep(self, data: bytes) -> None:
        if self.tap is not None:
            self.tap.append(data)
        if self.said is not None:
            self.said.append(data)

    def _ending(self) -> None:
        ending, self.before_end = self.before_end, None
        turn = ending() if ending is not None else None
        if turn is not None:
            self._wait_for(turn)

    def _wait_for(self, turn: Turn) -> None:
        """Have the turn's outcomes written before what is sent from now on."""
        turn.end()

    async def comment(self, text: str) -> None:
        """Tell a client that reads a stream something that is no part of its answer."""
        if not self.status:
            await self.start(200, [STREAM_TYPE])
            self.open = True
        await self.piece(b": %s\n\n" % text.encode())

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Send an answer at once."""
        await self.start(status, [*headers, (b"content-length", b"%d" % len(body))])
        await self.piece(body, more=False)

    async def json(self, status: int, value: object, headers: Headers | None = None) -> None:
        """Send a value as JSON."""
        await self.whole(status, [JSON_TYPE, *(headers or ())], orjson.dumps(value))

    async def error(self, answer: ErrorAnswer, detail: dict[str, object] | None = None) -> None:
        """Send an error in OpenAI's shape, with ``detail`` added to the error object."""
        body = answer.body()
        if detail:
            body = {"error": {**dict(body["error"]), **detail}}  # type: ignore[call-overload]
        if answer.status == 413:  # noqa: PLR2004 - Content Too Large
            await self._refuse_body(answer.status, orjson.dumps(body))
        else:
            await self.json(answer.status, body, list(answer.headers))

    async def _refuse_body(self, status: int, body: bytes) -> None:
        # Closing while the client still sends would reset the connection, and many clients then
        # never see the answer. So it goes out whole, and what still comes is thrown away for a bit.
        length = (b"content-length", b"%d" % len(body))
        await self.start(status, [JSON_TYPE, length, (b"connection", b"close")])
        await self.piece(body)
        try:
            async with asyncio.timeout(LINGER_S):
                while (message := await self._next()) and message["more_body"]:
                    pass
        except (TimeoutError, ClientGoneError):
            pass
        await self.piece(b"", more=False)

    def watch(self) -> DisconnectWatch:
        """Cancel the running task when the client hangs up; a context manager."""
        return DisconnectWatch(self._receive)


class DisconnectWatch:
    """Cancels the task it was entered in when the client disconnects, and says that it did.

    ASGI tells of a hang-up only to who waits for it. Most answers are faster than it is worth to
    start a task for that, so the waiting begins after 20 ms.
    """

    __slots__ = ("_receive", "_task", "_timer", "_waiting", "gone")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._waiting: asyncio.Task[None] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.gone = False

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._begin)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._waiting is not None:
            self._waiting.cancel()
        if self.gone and kind is asyncio.CancelledError and self._task is not None:
            self._task.uncancel()
            raise ClientGoneError

    def _begin(self) -> None:
        self._waiting = asyncio.get_running_loop().create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if self._task is not None:
            self._task.cancel()


def is_stream(headers: Headers) -> bool:
    """Tell whether headers announce a stream of events."""
    return any(
        name == b"content-type" and value.startswith(b"text/event-stream")
        for name, value in headers
    )


def too_large(limit_bytes: int) -> RequestError:
    """Make the error for a body that is too large."""
    return RequestError(
        f"the body is larger than {limit_bytes} bytes ({limit_bytes / MIB:g} MiB); send less, or "
        "raise TIERWISE_MAX_BODY_BYTES",
        status=413,
        code="body_too_large",
    )
