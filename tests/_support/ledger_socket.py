"""A ledger on a socket of this machine, for commands that ask one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from tierwise_ledger.service.app import build
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store


@contextmanager
def listening(store: Store, settings: Settings, now: float) -> Iterator[str]:
    """Serve a store; gives its address. Requests wait in the socket until it is up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = build(store, settings, clock=lambda: now, jobs=())
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
