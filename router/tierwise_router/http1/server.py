"""All connections of a listener: their patience, the date on their answers, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Final

import structlog

from tierwise_router.exchange import ClientGoneError, Exchange
from tierwise_router.http1.connection import ClientConnection
from tierwise_router.http1.served import ServedExchange
from tierwise_router.memory import FreedMemory

__all__ = ["Handler", "Server"]

log = structlog.get_logger(__name__)

Handler = Callable[[Exchange], Awaitable[None]]

KEEP_ALIVE_S: Final = 75.0
STALL_S: Final = 300.0
LONGEST_TICK_S: Final = 1.0


class Server:
    """Answers each request of each connection by a handler.

    ``patience_s`` is what a client gets to finish a request's head, and between two pieces of its
    body; ``keep_alive_s`` how long a connection may be idle between two requests; ``stall_s`` how
    long a client may take nothing of an answer. All are looked at once a second: a request costs
    no timer.
    """

    def __init__(
        self,
        handler: Handler,
        patience_s: float,
        keep_alive_s: float = KEEP_ALIVE_S,
        stall_s: float = STALL_S,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.patience_s = patience_s
        self.keep_alive_s = keep_alive_s
        self.stall_s = stall_s
        self.connections: set[ClientConnection] = set()
        self.draining = False
        self.date = b""
        self._handler = handler
        self._memory = FreedMemory()
        self._tick_s = min(LONGEST_TICK_S, patience_s / 2)
        self._gone: asyncio.Future[None] | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._tick()

    def connect(self) -> ClientConnection:
        """Make the protocol of a new connection."""
        return ClientConnection(self)

    async def serve(self, exchange: ServedExchange) -> None:
        """Have a request answered; whatever happens, its connection can go on or is closed."""
        try:
            await self._handler(exchange)
        except ClientGoneError:
            pass
        except Exception:  # nobody is above this: an error costs one request, not the listener
            log.exception("request failed", path=exchange.path)
        finally:
            if not exchange.complete:
                exchange.abandon()

    async def drain(self, limit_s: float) -> None:
        """Close what is idle, let what runs finish, and cut what has not after ``limit_s``."""
        self.draining = True
        for connection in list(self.connections):
            connection.drain()
        if self.connections:
            self._gone = self.loop.create_future()
            await asyncio.wait([self._gone], timeout=limit_s)
        for connection in list(self.connections):
            connection.abort()
        await asyncio.sleep(0)
        if self._ticking is not None:
            self._ticking.cancel()

    def forget(self, connection: ClientConnection) -> None:
        """Learn that a connection has ended."""
        self.connections.discard(connection)
        if not self.connections and self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def look(self, now: float) -> None:
        """Close every connection that has been waited for long enough."""
        for connection in list(self.connections):
            connection.look(now)

    def _tick(self) -> None:
        self.date = b"date: %s\r\n" % formatdate(usegmt=True).encode()
        now = self.loop.time()
        self.look(now)
        self._memory.look(now)
        self._ticking = self.loop.call_later(self._tick_s, self._tick)
