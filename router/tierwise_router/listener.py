"""A dispatcher's own HTTP listener: uvicorn on a socket that several processes can share."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator
from typing import Any

import uvicorn

from tierwise_router.bounded import bounded_protocol

__all__ = ["Listener", "claim_port", "shared_socket"]

BACKLOG = 2048
CLIENT_KEEP_ALIVE_S = 75
CLIENT_PATIENCE_S = 30.0


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


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # The process belongs to Ray, or to a test; it decides when to stop.
        yield


class Listener:
    """Serves an ASGI application until it is drained.

    >>> from tierwise_router.app import App
    >>> from tierwise_router.dispatcher import Dispatcher
    >>> from tierwise_router.settings import Settings
    >>> async def port():
    ...     app = App(Dispatcher.create(Settings()))
    ...     listener = await Listener.open(app, claim_port("127.0.0.1", 0), drain_s=1)
    ...     await listener.drain()
    ...     return listener.port > 0
    >>> asyncio.run(port())
    True
    """

    def __init__(self, server: uvicorn.Server, port: int) -> None:
        self._server = server
        self._serving: asyncio.Task[None] | None = None
        self.port = port

    @classmethod
    async def open(
        cls,
        app: Any,
        shared: socket.socket,
        drain_s: float,
        patience_s: float = CLIENT_PATIENCE_S,
    ) -> Listener:
        """Start to listen.

        ``drain_s`` is what running requests get when it is drained, ``patience_s`` what a client
        gets to finish a request's head, and between two pieces of its body.
        """
        config = uvicorn.Config(
            app,
            http=bounded_protocol(patience_s),
            ws="none",
            loop="none",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=CLIENT_KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, int(drain_s)),
        )
        config.load()
        listener = cls(_Server(config), shared.getsockname()[1])
        listener._serving = asyncio.get_running_loop().create_task(
            listener._server.serve(sockets=[shared])
        )
        await listener._until_started()
        return listener

    async def _until_started(self) -> None:
        while not self._server.started:
            if self._serving is not None and self._serving.done():
                self._serving.result()
                raise RuntimeError("the HTTP listener ended while it started")
            await asyncio.sleep(0)

    @property
    def alive(self) -> bool:
        """Tell whether it still accepts connections."""
        return self._serving is not None and not self._serving.done()

    async def drain(self) -> None:
        """Accept nothing more, let what runs finish, and return when all of it has."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving
