"""``model: auto``: asks the Specialists of a plan in turn until one is sure enough."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import orjson

from tierwise_core.confidence import Action, answer_confidence, verdict
from tierwise_core.cost import call_cost_usd
from tierwise_core.errors import NoEndpointError, TierwiseError
from tierwise_core.route_table import RouteTable
from tierwise_core.routing import CascadePlan, Hop
from tierwise_router.answers import (
    assessable_body,
    choice_logprobs,
    read_answer,
    usage_of,
    wants_logprobs,
    without_logprobs,
)
from tierwise_router.call import Call
from tierwise_router.decision import Decision, Step
from tierwise_router.dispatch import Ask
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.errors import NobodyConfidentError, UpstreamDiedError, failure_word
from tierwise_router.upstream.response import Headers
from tierwise_router.wake import passes_over

__all__ = ["Accepted", "Refused", "Rejected", "next_hops", "run_cascade", "without_sleepers"]

ANSWER_LIMIT_BYTES = 32 * 1024 * 1024
BAD_REQUEST = 400


@dataclass(frozen=True, slots=True)
class Accepted:
    """An answer that reached its floor. ``body`` is what the client gets, ``answer`` says it."""

    hop: Hop
    confidence: float
    answer: dict[str, Any]
    body: bytes
    headers: Headers


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


Outcome = Accepted | Refused | Rejected


@dataclass(frozen=True, slots=True)
class Reply:
    """What an engine sent: a status, and a whole body."""

    status: int
    headers: Headers
    body: bytes


def next_hops(plan: CascadePlan, table: RouteTable) -> tuple[Hop, ...]:
    """Give the hops of a plan.

    Raises NobodyConfidentError with the plan's reasons when nobody is worth asking, and
    NoEndpointError when there is nobody at all.
    """
    if plan.hops:
        return plan.hops
    if not plan.skipped:
        raise NoEndpointError("no Specialist is known yet; apply one, or try again in a moment")
    routes = table.routes.values()
    human = any(r.on_uncertain == "HumanReview" for r in routes if r.field == plan.field)
    why = "; ".join(f"{skip.route_name}: {skip.reason}" for skip in plan.skipped)
    raise NobodyConfidentError(why, human=human)


def without_sleepers(
    dispatcher: Dispatcher, call: Call, decision: Decision, hops: tuple[Hop, ...]
) -> tuple[Hop, ...]:
    """Leave out who sleeps and is not to be waited for, as long as somebody is awake.

    Those who would have been asked first are woken all the same.
    """
    if not any(hop.route.ready for hop in hops):
        return hops
    kept = tuple(hop for hop in hops if not passes_over(hop.route, call.when_asleep))
    for hop in hops[: hops.index(kept[0])]:
        dispatcher.holds.nudge(hop.route.key)
        decision.steps.append(Step(hop, failure="asleep"))
    return kept


async def run_cascade(
    dispatcher: Dispatcher, call: Call, decision: Decision, hops: tuple[Hop, ...], *, ends: bool
) -> Outcome | None:
    """Ask hop after hop and judge each answer.

    ``ends`` says that the last of ``hops`` is the last of the plan. When it is not, None means
    that nobody so far was sure enough, and the rest of the plan is the caller's.

    A Specialist that fails is passed over like an unsure one; the failure of the last one is
    raised, or returned as Rejected when its engine answered with an error of its own.
    """
    for at, hop in enumerate(hops):
        is_last = ends and at == len(hops) - 1
        outcome = await _try_hop(dispatcher, call, decision, hop, is_last=is_last)
        if outcome is not None:
            return outcome
    return None


async def _try_hop(
    dispatcher: Dispatcher, call: Call, decision: Decision, hop: Hop, *, is_last: bool
) -> Outcome | None:
    try:
        hop = replace(hop, route=await dispatcher.holds.awake(hop.route, call.progress))
        asked_at = time.perf_counter()
        reply = await _ask(dispatcher, call, hop)
    except BaseException as error:
        decision.steps.append(Step(hop, failure=failure_word(error)))
        if is_last or not isinstance(error, TierwiseError):
            raise
        return None
    answer = read_answer(reply.body) if reply.status < BAD_REQUEST else None
    took_s = time.perf_counter() - asked_at
    decision.cost_usd += call_cost_usd(hop.route.price, took_s, usage_of(answer))
    if answer is None:
        decision.steps.append(Step(hop, failure=f"status-{reply.status}"))
        return Rejected(hop, reply.status, reply.headers, reply.body) if is_last else None
    return _judge(call, decision, hop, reply, answer, is_last=is_last)


def _judge(  # noqa: PLR0913 - an answer, who gave it, and to what
    call: Call,
    decision: Decision,
    hop: Hop,
    reply: Reply,
    answer: dict[str, Any],
    *,
    is_last: bool,
) -> Outcome | None:
    confidence = _confidence(answer, hop)
    judged = verdict(hop, confidence, is_last=is_last)
    decision.steps.append(Step(hop, confidence))
    if judged.action is Action.ACCEPT:
        body = reply.body
        if not wants_logprobs(call):
            answer = without_logprobs(answer)
            body = orjson.dumps(answer)
        return Accepted(hop, confidence, answer, body, reply.headers)
    return Refused(hop, confidence, judged.reason) if is_last else None


def _confidence(answer: dict[str, Any], hop: Hop) -> float:
    # Of several choices the least sure one counts: the client may use any of them.
    return min(
        (
            answer_confidence(logprobs, hop.predicted_confidence)
            for logprobs in choice_logprobs(answer)
        ),
        default=0.0,
    )


async def _ask(dispatcher: Dispatcher, call: Call, hop: Hop) -> Reply:
    reply = await _send(dispatcher, call, hop, assessable_body(call, hop.route.upstream_model))
    if reply.status == BAD_REQUEST and b"logprobs" in reply.body and not wants_logprobs(call):
        # Some providers' models give none: better an answer judged by the prediction alone.
        body = assessable_body(call, hop.route.upstream_model, with_logprobs=False)
        reply = await _send(dispatcher, call, hop, body)
    return reply


async def _send(dispatcher: Dispatcher, call: Call, hop: Hop, body: bytes) -> Reply:
    asked_at = time.perf_counter()
    lease = await dispatcher.dispatch.ask(
        hop.route, Ask(call.endpoint, call.headers, body, call.session)
    )
    try:
        whole = await lease.response.read(ANSWER_LIMIT_BYTES)
    finally:
        lease.release()
    dispatcher.tally.first_byte[hop.route.key].add(time.perf_counter() - asked_at)
    if whole is None:
        raise UpstreamDiedError(f"model {hop.route.key!r} answered more than 32 MiB")
    return Reply(lease.response.status, lease.response.headers, whole)
