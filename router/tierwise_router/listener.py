"""A dispatcher's own HTTP listener, on a socket that several processes can share."""

from __future__ import annotations

import socket
from typing import Protocol, Self

from tierwise_router.exchange import Exchange
from tierwise_router.http1.acceptor import Acceptor
from tierwise_router.http1.server import Server

__all__ = ["Listener", "claim_port", "shared_socket"]

CLIENT_PATIENCE_S = 30.0


class Application(Protocol):
    """What a listener serves."""

    async def answer(self, exchange: Exchange) -> None:
        """Answer one request."""


class PortInUseError(OSError):
    """Somebody else listens on the port; the message says which."""


def claim_port(host: str, port: int) -> socket.socket:
    """Claim a port for this pod and hold it; 0 lets the system choose one.

    The dispatchers share the port by SO_REUSEPORT, which would as happily share it with another
    router of the same user. So it is first bound alone, and then held, without listening.

    Raises PortInUseError.
    """
    if port:
        with socket.socket() as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                alone.bind((host, port))
            except OSError as error:
                raise PortInUseError(
                    f"port {port} of {host} is taken ({error.strerror}); stop what listens there, "
                    "or choose another with --port"
                ) from error
    return shared_socket(host, port)


def shared_socket(host: str, port: int) -> socket.socket:
    """Bind a socket that other processes of this user can bind as well."""
    shared = socket.socket()
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    shared.bind((host, port))
    shared.setblocking(False)  # noqa: FBT003 - the socket's own interface
    return shared


class Listener:
    """Serves an application until it is drained.

    >>> from tierwise_router.app import App
    >>> from tierwise_router.dispatcher import Dispatcher
    >>> from tierwise_router.settings import Settings
    >>> async def port():
    ...     app = App(Dispatcher.create(Settings()))
    ...     listener = await Listener.open(app, claim_port("127.0.0.1", 0), drain_s=1)
    ...     await listener.drain()
    ...     return listener.port > 0
    >>> import asyncio
    >>> asyncio.run(port())
    True
    """

    def __init__(self, server: Server, acceptor: Acceptor, port: int, drain_s: float) -> None:
        self._server = server
        self._acceptor = acceptor
        self._drain_s = drain_s
        self.port = port

    @classmethod
    async def open(
        cls,
        app: Application,
        shared: socket.socket,
        drain_s: float,
        patience_s: float = CLIENT_PATIENCE_S,
    ) -> Self:
        """Start to listen.

        ``drain_s`` is what running requests get when it is drained, ``patience_s`` what a client
        gets to finish a request's head, and between two pieces of its body.
        """
        server = Server(app.answer, patience_s)
        port = shared.getsockname()[1]
        return cls(server, Acceptor(shared, server.connect), port, drain_s)

    @property
    def alive(self) -> bool:
        """Tell whether it still accepts connections."""
        return self._acceptor.open

    @property
    def connections(self) -> int:
        """Count the clients' open connections."""
        return len(self._server.connections)

    async def drain(self) -> None:
        """Accept nothing more, let what runs finish, and return when all of it has."""
        await self._acceptor.close()
        await self._server.drain(self._drain_s)
