"""What a rollout's candidate would have answered: asked beside blue, judged alike, never shown.

Whoever asked blue has its answer already; nobody waits for green's. It is drawn from all requests
that blue was asked, those it was not sure of included, so that both sides are compared by the same
questions. It becomes a decision of its own, with the pattern ``shadow``: its cost is counted, and
charged to no tenant's budget.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import structlog

from tierwise_core.agreement import compare
from tierwise_core.cost import call_cost_usd
from tierwise_core.decision_record import ABANDONED, SHADOW
from tierwise_core.errors import TierwiseError
from tierwise_core.route_split import GREEN
from tierwise_core.route_table import Route
from tierwise_core.routing import Hop
from tierwise_core.tenant import Admitted
from tierwise_router.answers import answer_text, read_answer, usage_in
from tierwise_router.asking import read_whole
from tierwise_router.auto import Refused, Rejected, run_cascade
from tierwise_router.call import Call
from tierwise_router.contents import write_down
from tierwise_router.decision import NEVER_ASKED, Decision, Spent, Step
from tierwise_router.dialects import DIALECTS
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.drawing import draw_for, failed_step
from tierwise_router.errors import UpstreamError, answer_for, failure_word
from tierwise_router.exchange import Exchange
from tierwise_router.hindsight import Hindsight
from tierwise_router.json_body import write_again
from tierwise_router.lease import WHOLE_BYTES, Ask
from tierwise_router.patterns.shadows import note_comparison, shown_text
from tierwise_router.surface import upstream_path
from tierwise_router.upstream.response import Headers
from tierwise_router.verifiers import heard

__all__ = ["Unseen"]

log = structlog.get_logger(__name__)

OK: Final = 200
FIRST_ERROR_STATUS: Final = 400
UNPROCESSABLE: Final = 422
MOST_AT_ONCE: Final = 8
AGREE_AT: Final = 0.9


@dataclass(frozen=True, slots=True)
class _Asked:
    """A step of a client's request that green is to repeat, and what blue said, where known.

    ``headers`` are the request's own, which limit who may read the answer.
    """

    call: Call
    decision: Decision
    step: Step
    said: str | None
    headers: Headers

    @property
    def judged(self) -> bool:
        """Whether blue's answer was judged before it was shown: green's is judged alike."""
        return self.decision.plan is not None and self.call.endpoint in DIALECTS


@dataclass(slots=True)
class Unseen:
    """Has green answer again, for one dispatcher; a full house leaves it out, and counts that.

    ``hindsight`` judges what was shown unjudged, and green's answers to the same requests.
    """

    dispatcher: Dispatcher
    hindsight: Hindsight
    most: int = MOST_AT_ONCE
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    def tap(self, exchange: Exchange, decision: Decision) -> None:
        """Begin to keep what the client gets, if some candidate may be compared with it."""
        brain = self.dispatcher.current_brain()
        if exchange.tap is None and any(s.is_shadowed(decision.id) for s in brain.compared):
            exchange.tap = []

    def tap_named(self, exchange: Exchange, route: Route) -> None:
        """Begin to keep what a client gets who names the Specialist, if it is judged later."""
        self.hindsight.tap(exchange, route)

    def offer(self, exchange: Exchange, decision: Decision, call: Call) -> None:
        """Take a request that has ended: it is judged, and green repeats what blue was asked."""
        if call.form is not None:
            return
        self.hindsight.offer(exchange, decision, call)
        for step in _of_blue(decision):
            split = step.hop.route.split
            if split is None:
                continue
            if len(self._running) >= self.most:
                self.dispatcher.tally.compared(split.rollout, "left_out", 0.0)
                continue
            said = _said(exchange, decision, step)
            asked = _Asked(call, decision, step, said, exchange.headers)
            task = asyncio.get_running_loop().create_task(self._run(asked))
            self._running.add(task)
            task.add_done_callback(self._forget)

    async def settled(self) -> None:
        """Wait for what runs now."""
        await asyncio.gather(*self._running, return_exceptions=True)
        await self.hindsight.settled()

    def cancel(self) -> None:
        """Give up what runs: the pod ends."""
        for task in self._running:
            task.cancel()
        self.hindsight.cancel()

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a shadow failed in a way nobody expected", error=repr(error))

    async def _run(self, asked: _Asked) -> None:
        dispatcher, began_at = self.dispatcher, time.perf_counter()
        decision = _decision(dispatcher.ids.next(), asked)
        try:
            with dispatcher.deadlines.limit():
                text = await self._answer(asked, decision)
        except UpstreamError as error:
            text = None
            decision.reason = failure_word(error)
            decision.status = answer_for(error).status
        except TierwiseError:  # it had no room, or has gone: that is none of its answers
            rollout = asked.step.hop.route.split
            dispatcher.tally.compared(rollout.rollout if rollout else "", "left_out", 0.0)
            return
        decision.seconds, decision.ended_at = time.perf_counter() - began_at, time.time()
        self._note(asked, decision, text)

    async def _answer(self, asked: _Asked, decision: Decision) -> str | None:
        """Ask green, and judge its answer as blue's is judged; gives its text where it has one."""
        call, hop = _again(asked.call, decision), asked.step.hop
        if hop.route.overflow is not None:
            hop = replace(hop, route=replace(hop.route, overflow=None))
        if not asked.judged:
            return await self._relayed(asked, call, decision, hop)
        outcome = await run_cascade(self.dispatcher, call, decision, (hop,))
        if isinstance(outcome, Rejected):
            decision.status = outcome.status
            return None
        decision.status = UNPROCESSABLE if isinstance(outcome, Refused) else OK
        step = decision.steps[-1]
        if step.verified is False and heard(step.checks, passed=False) is None:
            # Its verifiers are asked behind everybody who waits, and were not heard: that is none
            # of its faults, and blue's were asked first.
            decision.steps[-1] = replace(step, confidence=None, verified=None)
        return answer_text(step.answer) if step.answer is not None else None

    async def _relayed(self, asked: _Asked, call: Call, decision: Decision, hop: Hop) -> str | None:
        """Ask as a request by name is asked, and have the answer judged afterwards."""
        spent, status, body = await _asked_by_name(self.dispatcher, call, decision, hop)
        decision.status, decision.cost_usd = status, spent.cost_usd
        failure = f"status-{status}" if status >= FIRST_ERROR_STATUS else ""
        decision.steps.append(step := spent.step(hop, None, failure))
        if decision.said is not None:
            decision.said.append(body)
        answer = read_answer(body) if not failure else None
        if answer is not None and hop.route.verifiers and call.endpoint in DIALECTS:
            found = await self.hindsight.judge(decision, call, asked.headers, answer)
            if found is not None:
                decision.steps[-1] = replace(step, checks=found.checks, verified=found.heard)
        return answer_text(answer) if answer is not None else None

    def _note(self, asked: _Asked, decision: Decision, text: str | None) -> None:
        dispatcher = self.dispatcher
        if dispatcher.journal is not None:
            write_down(dispatcher.journal, dispatcher.contents, decision)
        row = _comparison(asked, decision, text)
        dispatcher.tally.compared(row["shadow"], row["outcome"], decision.cost_usd)
        if row["outcome"] != "not_compared":
            note_comparison(dispatcher.journal, row)


def _of_blue(decision: Decision) -> Iterator[Step]:
    """Find the steps at which blue was asked and green draws a shadow, one of each Specialist."""
    seen = set()
    for step in decision.steps:
        route = step.hop.route
        if route.split is None or route.title in seen or step.side == GREEN:
            continue
        has_green = any(one.side == GREEN for one in route.endpoints)
        asked = step.failure not in NEVER_ASKED and step.failure != ABANDONED
        if has_green and asked and route.split.is_shadowed(decision.id):
            seen.add(route.title)
            yield step


def _said(exchange: Exchange, decision: Decision, step: Step) -> str | None:
    if step.answer is not None:
        return answer_text(step.answer) or None
    if exchange.tap is None or exchange.status != OK or step is not decision.steps[-1]:
        return None
    return shown_text(b"".join(exchange.tap))


def _decision(name: bytes, asked: _Asked) -> Decision:
    """Make the decision of a shadow: whose it is and what it was about is that of the client's."""
    of = asked.decision
    return Decision(
        name, tenant=of.tenant, admitted=Admitted(of.tenant, "background"),
        latency_class="background", endpoint=asked.call.endpoint,
        model=asked.call.model, session=of.session, text=of.text, fields=of.fields, plan=of.plan,
        table=of.table, user=of.user, workload=of.workload, pattern=SHADOW,
        parts=[of.id.decode()], said=None if of.said is None else [],
    )  # fmt: skip


def _again(call: Call, decision: Decision) -> Call:
    """Make the same request for green: whole, behind everybody who waits, and paid by nobody."""
    fields = {name: value for name, value in call.fields.items() if name != "stream_options"}
    if "stream" in fields:
        fields["stream"] = False
    return replace(
        call, body=write_again(fields), fields=fields, stream=False, progress=None, budget=None,
        admitted=decision.admitted, side=GREEN,
    )  # fmt: skip


async def _asked_by_name(
    dispatcher: Dispatcher, call: Call, decision: Decision, hop: Hop
) -> tuple[Spent, int, bytes]:
    asked_at = time.perf_counter()
    asked = Ask(
        upstream_path(call.endpoint), call.headers, call.body_for(hop.route), call.session,
        WHOLE_BYTES, call.admitted, draw=draw_for(decision, call, hop),
    )  # fmt: skip
    try:
        lease = await dispatcher.dispatch.ask(hop.route, asked)
        body = await read_whole(lease, hop)
    except UpstreamError as error:
        decision.steps.append(failed_step(hop, failure_word(error), error))
        raise
    took_s, usage = time.perf_counter() - asked_at, usage_in(body)
    cost_usd = call_cost_usd(hop.route.price, took_s, usage)
    spent = Spent(took_s, cost_usd, usage, lease.url, lease.queued_s, lease.ttft_s)
    return spent, lease.response.status, body


def _comparison(asked: _Asked, decision: Decision, text: str | None) -> dict[str, Any]:
    """Compare what both said; the texts themselves are not kept."""
    route = asked.step.hop.route
    row: dict[str, Any] = {
        "kind": "comparison",
        "shadow": route.split.rollout if route.split is not None else "",
        "decision": asked.decision.id.decode(),
        "specialist": route.key,
        "candidate": f"{route.key} ({GREEN})",
        "candidate_decision": decision.id.decode(),
        "cost_usd": decision.cost_usd,
        "at": decision.ended_at - decision.seconds,
        "seconds": round(decision.seconds, 6),
    }
    if not text:
        reason = decision.reason or "its answer has no text"
        return {**row, "outcome": "failed", "reason": reason}
    if not asked.said:
        return {**row, "outcome": "not_compared"}
    found = compare(asked.said, text)
    outcome = "agree" if found.agrees(AGREE_AT) else "disagree"
    return {**row, "outcome": outcome, "score": round(found.score, 4), "compared": found.how}
