"""One Specialist that a cascade asks, and what the cascade comes to."""

from __future__ import annotations

import time
from dataclasses import field
from typing import Any

from tierwise_core.routing import Hop
from tierwise_core.swift import dataclass
from tierwise_router.call import Call
from tierwise_router.decision import Decision
from tierwise_router.dispatch import Lease
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.judged_stream import JudgedStream
from tierwise_router.lease import Draw
from tierwise_router.upstream.response import Headers

__all__ = ["Accepted", "Attempt", "Flowing", "Outcome", "Refused", "Rejected"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One Specialist being asked one question.

    ``is_last`` says that nobody is left behind it. ``began_at`` is by ``time.perf_counter``, and
    ``draw`` is for a side of its rollout, if one is under way.
    """

    dispatcher: Dispatcher
    call: Call
    decision: Decision
    hop: Hop
    is_last: bool
    began_at: float = field(default_factory=time.perf_counter)
    draw: Draw | None = None

    @property
    def took_s(self) -> float:
        """Seconds since it was asked."""
        return time.perf_counter() - self.began_at


@dataclass(frozen=True, slots=True)
class Accepted:
    """An answer that reached its floor. ``body`` is what the client gets, ``answer`` says it."""

    hop: Hop
    confidence: float
    answer: dict[str, Any]
    body: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Flowing:
    """A stream that was accepted by its beginning; the rest is still to come.

    Whoever gets it reads it to its end, or releases ``lease``.
    """

    attempt: Attempt
    stream: JudgedStream
    lease: Lease


@dataclass(frozen=True, slots=True)
class Refused:
    """Nobody was sure enough: ``hop`` is the last one asked and ``confidence`` its answer's."""

    hop: Hop
    confidence: float
    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The last Specialist's engine refused the request itself: its status and body, untouched."""

    hop: Hop
    status: int
    headers: Headers
    body: bytes


Outcome = Accepted | Flowing | Refused | Rejected
