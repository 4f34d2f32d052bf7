"""What an HTTP server's refusal means, and when to come back."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import httpx

from tierwise_core.errors import SourceError, SourceNotFoundError, SourceUnreadableError
from tierwise_operator.sources.origin import BusyError

__all__ = ["PASSING", "refused", "retry_after_seconds", "unanswered"]

PASSING: Final = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)


def refused(source: str, address: str, response: httpx.Response, hint: str) -> SourceError:
    """The error for an answer that is no success, credentials aside."""
    status = response.status_code
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        return SourceNotFoundError(
            f"spec.model.source: {source} does not exist at {address}; {hint}"
        )
    told = f"spec.model.source: {source}: {address} answered {status}"
    if status in PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return BusyError(f"{told}; it is tried again", retry_after_seconds(response))
    return SourceUnreadableError(told)


def retry_after_seconds(response: httpx.Response) -> float | None:
    """The seconds of ``Retry-After``; dates are left to our own back-off.

    >>> retry_after_seconds(httpx.Response(429, headers={"Retry-After": "7"}))
    7.0
    """
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None


def unanswered(source: str, address: str, error: Exception) -> SourceError:
    """The error for a connection that failed or broke off."""
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return SourceUnreadableError(
            f"spec.model.source: {source}: {address} is not an address ({error})"
        )
    return BusyError(
        f"spec.model.source: {source}: {address} did not answer "
        f"({type(error).__name__}: {error}); it is tried again"
    )
