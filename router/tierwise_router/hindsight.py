"""What verifiers say of answers that went out unjudged, while a rollout compares two sides.

A request that names its Specialist is passed on as it is: nobody looks at the answer. A rollout
would wait for ever for somebody's word. So the Specialist's verifiers get such answers to read once
the client has them, those of both sides alike, and their verdicts follow in the journal. Every
answer of either side is offered, or the two would be compared by different mixes of what was
judged before (``auto``, failures) and what is judged here; where too many wait for a verifier that
calls somebody, those of both sides are left out alike.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from tierwise_core.decision_record import SHADOW
from tierwise_core.late_verdict import VERDICT_KIND, Verdict
from tierwise_core.provider import NO_REQUIREMENTS, Requirements
from tierwise_core.route_split import GREEN
from tierwise_core.route_table import Route
from tierwise_core.tenant import Admitted
from tierwise_router.call import CHAT, Call
from tierwise_router.contents import write_down
from tierwise_router.decision import Decision, Spent, judging
from tierwise_router.dialects import DIALECTS
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.exchange import Exchange
from tierwise_router.requirements import requirements_for
from tierwise_router.retold import retold
from tierwise_router.upstream.response import Headers
from tierwise_router.verifiers import Verified, verify

__all__ = ["Hindsight", "Look"]

log = structlog.get_logger(__name__)

OK: Final = 200
MOST_AT_ONCE: Final = 8
NOBODY_KNOWS: Final = 0.5
OUTCOMES: Final = {True: "passed", False: "refused", None: "silent"}


@dataclass(slots=True)
class Look(Decision):
    """What verifiers are asked of an answer: nobody sees it, and no budget pays it.

    ``required`` is what the client's request asks of whoever reads it. Who was asked becomes a
    step, so that it is on the bill.
    """

    required: Requirements = NO_REQUIREMENTS

    @property
    def requirements(self) -> Requirements:
        """What is asked of whoever reads the answer."""
        return self.required

    def charge(self, route: Route, spent: Spent) -> None:
        """Pay for a judge's call, and note it."""
        self.cost_usd += spent.cost_usd
        self.steps.append(judging(route, spent))


@dataclass(slots=True)
class Hindsight:
    """Has answers judged that went out already, for one dispatcher; nobody waits for it.

    ``most`` bounds those that wait for a verifier that calls somebody. What such a call costs is a
    shadow's cost.
    """

    dispatcher: Dispatcher
    most: int = MOST_AT_ONCE
    _waiting: int = 0
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    def tap(self, exchange: Exchange, route: Route) -> None:
        """Begin to keep what the client gets, if it will be judged."""
        if exchange.tap is None and _is_compared(route):
            exchange.tap = []

    def offer(self, exchange: Exchange, decision: Decision, call: Call) -> None:
        """Take an answer that has gone out."""
        if exchange.tap is None or exchange.status != OK or not _is_unjudged(decision, call):
            return
        shown, headers = b"".join(exchange.tap), exchange.headers
        task = asyncio.get_running_loop().create_task(self._run(decision, call, headers, shown))
        self._running.add(task)
        task.add_done_callback(self._forget)

    async def judge(
        self, of: Decision, call: Call, headers: Headers, answer: Mapping[str, Any]
    ) -> Verified | None:
        """Ask the verifiers of a decision's answer; None where too many wait for theirs.

        ``headers`` are those of the client's request: they limit who may read the answer.
        """
        hop = of.steps[-1].hop
        calls = any(spec.calls for spec in hop.route.verifiers)
        if calls and self._waiting >= self.most:
            self._count(hop.route, "left_out")
            return None
        look, began_at = self._look(of, headers), time.perf_counter()
        self._waiting += calls
        try:
            found = await verify(self.dispatcher, call, look, hop, answer, confidence=NOBODY_KNOWS)
        finally:
            self._waiting -= calls
        self._count(hop.route, OUTCOMES[found.heard])
        look.seconds, look.ended_at = time.perf_counter() - began_at, time.time()
        if look.steps and self.dispatcher.journal is not None:
            write_down(self.dispatcher.journal, self.dispatcher.contents, look)
        return found

    async def settled(self) -> None:
        """Wait for what runs now."""
        await asyncio.gather(*self._running, return_exceptions=True)

    def cancel(self) -> None:
        """Give up what runs: the pod ends."""
        for task in self._running:
            task.cancel()

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a verdict failed in a way nobody expected", error=repr(error))

    def _count(self, route: Route, outcome: str) -> None:
        self.dispatcher.tally.verdicts[route.key, outcome] += 1

    def _look(self, of: Decision, headers: Headers) -> Look:
        tenant = of.tenant
        limits = tenant.requirements if tenant is not None else NO_REQUIREMENTS
        return Look(
            self.dispatcher.ids.next(), tenant=tenant, admitted=Admitted(tenant, "background"),
            latency_class="background", endpoint=CHAT, session=of.session, table=of.table,
            user=of.user, workload=of.workload, pattern=SHADOW, parts=[of.id.decode()],
            status=OK, reason=VERDICT_KIND, required=requirements_for(headers, limits),
        )  # fmt: skip

    async def _run(self, of: Decision, call: Call, headers: Headers, shown: bytes) -> None:
        answer = retold(shown)
        found = await self.judge(of, call, headers, answer) if answer is not None else None
        if found is not None and found.heard is not None and self.dispatcher.journal is not None:
            verdict = Verdict(of.id.decode(), len(of.steps) - 1, found.heard, found.checks)
            self.dispatcher.journal.row(verdict.to_row())


def _is_compared(route: Route) -> bool:
    """Tell whether a rollout compares a Specialist that has verifiers."""
    split = route.split
    if split is None or not route.verifiers or not (split.green_percent or split.shadow_percent):
        return False
    return any(one.side == GREEN for one in route.endpoints)


def _is_unjudged(decision: Decision, call: Call) -> bool:
    """Tell whether an answer was passed on to its client as it came."""
    if decision.pattern == SHADOW or call.endpoint not in DIALECTS or not decision.steps:
        return False
    step = decision.steps[-1]
    passed_on = not step.failure and step.confidence is None and step.verified is None
    return passed_on and _is_compared(step.hop.route)
