"""Sends requests to endpoints over connections that are kept warm."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import cache

from tierwise_core.policy_resilience import Timeouts
from tierwise_router.dead_peers import notice_dead_peer
from tierwise_router.errors import UpstreamDiedError, UpstreamUnreachableError
from tierwise_router.upstream.connection import READ_AT_ONCE_BYTES, Connection
from tierwise_router.upstream.response import Headers, Response
from tierwise_router.upstream.target import Target

__all__ = ["Timeouts", "UpstreamClient"]

DEFAULT_TIMEOUTS = Timeouts()

KEEP_ALIVE_S = 4.0
"""How long an idle connection is kept: shorter than vLLM's own 5 s, so that we close it first."""

GRACE_S = 0.05
"""What a connection that is late gets on top, so that the loop sees one that is there already."""


@cache
def tls_context() -> ssl.SSLContext:
    """Trust what the system trusts (``SSL_CERT_FILE`` is honoured)."""
    return ssl.create_default_context()


@asynccontextmanager
async def _timeout_of_others(seconds: float) -> AsyncIterator[None]:
    """Time out after seconds in which this process ran: a moment that it stood still is made good.

    A process that had no processor for a while finds the time-out and what it waited for at once,
    and would blame the endpoint for its own absence.
    """
    loop = asyncio.get_running_loop()
    due = loop.time() + seconds

    async with asyncio.timeout(None) as limit:

        def late() -> None:
            now = loop.time()
            limit.reschedule(now + (now - due) + GRACE_S)

        looking = loop.call_at(due, late)
        try:
            yield
        finally:
            looking.cancel()


class UpstreamClient:
    """The connections of one dispatcher replica; it lives in one event loop.

    >>> import asyncio
    >>> async def idle_connections():
    ...     return UpstreamClient().idle_connections("http://10.0.0.1:8000")
    >>> asyncio.run(idle_connections())
    0
    """

    def __init__(
        self, tls: ssl.SSLContext | None = None, *, keep_alive_s: float = KEEP_ALIVE_S
    ) -> None:
        self._keep_alive_s = keep_alive_s
        self._loop = asyncio.get_running_loop()
        self._tls = tls
        self._room = memoryview(bytearray(READ_AT_ONCE_BYTES))
        self._idle: dict[str, list[Connection]] = {}
        self._wanted: frozenset[str] | None = None
        self._sweeping: asyncio.TimerHandle | None = None

    async def send(
        self,
        target: Target,
        path: str,
        headers: Headers,
        body: bytes,
        times: Timeouts = DEFAULT_TIMEOUTS,
    ) -> Response:
        """POST a body and wait for the answer's head.

        A kept connection that its server has just closed is replaced by a fresh one, once, and
        only when nothing at all came back on it.

        Raises UpstreamUnreachableError, UpstreamDiedError or UpstreamTimeoutError.
        """
        head = _request_head(target, path, headers, len(body))
        connection = self._take_idle(target.url)
        kept = connection is not None
        while True:
            if connection is None:
                connection = await self._connect(target, times.connect_s)
            response = connection.send(head, body, times)
            try:
                while not response.started:
                    await response.news()
            except UpstreamDiedError:
                response.abort()
                if connection.answered or not kept:
                    raise
                connection, kept = None, False
            except BaseException:
                response.abort()
                raise
            else:
                return response

    def idle_connections(self, url: str) -> int:
        """Count the warm connections to an endpoint."""
        return len(self._idle.get(url, ()))

    def keep_only(self, urls: Iterable[str]) -> None:
        """Let go of every other endpoint: its idle connections close now, busy ones when done."""
        self._wanted = frozenset(urls)
        for url in [url for url in self._idle if url not in self._wanted]:
            self._forget(url)

    def _forget(self, url: str) -> None:
        for connection in self._idle.pop(url, ()):
            connection.close()

    def close(self) -> None:
        """Close every idle connection."""
        for url in list(self._idle):
            self._forget(url)
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None

    async def _connect(self, target: Target, connect_s: float) -> Connection:
        tls = (self._tls or tls_context()) if target.tls else None
        try:
            async with _timeout_of_others(connect_s):
                transport, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop, target.url, self._keep, self._room),
                    target.host,
                    target.port,
                    ssl=tls,
                )
        except TimeoutError:
            why = f"no connection within {connect_s:g} s"
            raise UpstreamUnreachableError(f"endpoint {target.url}: {why}") from None
        except OSError as error:
            raise UpstreamUnreachableError(f"endpoint {target.url}: {error}") from error
        notice_dead_peer(transport.get_extra_info("socket"), must_read=True)
        return connection

    def _take_idle(self, url: str) -> Connection | None:
        idle = self._idle.get(url)
        oldest = self._loop.time() - self._keep_alive_s
        while idle:
            connection = idle.pop()
            if connection.usable and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    def _keep(self, connection: Connection) -> None:
        if self._wanted is not None and connection.name not in self._wanted:
            connection.close()
            return
        self._idle.setdefault(connection.name, []).append(connection)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(self._keep_alive_s, self._sweep)

    def _sweep(self) -> None:
        oldest = self._loop.time() - self._keep_alive_s
        for url, idle in list(self._idle.items()):
            fresh = [kept for kept in idle if kept.usable and kept.idle_since > oldest]
            for stale in set(idle).difference(fresh):
                stale.close()
            if fresh:
                self._idle[url] = fresh
            else:
                del self._idle[url]
        self._sweeping = None
        if self._idle:
            self._sweeping = self._loop.call_later(self._keep_alive_s, self._sweep)


def _request_head(target: Target, path: str, headers: Headers, body_bytes: int) -> bytes:
    parts = [target.head(path), b"%d\r\n" % body_bytes]
    for pair in headers:
        parts.append(b"%b: %b\r\n" % pair)  # noqa: PERF401 - faster than a generator here
    parts.append(b"\r\n")
    return b"".join(parts)
