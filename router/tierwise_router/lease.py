"""A request to whichever endpoint is picked, and the answer in progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol
from zlib import crc32

from tierwise_core.route_table import Endpoint, Route
from tierwise_core.swift import dataclass
from tierwise_core.tenant import ANYBODY, Admitted
from tierwise_router.balance import EndpointLoad
from tierwise_router.guard import Guard
from tierwise_router.upstream.response import Headers, Response

__all__ = ["WHOLE_BYTES", "Ask", "CallBudget", "CallPurse", "Draw", "Fallen", "Lease"]

WHOLE_BYTES: Final = 1024 * 1024
"""How much of an answer is held back, so that its pod may die without the client noticing."""


class CallPurse(Protocol):
    """The budgets of a tenant that a request spends from."""

    async def cover(self, amount: int) -> None:
        """Set aside what a call is expected to cost, in nano-USD; raises when that is too much."""


class CallBudget(Protocol):
    """What one request of a client may spend on calls; ``purse`` is None without budgets."""

    @property
    def purse(self) -> CallPurse | None:
        """Where the money for its calls comes from."""

    def take_call(self) -> None:
        """Count one call to an endpoint before it is made; raises when it may make no more."""


class Fallen(NamedTuple):
    """An attempt that failed at one side of a rollout, so that the other one was asked.

    ``word`` says why, as in a decision's path; ``url`` is the endpoint's.
    """

    url: str
    word: str
    seconds: float


class Draw:
    """How a request is drawn for a side of a rollout.

    ``key`` is its session, else the name of its decision: equal keys get the same side. ``side`` is
    set where only that one may answer, ``green`` for a shadow. ``fell`` hears of an attempt at the
    side that was drawn, where the other one takes over, and ``fallen`` counts those.
    """

    __slots__ = ("fallen", "fell", "key", "side")

    def __init__(
        self, key: bytes, side: str = "", fell: Callable[[Fallen], None] | None = None
    ) -> None:
        self.key = key
        self.side = side
        self.fell = fell
        self.fallen = 0

    def note(self, fallen: Fallen) -> None:
        """Tell of an attempt that failed, if it has."""
        if fallen.word and self.fell is not None:
            self.fallen += 1
            self.fell(fallen)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to whichever endpoint is picked.

    ``session`` keeps related requests together. ``hold_bytes`` is how much of the answer must
    have arrived before the client gets any: until then another pod can still take over.
    ``admitted`` says for whom it is, ``budget`` how many attempts its request may still make. One
    that is not ``idempotent`` is never sent twice, because the endpoint keeps what it was told.
    ``draw`` is looked at while a rollout divides the requests; without it blue answers.
    """

    path: str
    headers: Headers
    body: bytes
    session: bytes = b""
    hold_bytes: int = WHOLE_BYTES
    admitted: Admitted = ANYBODY
    budget: CallBudget | None = None
    idempotent: bool = True
    draw: Draw | None = None

    @property
    def unseen(self) -> bool:
        """Whether no client gets the answer: a shadow's failure is none of the Specialist's."""
        return self.draw is not None and bool(self.draw.side)

    @property
    def source(self) -> str:
        """Who may have brought a failure about: the tenant, else the session, else these bytes."""
        if self.admitted.tenant_key:
            return self.admitted.tenant_key
        return self.session.decode("latin-1") or f"{crc32(self.body):08x}"


class Lease:
    """An answer in progress and the endpoint it keeps busy; release it in every case.

    ``attempts`` is how many endpoints were asked until this one answered, ``headed_at`` when its
    head had come, ``queued_s`` how long it waited for a place. The rest is for whoever handed it
    out.
    """

    __slots__ = (
        "attempts", "guard", "headed_at", "held_since", "load", "on_release", "queued_s",
        "released", "response", "route", "tenant",
    )  # fmt: skip

    def __init__(self, route: Route, load: EndpointLoad, response: Response) -> None:
        self.route = route
        self.load = load
        self.response = response
        self.attempts = 1
        self.headed_at = 0.0
        self.guard: Guard | None = None
        self.held_since = 0.0
        self.queued_s = 0.0
        self.tenant = ""
        self.on_release: Callable[[Lease], None] | None = None
        self.released = False

    @property
    def url(self) -> str:
        """The address of the endpoint that answers."""
        return self.load.target.url

    @property
    def ttft_s(self) -> float | None:
        """How long the answer's head took, once the request had its place."""
        return self.headed_at - self.held_since if self.held_since else None

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint that answers, with its pod, revision and tier."""
        url = self.url
        return next((one for one in self.route.endpoints if one.url == url), Endpoint(url))

    def release(self) -> None:
        """Give the endpoint back; an unfinished answer is given up, so that the engine stops."""
        if self.released:
            return
        self.released = True
        self.load.in_flight -= 1
        if self.on_release is not None:
            self.on_release(self)
        if not self.response.complete:
            self.response.abort()
