"""A dispatch that notes each call in its request's trace, and tells the engine of it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

from tierwise_core.route_table import Route
from tierwise_router.dispatch import Dispatch
from tierwise_router.lease import Ask, Lease
from tierwise_router.tracing.context import CURRENT, TRACEPARENT, CallSpan

__all__ = ["TracedDispatch"]

FIRST_ERROR: Final = 400


class TracedDispatch(Dispatch):
    """Passes ``traceparent`` on, so that the engine's spans are found below the call's.

    A call covers its retries; a request that is not traced goes through as it is.
    """

    async def ask(self, route: Route, asked: Ask) -> Lease:
        """Do what :meth:`Dispatch.ask` does."""
        trace = CURRENT.get()
        if trace is None:
            return await super().ask(route, asked)
        span = trace.call(route, asked.path)
        headers = [pair for pair in asked.headers if pair[0] != TRACEPARENT]
        headers.append((TRACEPARENT, trace.header(span)))
        try:
            lease = await super().ask(route, replace(asked, headers=headers))
        except BaseException as error:
            span.failure = type(error).__name__
            span.end()
            raise
        return _followed(span, lease)


def _followed(span: CallSpan, lease: Lease) -> Lease:
    span.headed_ns = time.time_ns()
    span.status, span.url, span.attempts = lease.response.status, lease.url, lease.attempts
    released = lease.on_release

    def release(lease: Lease) -> None:
        if lease.response.failed and span.status < FIRST_ERROR:
            span.failure = "broke_off"
        span.end()
        if released is not None:
            released(lease)

    lease.on_release = release
    return lease
