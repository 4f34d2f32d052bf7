"""A client's JSON: read, written again where something in it changes, shown in messages."""

from __future__ import annotations

import reprlib
import textwrap
from typing import Any, Final

import orjson

from tierwise_router.errors import RequestError

__all__ = ["read_object", "read_value", "shown", "write_again", "wrong_field"]

MOST_CONTAINERS: Final = 1_000_000
"""How many lists and objects a body may have: each takes 60 bytes and more once it is read."""

SHOWN_CHARACTERS: Final = 60


def read_object(body: bytes) -> dict[str, Any]:
    """Read a body that is a JSON object.

    Raises RequestError (400, ``invalid_json``) for anything else: NaN, lone surrogates, what is
    no UTF-8 and what is nested beyond 1024 levels included.

    >>> read_object(b'{"model": "auto"}')
    {'model': 'auto'}
    >>> read_object(b"[1]")
    Traceback (most recent call last):
        ...
    tierwise_router.errors.RequestError: the body is a JSON list; give an object
    """
    fields = read_value(body)
    if not isinstance(fields, dict):
        raise _invalid(f"the body is a JSON {type(fields).__name__}; give an object")
    return fields


def read_value(body: bytes, what: str = "body") -> Any:
    """Read JSON that a client wrote, of any kind; ``what`` names it in messages.

    Raises RequestError (400, ``invalid_json``) as :func:`read_object` does.

    >>> read_value(b"[1]")
    [1]
    """
    if len(body) > MOST_CONTAINERS and body.count(b"[") + body.count(b"{") > MOST_CONTAINERS:
        raise _invalid(f"the {what} has more than {MOST_CONTAINERS} lists and objects")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _invalid(f"the {what} is not valid JSON: {error}") from None


def write_again(fields: dict[str, Any]) -> bytes:
    """Write a body that was read and changed.

    Raises RequestError for one that is nested too deeply: 1024 levels are read, 254 written.

    >>> write_again({"model": "sorter"})
    b'{"model":"sorter"}'
    >>> write_again(read_object(b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}"))
    Traceback (most recent call last):
        ...
    tierwise_router.errors.RequestError: the body is nested too deeply; 250 levels are possible
    """
    try:
        return orjson.dumps(fields)
    except orjson.JSONEncodeError:
        raise _invalid("the body is nested too deeply; 250 levels are possible") from None


def _invalid(message: str) -> RequestError:
    return RequestError(message, code="invalid_json")


def shown(value: object) -> str:
    """Show a value in a message: short, whatever it is.

    >>> shown("sorter"), shown(list(range(1000)))
    ("'sorter'", '[0, 1, 2, 3, 4, 5, ...]')
    """
    return textwrap.shorten(reprlib.repr(value), SHOWN_CHARACTERS)


def wrong_field(fields: dict[str, Any], name: str, remedy: str) -> RequestError:
    """Say that a field is missing, or what it is, and what would be right.

    >>> str(wrong_field({"model": 3}, "model", "give a name"))
    "'model' is 3; give a name"
    """
    if name not in fields:
        return RequestError(f"{name!r} is missing; {remedy}", param=name, code="missing_field")
    return RequestError(
        f"{name!r} is {shown(fields[name])}; {remedy}", param=name, code="invalid_type"
    )
