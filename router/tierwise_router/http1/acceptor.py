"""Takes new connections from a listening socket, all that wait in one turn of the event loop.

libuv's own server takes one in a turn. Where many streams flow, a turn takes 15 ms: of 256 clients
who came at once, the last were taken after three seconds, while the first had been answered fifty
times.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final

import structlog

from tierwise_router.dead_peers import notice_dead_peer

__all__ = ["Acceptor"]

log = structlog.get_logger(__name__)

BACKLOG: Final = 2048
MOST_IN_A_TURN: Final = 64
PAUSE_S: Final = 1.0
EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Acceptor:
    """Listens on a bound socket, which it owns from now on, until it is closed.

    ``connect`` makes the protocol of a new connection. When the process may open no more files it
    takes nobody for ``pause_s``; whoever comes waits in the kernel's queue.
    """

    def __init__(
        self,
        shared: socket.socket,
        connect: Callable[[], asyncio.BaseProtocol],
        pause_s: float = PAUSE_S,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._shared = shared
        self._connect = connect
        self._pause_s = pause_s
        self._pausing: asyncio.TimerHandle | None = None
        self._opening: set[asyncio.Task[None]] = set()
        self.open = True
        shared.setblocking(False)  # noqa: FBT003 - the socket's own interface
        shared.listen(BACKLOG)
        self._resume()

    async def close(self) -> None:
        """Take nobody any more; whoever was taken has its connection when this returns."""
        if not self.open:
            return
        self.open = False
        if self._pausing is None:
            self._loop.remove_reader(self._shared)
        else:
            self._pausing.cancel()
        self._shared.close()
        if self._opening:
            await asyncio.wait(self._opening)

    def _resume(self) -> None:
        self._pausing = None
        self._loop.add_reader(self._shared, self._accept)

    def _accept(self) -> None:
        for _ in range(MOST_IN_A_TURN):
            try:
                client, _ = self._shared.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(error)
                return
            task = self._loop.create_task(self._serve(client))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def _pause(self, error: OSError) -> None:
        if error.errno not in EXHAUSTED:
            log.warning("a connection could not be accepted", error=str(error))
            return
        log.error(
            "no connection can be accepted", error=str(error), again_in_s=self._pause_s,
            fix="raise the limit of open files (ulimit -n), or run more routers",
        )  # fmt: skip
        self._loop.remove_reader(self._shared)
        self._pausing = self._loop.call_later(self._pause_s, self._resume)

    async def _serve(self, client: socket.socket) -> None:
        try:
            client.setblocking(False)  # noqa: FBT003 - the socket's own interface
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            notice_dead_peer(client, must_read=False)
            await self._loop.connect_accepted_socket(self._connect, client)
        except OSError as error:  # it has gone again
            log.debug("a connection ended before it began", error=str(error))
            client.close()
