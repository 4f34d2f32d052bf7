"""New connections are taken in one turn of the event loop, however many wait."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import pytest
import uvloop

from tierwise_router.http1.acceptor import MOST_IN_A_TURN, Acceptor
from tierwise_router.listener import claim_port

Run = Callable[[Awaitable[None]], None]
TURNS_TO_OPEN = 5


class Counting(asyncio.Protocol):
    """Counts its connections."""

    made = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        type(self).made += 1
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)  # type: ignore[attr-defined]


@pytest.fixture(params=[uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    return request.param  # type: ignore[no-any-return]


def connected(stack: ExitStack, shared: socket.socket, count: int) -> list[socket.socket]:
    """Connect so many clients; the kernel lets them wait until somebody accepts them."""
    address = shared.getsockname()
    return [stack.enter_context(socket.create_connection(address)) for _ in range(count)]


def a_protocol() -> type[Counting]:
    return type("Mine", (Counting,), {"made": 0})


def test_all_who_wait_are_taken_within_a_few_turns(run: Run) -> None:
    async def story() -> None:
        protocol, shared = a_protocol(), claim_port("127.0.0.1", 0)
        acceptor = Acceptor(shared, protocol)
        with ExitStack() as stack:
            connected(stack, shared, 2 * MOST_IN_A_TURN)
            for _ in range(2 + TURNS_TO_OPEN):
                await asyncio.sleep(0)
            assert protocol.made == 2 * MOST_IN_A_TURN
            await acceptor.close()

    run(story())


def test_whoever_was_taken_is_connected_when_it_closes_and_served_after(run: Run) -> None:
    async def story() -> None:
        protocol, shared = a_protocol(), claim_port("127.0.0.1", 0)
        acceptor = Acceptor(shared, protocol)
        with ExitStack() as stack:
            (client,) = connected(stack, shared, 1)
            acceptor._accept()
            await acceptor.close()
            assert protocol.made == 1
            assert not acceptor.open
            client.setblocking(False)  # noqa: FBT003 - the socket's own interface
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(client, b"still here?")
            assert await loop.sock_recv(client, 100) == b"still here?"
            with pytest.raises(OSError, match="refused"):
                socket.create_connection(client.getpeername())
            await acceptor.close()

    run(story())


class Scarce(socket.socket):
    """A listening socket of a process that may open no more files, for a while."""

    failures = 2

    def accept(self) -> tuple[socket.socket, object]:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_a_process_without_files_left_takes_nobody_for_a_while_and_then_everybody(
    run: Run,
) -> None:
    async def story() -> None:
        protocol, shared = a_protocol(), Scarce()
        shared.bind(("127.0.0.1", 0))
        acceptor = Acceptor(shared, protocol, pause_s=0.01)
        with ExitStack() as stack:
            (client,) = connected(stack, shared, 1)
            client.setblocking(False)  # noqa: FBT003 - the socket's own interface
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(client, b"patient")
            assert await loop.sock_recv(client, 100) == b"patient"
            assert not shared.failures
            await acceptor.close()

    run(story())


def test_it_can_be_closed_while_it_takes_nobody(run: Run) -> None:
    async def story() -> None:
        shared = Scarce()
        shared.bind(("127.0.0.1", 0))
        acceptor = Acceptor(shared, a_protocol(), pause_s=60)
        with ExitStack() as stack:
            connected(stack, shared, 1)
            acceptor._accept()
            await acceptor.close()
            assert shared.fileno() == -1

    run(story())
