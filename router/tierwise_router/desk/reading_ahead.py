"""Whether ``/v1/responses`` is asked for later (``background: true``), before a place is taken.

A header says so of every other request. Here the body does, so that it is read first, as long as
it is small: bodies that wait for a place are not to fill the memory.
"""

from __future__ import annotations

from typing import Final

from tierwise_router.errors import RequestError
from tierwise_router.exchange import Exchange
from tierwise_router.json_body import read_object

__all__ = ["LARGEST_READ_AHEAD", "is_for_later", "may_be_for_later"]

LARGEST_READ_AHEAD: Final = 1024 * 1024
NAME: Final = b'"background"'


def may_be_for_later(exchange: Exchange) -> bool:
    """Tell whether the body may be read ahead: it is a client's, and announced as a small one."""
    announced = exchange.header(b"content-length")
    small = announced.isdigit() and int(announced) <= LARGEST_READ_AHEAD
    return small and exchange.work() is None


def is_for_later(body: bytes) -> bool:
    """Tell whether a body asks for it; one that cannot be read is for others to refuse.

    >>> is_for_later(b'{"model": "auto", "input": "sort dbca", "background": true}')
    True
    >>> is_for_later(b'{"model": "auto", "input": "background"}'), is_for_later(b'{"background"')
    (False, False)
    """
    if NAME not in body:
        return False
    try:
        return read_object(body).get("background") is True
    except RequestError:
        return False
