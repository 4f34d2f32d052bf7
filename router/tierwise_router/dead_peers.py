"""Notice that the machine at the other end of a connection is gone: it closes nothing.

Without it a request to a node that lost its power waits as long as the answer may take. The kernel
asks an idle peer for a sign of life, and an engine's own kernel gives one however busy it is.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Final, Protocol

__all__ = ["GONE_AFTER_S", "notice_dead_peer"]

GONE_AFTER_S: Final = 30
"""A peer that has given no sign of life for so long is gone."""

QUIET_S: Final = 15
EVERY_S: Final = 5

_ALIVE: Final = {
    "TCP_KEEPIDLE": QUIET_S,
    "TCP_KEEPINTVL": EVERY_S,
    "TCP_KEEPCNT": (GONE_AFTER_S - QUIET_S) // EVERY_S,
}
_TAKEN: Final = {"TCP_USER_TIMEOUT": 1000 * GONE_AFTER_S}


class Socket(Protocol):
    """What of a socket is used here; an event loop lends no more of its own."""

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        """Set an option."""


def notice_dead_peer(connection: Socket, *, must_read: bool) -> None:
    """Have the kernel end a TCP connection whose peer has been silent for ``GONE_AFTER_S``.

    Args:
        connection: a connected socket.
        must_read: what is sent must be taken within that time as well. An engine reads at once; a
            client may be slow.

    An option that this system does not have is passed over, and so is a connection that has ended
    meanwhile.
    """
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (_ALIVE | _TAKEN if must_read else _ALIVE).items():
            if (option := getattr(socket, name, None)) is not None:
                connection.setsockopt(socket.IPPROTO_TCP, option, value)
