"""Sends requests to endpoints over connections that are kept warm."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from tierwise_router.errors import UpstreamDiedError, UpstreamUnreachableError
from tierwise_router.upstream.connection import Connection
from tierwise_router.upstream.response import Headers, Response
from tierwise_router.upstream.target import Target

__all__ = ["Timeouts", "UpstreamClient"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait, in seconds.

    ``keep_alive_s`` is shorter than vLLM's own 5 s, so that we close an idle connection first.
    """

    connect_s: float = 3.0
    first_byte_s: float = 300.0
    idle_s: float = 300.0
    keep_alive_s: float = 4.0


@cache
def tls_context() -> ssl.SSLContext:
    """Trust what the system trusts (``SSL_CERT_FILE`` is honoured)."""
    return ssl.create_default_context()


class UpstreamClient:
    """The connections of one dispatcher replica; it lives in one event loop.

    >>> import asyncio
    >>> async def idle_connections():
    ...     return UpstreamClient().idle_connections("http://10.0.0.1:8000")
    >>> asyncio.run(idle_connections())
    0
    """

    def __init__(self, timeouts: Timeouts | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.timeouts = timeouts or Timeouts()
        self._loop = asyncio.get_running_loop()
        self._tls = tls
        self._idle: dict[str, list[Connection]] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    async def send(self, target: Target, path: str, headers: Headers, body: bytes) -> Response:
        """POST a body and wait for the answer's head.

        A kept connection that its server has just closed is replaced by a fresh one, once, and
        only when nothing at all came back on it.

        Raises UpstreamUnreachableError, UpstreamDiedError or UpstreamTimeoutError.
        """
        head = _request_head(target, path, headers, len(body))
        if (kept := self._take_idle(target.url)) is not None:
            try:
                return await self._exchange(kept, head, body)
            except UpstreamDiedError:
                if kept.answered:
                    raise
        return await self._exchange(await self._connect(target), head, body)

    def idle_connections(self, url: str) -> int:
        """Count the warm connections to an endpoint."""
        return len(self._idle.get(url, ()))

    def forget(self, urls: Iterable[str]) -> None:
        """Close the idle connections to endpoints that are gone."""
        for url in urls:
            for connection in self._idle.pop(url, ()):
                connection.close()

    def close(self) -> None:
        """Close every idle connection."""
        self.forget(list(self._idle))
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None

    async def _exchange(self, connection: Connection, head: bytes, body: bytes) -> Response:
        times = self.timeouts
        response = connection.send(head, body, times.first_byte_s, times.idle_s)
        try:
            await response.head()
        except BaseException:
            response.abort()
            raise
        return response

    async def _connect(self, target: Target) -> Connection:
        tls = (self._tls or tls_context()) if target.tls else None
        try:
            async with asyncio.timeout(self.timeouts.connect_s):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop, target.url, self._keep),
                    target.host,
                    target.port,
                    ssl=tls,
                )
        except TimeoutError:
            why = f"no connection within {self.timeouts.connect_s:g} s"
            raise UpstreamUnreachableError(f"endpoint {target.url}: {why}") from None
        except OSError as error:
            raise UpstreamUnreachableError(f"endpoint {target.url}: {error}") from error
        return connection

    def _take_idle(self, url: str) -> Connection | None:
        idle = self._idle.get(url)
        oldest = self._loop.time() - self.timeouts.keep_alive_s
        while idle:
            connection = idle.pop()
            if connection.usable and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    def _keep(self, connection: Connection) -> None:
        self._idle.setdefault(connection.name, []).append(connection)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(self.timeouts.keep_alive_s, self._sweep)

    def _sweep(self) -> None:
        oldest = self._loop.time() - self.timeouts.keep_alive_s
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
            self._sweeping = self._loop.call_later(self.timeouts.keep_alive_s, self._sweep)


def _request_head(target: Target, path: str, headers: Headers, body_bytes: int) -> bytes:
    parts = [b"POST ", target.prefix.encode(), path.encode(), b" HTTP/1.1\r\nhost: "]
    parts += [target.authority, b"\r\ncontent-length: ", b"%d" % body_bytes, b"\r\n"]
    for name, value in headers:
        parts += [name, b": ", value, b"\r\n"]
    parts.append(b"\r\n")
    return b"".join(parts)
