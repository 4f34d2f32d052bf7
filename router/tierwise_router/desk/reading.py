"""What the desk's handlers read of a request: its query, its JSON, its path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final
from urllib.parse import parse_qs

from tierwise_router.errors import RequestError
from tierwise_router.exchange import Exchange
from tierwise_router.json_body import read_object
from tierwise_router.requirements import KEPT_HEADERS

__all__ = ["Query", "json_object", "kept_headers", "listing", "not_found", "only"]

LONGEST_JSON_BYTES: Final = 64 * 1024
SHOWN: Final = 60


class Query:
    """The parameters of a request's query; raises RequestError for one that is wrong."""

    def __init__(self, exchange: Exchange) -> None:
        text: str = exchange.query.decode("latin-1")
        self._values = {name: values[-1] for name, values in parse_qs(text).items()}

    def word(self, name: str, allowed: Iterable[str] = ()) -> str:
        """Give a parameter, empty when it is absent."""
        value, choices = self._values.get(name, ""), tuple(allowed)
        if value and choices and value not in choices:
            raise _wrong(name, value, f"give one of: {', '.join(choices)}")
        return value

    def limit(self, most: int) -> int:
        """Give how many things are wanted, 20 when nothing is said."""
        value = self._values.get("limit", "20")
        if not value.isdecimal() or not 1 <= int(value[:9]) <= most:
            raise _wrong("limit", value, f"give a whole number from 1 to {most}")
        return int(value)


async def json_object(exchange: Exchange) -> dict[str, Any]:
    """Read a small JSON object."""
    return read_object(await exchange.read_body(LONGEST_JSON_BYTES))


def kept_headers(exchange: Exchange) -> tuple[tuple[str, str], ...]:
    """Take the headers that hold for what is answered later, too."""
    kept = (pair for pair in exchange.headers if pair[0] in KEPT_HEADERS)
    return tuple((name.decode(), value.decode("latin-1")) for name, value in kept)


def only(fields: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse fields that would do nothing."""
    for name in fields:
        if name not in (names := tuple(known)):
            raise RequestError(
                f"{name[:SHOWN]!r} is not known here; leave it out, or use one of: "
                f"{', '.join(names)}",
                param=name[:SHOWN],
                code="unknown_field",
            )


def listing(found: Iterator[Mapping[str, Any]], limit: int) -> dict[str, Any]:
    """Make a page of OpenAI's lists of the first ``limit`` things."""
    data = list(islice(found, limit + 1))
    shown = data[:limit]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(data) > limit,
    }


def not_found(what: str, name: str, where: str) -> RequestError:
    """Say that there is no such thing, and where those that exist are listed."""
    return RequestError(
        f"there is no {what} {name[:SHOWN]!r}; {where}", status=404, param="id", code="not_found"
    )


def _wrong(name: str, value: str, remedy: str) -> RequestError:
    return RequestError(
        f"{name!r} is {value[:SHOWN]!r}; {remedy}", param=name, code="invalid_parameter"
    )
