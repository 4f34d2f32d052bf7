"""The heads of answers as bytes, and the targets of requests as paths."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from urllib.parse import unquote

import httptools

from tierwise_router.upstream.response import Headers

__all__ = ["CONTINUE", "BadTargetError", "bodiless", "read_target", "status_line"]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LONGEST_KEPT_TARGET = 128
FIRST_FINAL_STATUS = 200


class BadTargetError(ValueError):
    """A request's target is no path and no URL."""


def _line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:  # an upstream may answer anything
        phrase = "Unknown"
    return b"HTTP/1.1 %d %s\r\n" % (status, phrase.encode())


_LINES = {status.value: _line(status) for status in HTTPStatus}


def status_line(status: int) -> bytes:
    r"""Write the first line of an answer.

    >>> status_line(429), status_line(799)
    (b'HTTP/1.1 429 Too Many Requests\r\n', b'HTTP/1.1 799 Unknown\r\n')
    """
    return _LINES.get(status) or _line(status)


def bodiless(status: int) -> bool:
    """Tell whether an answer of this status never has a body."""
    return status in {204, 304} or status < FIRST_FINAL_STATUS


def head_bytes(status: int, headers: Headers, date: bytes) -> bytes:
    r"""Write a head without the empty line at its end; ``date`` is a whole header.

    >>> head_bytes(200, [(b"a", b"1")], b"date: x\r\n")
    b'HTTP/1.1 200 OK\r\ndate: x\r\na: 1\r\n'
    """
    parts = [_LINES.get(status) or _line(status), date]
    for name, value in headers:
        parts += (name, b": ", value, b"\r\n")
    return b"".join(parts)


def read_target(target: bytes) -> tuple[str, bytes]:
    """Give the path, unquoted, and the query of a request's target.

    Raises BadTargetError.

    >>> read_target(b"/v1/models/demo%2Fsorter?x=1")
    ('/v1/models/demo/sorter', b'x=1')
    >>> read_target(b"http://router:8080/v1/models")
    ('/v1/models', b'')
    >>> read_target(b"*")
    ('*', b'')
    """
    return _short_target(target) if len(target) <= LONGEST_KEPT_TARGET else _read(target)


def _read(target: bytes) -> tuple[str, bytes]:
    if target == b"*":  # OPTIONS * asks about the server as a whole
        return "*", b""
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserError:
        raise BadTargetError(target) from None
    path = url.path or b"/"
    return unquote(path.decode("latin-1")) if b"%" in path else path.decode("latin-1"), (
        url.query or b""
    )


# Clients ask for the same few paths again and again.
_short_target = lru_cache(maxsize=512)(_read)
