"""Heads that come again and again on a connection, the same but for the length of what follows.

Who asks again on a connection sends the same head, mostly, and so does who answers. What a parser
made of such a head it would make of it again: then nothing of it is read but the length. Anything
else goes to the parser: another byte anywhere, a body that is not here as a whole or has more
behind it, one in chunks.
"""

from __future__ import annotations

import re
from typing import Final, Generic, TypeVar

from tierwise_router.upstream.response import Headers

__all__ = ["KnownHead", "learn_head"]

LENGTH: Final = b"content-length"
LENGTH_LINE: Final = re.compile(rb"\r\ncontent-length: ([0-9]{1,9})\r\n", re.IGNORECASE)
MOST_DIGITS: Final = 9
LONGEST_HEAD_BYTES: Final = 4096
NOT_KNOWN: Final = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"trailer"})
END: Final = b"\r\n\r\n"

Read = TypeVar("Read")


class KnownHead(Generic[Read]):
    r"""A head that was parsed, and ``read``, what its parser made of it beside the headers.

    >>> data = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx: y\r\n\r\nab"
    >>> known = learn_head(data, b"ab", [(b"content-length", b"2"), (b"x", b"y")], 200)
    >>> known.match(data.replace(b"2\r\nx", b"5\r\nx") + b"cde")
    ([(b'content-length', b'5'), (b'x', b'y')], b'abcde')
    >>> [known.match(other) for other in (data + b"c", data[:-1], data.replace(b"y", b"z"))]
    [None, None, None]
    """

    __slots__ = ("_after", "_before", "_begins_at", "_headers", "_place", "_tail", "read")

    def __init__(self, before: bytes, after: bytes, headers: Headers, read: Read) -> None:
        self.read = read
        self._before = before
        self._after = after
        self._begins_at = len(before)
        self._tail = MOST_DIGITS + len(after)
        self._headers = headers
        self._place = [name for name, _value in headers].index(LENGTH)

    def match(self, data: bytes) -> tuple[Headers, bytes] | None:
        """Give the headers and the body of what is this head, and a whole body; None for others."""
        begins_at, after = self._begins_at, self._after
        ends_at = data.find(after, begins_at, begins_at + self._tail)
        if ends_at < 0 or not data.startswith(self._before):
            return None
        digits = data[begins_at:ends_at]
        body = data[ends_at + len(after) :]
        if not digits.isdigit() or int(digits) != len(body):
            return None
        headers = self._headers.copy()
        headers[self._place] = (LENGTH, digits)
        return headers, body


def learn_head(data: bytes, body: bytes, headers: Headers, read: Read) -> KnownHead[Read] | None:
    """Remember the head of a message that was parsed and is all of ``data``; None for odd ones."""
    head_bytes = len(data) - len(body)
    if head_bytes > LONGEST_HEAD_BYTES or data.find(END) + len(END) != head_bytes:
        return None
    names = [name for name, _value in headers]
    found = LENGTH_LINE.search(data, 0, head_bytes)
    if found is None or names.count(LENGTH) != 1 or not NOT_KNOWN.isdisjoint(names):
        return None
    if int(found[1]) != len(body):
        return None
    return KnownHead(data[: found.start(1)], data[found.end(1) : head_bytes], headers, read)
