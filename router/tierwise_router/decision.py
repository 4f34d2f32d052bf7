"""What was decided for one request, as the headers and the words that tell a client of it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, NamedTuple

from tierwise_core import swift
from tierwise_core.cost import Usage
from tierwise_core.decision_record import FinalState
from tierwise_core.plan_context import LatencyClass
from tierwise_core.provider import NO_REQUIREMENTS, Requirements
from tierwise_core.route_split import BLUE
from tierwise_core.route_table import Endpoint, Route
from tierwise_core.routing import CascadePlan, Hop
from tierwise_core.tenant import ANYBODY, Admitted, TenantRoute
from tierwise_router.admission import Slot
from tierwise_router.budget import RequestBudget
from tierwise_router.purses.purse import Purse
from tierwise_router.upstream.response import Headers

__all__ = ["Decision", "DecisionIds", "Spent", "Step", "judging", "pod_tag", "where"]

NEVER_ASKED: Final = frozenset(
    {"asleep", "overflow", "budget_spent", "budget_exhausted", "budget_unknown"}
)
"""The failures of Specialists that were passed over before anybody asked them."""

NO_POD: Final = "local"
TAG: Final = re.compile(r"[a-z0-9]{1,10}$")


def pod_tag(pod_name: str) -> str:
    """Take what tells router pods apart out of a pod's name: its last part.

    >>> pod_tag("tierwise-router-6d5f7c9b8-x7k2p"), pod_tag("My.Laptop")
    ('x7k2p', 'laptop')
    """
    found = TAG.search(pod_name.lower())
    return found.group() if found else NO_POD


class DecisionIds:
    """Names decisions: unique over all dispatchers of all pods, and cheap.

    The name tells the pod and the process that made it, so that it can be found again.

    >>> ids = DecisionIds("x7k2p", "ab12")
    >>> ids.next(), ids.next()
    (b'd-x7k2p-ab12-000001', b'd-x7k2p-ab12-000002')
    """

    def __init__(self, pod: str = "", process: str = "") -> None:
        self.pod = pod or pod_tag(os.environ.get("HOSTNAME") or platform.node())
        self.process = process or os.urandom(4).hex()
        self._prefix = f"{self.pod}-{self.process}".encode()
        self._count = count(1)

    def next(self) -> bytes:
        """Give the next name."""
        return b"d-%s-%06x" % (self._prefix, next(self._count))


def where(route: Route) -> str:
    """Name a Specialist, with its adapter if it is one's route, and its tier.

    >>> where(Route("demo", "sorter", "sorting", "sorter", tier="rtx-4090"))
    'sorter@rtx-4090'
    >>> where(Route("demo", "sorter", "sorting", "sorter", tier="h100", adapter="customer-a"))
    'sorter:customer-a@h100'
    """
    tier = route.tier or tier_of(route)
    return f"{route.name}:{route.adapter}@{tier}" if route.adapter else f"{route.name}@{tier}"


def tier_of(route: Route) -> str:
    """Name the tier that answers; a provider's models run on none of ours."""
    return route.tier or ("external" if route.external else "unplaced")


@swift.dataclass(frozen=True, slots=True)
class Step:
    """One Specialist that was asked: how sure its answer was, or why it gave none.

    ``endpoint`` is the address of the pod that was asked last. ``checks`` are the words of its
    verifiers, and ``verified`` what they come to, None without any. ``queue_s`` is how long it
    waited here for a place, and ``ttft_s`` how long the answer's head then took. ``answer`` is what
    it said, parsed, where it was judged as a whole: only digested for the record.
    """

    hop: Hop
    confidence: float | None = None
    failure: str = ""
    seconds: float | None = None
    cost_usd: float = 0.0
    usage: Usage | None = None
    endpoint: str = ""
    checks: tuple[Mapping[str, Any], ...] = ()
    verified: bool | None = None
    queue_s: float | None = None
    ttft_s: float | None = None
    answer: Mapping[str, Any] | None = None

    @property
    def asked(self) -> Endpoint | None:
        """The endpoint that was asked last; None where several could have been it."""
        endpoints = self.hop.route.endpoints
        if len(endpoints) == 1:
            return endpoints[0]
        return next((one for one in endpoints if one.url == self.endpoint), None)

    @property
    def side(self) -> str:
        """Whether a rollout's candidate was asked: ``green``, else empty."""
        if self.hop.route.split is None or (asked := self.asked) is None:
            return ""
        return asked.side

    def ended(
        self, confidence: float | None, failure: str, seconds: float, cost_usd: float,
        usage: Usage | None,
    ) -> Step:  # fmt: skip
        """Make the same step with its end: what it came to, and what it took."""
        # Every request makes one: dataclasses.replace takes ten times as long.
        return Step(
            self.hop, confidence, failure, seconds, cost_usd, usage, self.endpoint, self.checks,
            self.verified, self.queue_s, self.ttft_s, self.answer,
        )  # fmt: skip

    def __str__(self) -> str:
        place = where(self.hop.route)
        if self.hop.route.split is not None and (side := self.side):
            place = f"{place}({side})"
        if self.failure:
            return f"{place}=failed:{self.failure}"
        if self.confidence is None:
            return place
        below = "" if self.confidence >= self.hop.floor else f"<{self.hop.floor:.2f}"
        return f"{place}={self.confidence:.2f}{below}"

    def describe(self) -> dict[str, object]:
        """Tell the same in JSON's types."""
        side = self.side
        return {
            "specialist": self.hop.route.key,
            "tier": tier_of(self.hop.route),
            "confidence": self.confidence,
            "floor": self.hop.floor,
            "reason": self.failure or self.hop.reason,
            **({"side": side} if side else {}),
        }


class Spent(NamedTuple):
    """What asking somebody took: seconds, dollars, tokens where known; who it was, and when."""

    seconds: float
    cost_usd: float
    usage: Usage | None = None
    endpoint: str = ""
    queue_s: float | None = None
    ttft_s: float | None = None

    def step(
        self,
        hop: Hop,
        confidence: float | None = None,
        failure: str = "",
        answer: Mapping[str, Any] | None = None,
    ) -> Step:
        """Make the step of what was asked."""
        return Step(
            hop, confidence, failure, self.seconds, self.cost_usd, self.usage, self.endpoint,
            queue_s=self.queue_s, ttft_s=self.ttft_s, answer=answer,
        )  # fmt: skip


def judging(route: Route, spent: Spent) -> Step:
    """Make the step of a Specialist that was asked about another one's answer."""
    return spent.step(Hop(route, 1.0, 0.0, "judges an answer"))


@dataclass(slots=True)
class Decision:
    """The way a request took so far, what it cost and how sure the answer is.

    What the journal needs is only referred to: it becomes a record in another thread. ``text`` is
    what the plan was made for, and ``fields`` the request's body; neither is written down, only
    digested. ``pattern`` is the one that was run, and
    ``parts`` name the decisions of its sub-requests. ``slot`` is the place that the request takes
    among those in progress; who waits for sub-requests releases it before. ``overflow`` is the
    Specialist that had no room for it, where its alternative has answered. ``purse`` pays for its
    calls, None where its tenant has no budgets. ``user`` is whom it was sent for, and ``workload``
    what its sender calls requests of this kind. ``said`` is what the client got, where contents are
    kept. ``outcome`` is what a pattern's answer came to, which has no steps of its own. ``judges``
    are the calls that verifiers made of other Specialists.
    """

    id: bytes
    steps: list[Step] = field(default_factory=list)
    cost_usd: float = 0.0
    tenant: TenantRoute | None = None
    latency_class: LatencyClass = "realtime"
    admitted: Admitted = ANYBODY
    slot: Slot | None = None
    endpoint: str = ""
    model: str = ""
    stream: bool = False
    session: bytes = b""
    text: str = ""
    fields: Mapping[str, Any] | None = None
    plan: CascadePlan | None = None
    table: str = ""
    budget: RequestBudget | None = None
    purse: Purse | None = None
    user: bytes = b""
    workload: str = ""
    pattern: str = ""
    parts: list[str] | None = None
    status: int = 0
    reason: str = ""
    ended_at: float = 0.0
    seconds: float = 0.0
    overflow: str = ""
    said: list[bytes] | None = None
    outcome: FinalState | None = None
    judges: list[Step] | None = None

    @property
    def requirements(self) -> Requirements:
        """What the request asks of whoever reads it, its tenant's wishes included."""
        if self.plan is not None and self.plan.question.context.requirements is not None:
            return self.plan.question.context.requirements
        return self.tenant.requirements if self.tenant is not None else NO_REQUIREMENTS

    @property
    def path(self) -> str:
        """Tell the way in one line: ``sorter@rtx-4090=0.41<0.85, frontier@h100=0.97``."""
        return ", ".join([str(step) for step in self.steps])

    def charge(self, route: Route, spent: Spent) -> None:
        """Pay for a judge's call, and note it: it is no step of the way to the answer."""
        self.cost_usd += spent.cost_usd
        judged = judging(route, spent)
        self.judges = [judged] if self.judges is None else [*self.judges, judged]

    def headers(self) -> Headers:
        """Make the ``x-tierwise-*`` headers of an answer.

        The confidence is left out where none was measured, as in a request by name.
        """
        if not self.steps:
            return [(b"x-tierwise-decision", self.id)]
        last = self.steps[-1]
        route = last.hop.route
        path = self.path if len(self.steps) > 1 else str(last)
        headers = [
            (b"x-tierwise-decision", self.id),
            (b"x-tierwise-specialist", route.key.encode()),
            (b"x-tierwise-tier", tier_of(route).encode()),
            (b"x-tierwise-cost-usd", b"%.9f" % self.cost_usd),
            (b"x-tierwise-path", path.encode("ascii", "replace")),
        ]
        if route.adapter:
            headers.append((b"x-tierwise-adapter", route.adapter.encode()))
        if route.split is not None:
            headers.append((b"x-tierwise-side", (last.side or BLUE).encode()))
        if last.confidence is not None:
            headers.append((b"x-tierwise-confidence", b"%.4f" % last.confidence))
        return headers
