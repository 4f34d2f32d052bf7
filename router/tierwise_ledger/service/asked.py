"""Reading what a question says: times, numbers, names; each error names its parameter."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

from starlette.requests import Request

from tierwise_ledger.errors import RequestError

__all__ = ["Span", "chosen", "instant", "only", "share", "span", "whole"]

SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
SHOWN: Final = 60
HOUR_S: Final = 3600.0


class Span(NamedTuple):
    """From when until when, in seconds since the epoch; the end is not in it."""

    since: float
    until: float


def instant(text: str, now: float, field: str) -> float:
    """Read an instant: seconds since the epoch, a date, or how long ago.

    >>> instant("24h", 100_000.0, "since"), instant("1970-01-02", 0.0, "since")
    (13600.0, 86400.0)
    >>> instant("yesterday", 0.0, "since")
    Traceback (most recent call last):
        ...
    tierwise_ledger.errors.RequestError: since is 'yesterday'; give how long ago (24h, 7d), a date \
(2026-11-22T12:00:00Z) or seconds since the epoch
    """
    if found := SPAN.fullmatch(text):
        return now - float(found.group(1)) * UNITS_S[found.group(2)]
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        if math.isfinite(seconds):
            return seconds
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        raise RequestError(
            f"{field} is {text[:SHOWN]!r}; give how long ago (24h, 7d), a date "
            "(2026-11-22T12:00:00Z) or seconds since the epoch",
            field=field,
        ) from None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def span(request: Request, default: str = "24h") -> Span:
    """Read ``since`` and ``until``; without them the last while until now."""
    now = request.app.state.clock()
    asked = request.query_params
    since = instant(asked.get("since") or default, now, "since")
    until = instant(asked["until"], now, "until") if asked.get("until") else now + HOUR_S
    if since >= until:
        raise RequestError(
            f"since is {since:.0f} and until is {until:.0f}; until must be later", field="until"
        )
    return Span(since, until)


def whole(request: Request, name: str, default: int, *, most: int) -> int:
    """Read a whole number from 1 to ``most``."""
    text = request.query_params.get(name)
    if not text:
        return default
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise RequestError(
            f"{name} is {text[:SHOWN]!r}; give a whole number from 1 to {most}", field=name
        )
    return int(text)


def share(request: Request, name: str, default: float, of: str) -> float:
    """Read a share from 0 to 1; ``of`` says of what, for the error."""
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        read = float(text)
    except ValueError:
        read = math.nan
    if not 0.0 <= read <= 1.0:
        raise RequestError(
            f"{name} is {text[:SHOWN]!r}; give the share of {of}, 0 to 1", field=name
        )
    return read


def chosen(request: Request, name: str, among: tuple[str, ...]) -> list[str]:
    """Read a list of words that all are among those there are.

    The words are separated by commas, or the parameter is given several times.
    """
    words = [
        word.strip()
        for text in request.query_params.getlist(name)
        for word in text.split(",")
        if word.strip()
    ]
    for word in words:
        if word not in among:
            raise RequestError(
                f"{name} is {word[:SHOWN]!r}; give some of {', '.join(among)}", field=name
            )
    return words


def only(request: Request, *names: str) -> None:
    """Refuse parameters that mean nothing here: a typing error must not widen an answer."""
    for name in request.query_params:
        if name not in names:
            raise RequestError(
                f"{name[:SHOWN]!r} is no parameter of {request.url.path}; it knows "
                f"{', '.join(names) or 'none'}",
                field=name,
            )
