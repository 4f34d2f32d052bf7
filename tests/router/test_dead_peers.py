"""The kernel is asked to find out that a peer's machine is gone, on either side of the router.

That it does is shown on a real cluster, by the end-to-end tests.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast

import pytest
import uvloop

from tierwise_router.dead_peers import GONE_AFTER_S, notice_dead_peer
from tierwise_router.http1.acceptor import Acceptor
from tierwise_router.listener import claim_port
from tierwise_router.upstream.client import UpstreamClient
from tierwise_router.upstream.target import parse_target

LOOPS = pytest.mark.parametrize(
    "loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
Loop = Callable[[], asyncio.AbstractEventLoop]


class Taken(asyncio.Protocol):
    """A connection that was accepted; the last one is kept."""

    last: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        type(self).last = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        assert self.last is not None
        assert data.endswith(b"\r\n\r\n")
        self.last.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


def patience(connection: socket.socket) -> tuple[int, int]:
    """After how many seconds without a sign of life, and without what was sent being taken."""
    tcp = [
        connection.getsockopt(socket.IPPROTO_TCP, option)
        for option in (
            socket.TCP_KEEPIDLE,
            socket.TCP_KEEPINTVL,
            socket.TCP_KEEPCNT,
            socket.TCP_USER_TIMEOUT,
        )
    ]
    idle, between, count, unread_ms = tcp
    asked = connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    return (idle + between * count) * asked, unread_ms // 1000


@LOOPS
def test_an_engine_must_live_and_read_and_a_client_must_live(loop: Loop) -> None:
    async def story() -> tuple[tuple[int, int], tuple[int, int]]:
        shared = claim_port("127.0.0.1", 0)
        url = f"http://127.0.0.1:{shared.getsockname()[1]}"
        acceptor = Acceptor(shared, Taken)
        client = UpstreamClient()
        response = await client.send(parse_target(url), "/", [], b"")
        assert await response.read(10) == b""
        assert Taken.last is not None
        (idle,) = client._idle[url]
        assert idle._transport is not None
        told = (
            patience(idle._transport.get_extra_info("socket")),
            patience(Taken.last.get_extra_info("socket")),
        )
        client.close()
        await acceptor.close()
        return told

    with asyncio.Runner(loop_factory=loop) as runner:
        to_engine, from_client = runner.run(story())

    assert to_engine == (GONE_AFTER_S, GONE_AFTER_S)
    assert from_client == (GONE_AFTER_S, 0)


def test_a_connection_that_has_ended_is_passed_over() -> None:
    ended = socket.socket()
    ended.close()

    notice_dead_peer(ended, must_read=True)


def test_a_system_without_an_option_has_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "TCP_KEEPIDLE")
    asked: list[int] = []

    class Noted:
        def setsockopt(self, level: int, option: int, value: int, /) -> None:
            asked.append(option)

    notice_dead_peer(Noted(), must_read=True)

    assert asked == [
        socket.SO_KEEPALIVE,
        socket.TCP_KEEPINTVL,
        socket.TCP_KEEPCNT,
        socket.TCP_USER_TIMEOUT,
    ]
