"""What a plan may take into account beside the question: who asks, how urgently, how busy all are.

Gathered by the router's shell; the core only reads it. Tuples with names, because one is made for
each request.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from tierwise_core.latency_class import LatencyClass
from tierwise_core.load_signal import IDLE, LoadSignal
from tierwise_core.provider import Requirements

__all__ = ["IDLE", "NOBODY_BUSY", "PLAIN_CONTEXT", "LatencyClass", "LoadSignal", "PlanContext"]

NOBODY_BUSY: Final[Mapping[str, LoadSignal]] = MappingProxyType({})


class PlanContext(NamedTuple):
    """The circumstances of one request.

    ``session`` keeps related requests together and ``session_home`` is the Specialist (by full
    name) that answered the session last. ``prompt_tokens`` is an estimate, ``output_tokens`` the
    most that the client wants; 0 when unknown. ``allowed`` are the Specialists that the tenant may
    ask, None for all. ``loads`` is a live view by full name. ``max_cost_usd``, ``max_hops`` and
    ``max_calls`` are the request's own limits: they lower the policy's and never raise them.
    ``requirements`` are what the request or its tenant asks of whoever answers, None for nothing.
    """

    session: bytes = b""
    session_home: str = ""
    prompt_tokens: int = 0
    output_tokens: int = 0
    allowed: frozenset[str] | None = None
    latency_class: LatencyClass = "realtime"
    loads: Mapping[str, LoadSignal] = NOBODY_BUSY
    max_cost_usd: float | None = None
    max_hops: int | None = None
    max_calls: int | None = None
    requirements: Requirements | None = None


PLAIN_CONTEXT: Final = PlanContext()
"""A request without circumstances: nobody in particular asks, and nobody is busy."""
