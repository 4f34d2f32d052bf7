r"""Reads server-sent events from bytes that may be cut anywhere.

An event ends with an empty line; lines end with LF, CRLF or CR. What belongs to us of an event are
its ``data`` lines, joined by LF, and its name; comments, ids and retry times are passed by.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tierwise_router.errors import UpstreamDiedError

__all__ = ["DONE_DATA", "Event", "EventReader"]

DONE_DATA: Final = b"[DONE]"
"""What the last event of a stream of OpenAI's chat and completions says."""

EVENT_LIMIT_BYTES: Final = 8 * 1024 * 1024


class Event(NamedTuple):
    """One event; ``name`` is empty where it has none."""

    data: bytes
    name: bytes = b""


class EventReader:
    r"""Cuts a stream into events.

    >>> reader = EventReader()
    >>> reader.feed(b'data: {"a"'), reader.feed(b":1}\n"), reader.feed(b"\nda")
    ([], [], [Event(data=b'{"a":1}', name=b'')])
    >>> reader.feed(b"ta: [DONE]\r\n\r\n")
    [Event(data=b'[DONE]', name=b'')]
    """

    __slots__ = ("_after_cr", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._after_cr = False

    def feed(self, data: bytes) -> list[Event]:
        """Take what has arrived and give the events that it completes.

        Raises UpstreamDiedError when an event grows beyond 8 MiB.
        """
        rest, data = self._rest, self._with_lf(data)
        events: list[Event] = []
        if not rest:
            # Most events arrive whole.
            *blocks, tail = data.split(b"\n\n")
            for block in blocks:
                _read(block, events)
            rest += tail
        else:
            self._feed_rest(data, events)
        if len(rest) > EVENT_LIMIT_BYTES:
            raise UpstreamDiedError(f"an event of the stream is larger than {EVENT_LIMIT_BYTES} B")
        return events

    def _feed_rest(self, data: bytes, events: list[Event]) -> None:
        rest = self._rest
        seen = len(rest) - 1
        rest += data
        start = 0
        while (end := rest.find(b"\n\n", max(start, seen))) >= 0:
            _read(bytes(rest[start:end]), events)
            start = end + 2
        if start:
            del rest[:start]

    def _with_lf(self, data: bytes) -> bytes:
        """Turn every end of a line into LF; a CR at a cut may be one half of a CRLF."""
        if not data:
            return data
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
        self._after_cr = data.endswith(b"\r")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data


def _read(block: bytes, events: list[Event]) -> None:
    if block.startswith(b"data: ") and b"\n" not in block:
        events.append(Event(block[6:]))
        return
    name, data = b"", []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    if data:
        events.append(Event(b"\n".join(data), name))
