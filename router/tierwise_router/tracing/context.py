"""Which trace a request belongs to, by the W3C's ``traceparent``, and the calls made for it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tierwise_core.route_table import Route

__all__ = ["CURRENT", "TRACEPARENT", "CallSpan", "Parent", "Trace", "read_parent"]

TRACEPARENT: Final = b"traceparent"
SAMPLED: Final = 1
HEADER: Final = re.compile(rb"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class Parent:
    """The span that a request was made in, as its header tells."""

    trace_id: int
    span_id: int
    sampled: bool


@dataclass(slots=True)
class CallSpan:
    """One question to a Specialist: times in nanoseconds since the epoch, 0 while it lasts.

    ``failure`` is the error's class, empty where an answer came; ``status`` is that answer's.
    """

    span_id: int
    route: Route
    path: str
    began_ns: int
    ended_ns: int = 0
    headed_ns: int = 0
    status: int = 0
    attempts: int = 0
    url: str = ""
    failure: str = ""

    def end(self) -> None:
        """Note that the answer has been read, or given up; the first time counts."""
        self.ended_ns = self.ended_ns or time.time_ns()


@dataclass(slots=True)
class Trace:
    """One request: its own span, the span it was made in (0 for none), and the calls it led to."""

    trace_id: int
    span_id: int
    parent_id: int
    began_ns: int
    ids: Random
    calls: list[CallSpan] = field(default_factory=list)

    def call(self, route: Route, path: str) -> CallSpan:
        """Begin a call."""
        span = CallSpan(self.ids.getrandbits(64) or 1, route, path, time.time_ns())
        self.calls.append(span)
        return span

    def header(self, span: CallSpan) -> bytes:
        """Say in which span a call is made, for the engine to go on with.

        >>> trace = Trace(10, 11, 0, 0, Random(1))
        >>> trace.header(CallSpan(12, Route("demo", "sorter", "sorting", "sorter"), "/", 0))
        b'00-0000000000000000000000000000000a-000000000000000c-01'
        """
        return b"00-%032x-%016x-01" % (self.trace_id, span.span_id)


CURRENT: ContextVar[Trace | None] = ContextVar("tierwise_trace", default=None)
"""The trace of the request that is being answered; None where it is not traced."""


def read_parent(headers: Iterable[tuple[bytes, bytes]]) -> Parent | None:
    """Read ``traceparent``; None where it is missing, twice there, or nothing that can be used.

    >>> value = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    >>> read_parent([(b"traceparent", value)]).sampled, read_parent([(b"traceparent", b"00-zz")])
    (True, None)
    """
    found = [value for name, value in headers if name == TRACEPARENT]
    match = HEADER.match(found[0].strip()) if len(found) == 1 else None
    if match is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in match.groups())
    return Parent(trace_id, span_id, bool(flags & SAMPLED)) if trace_id and span_id else None
