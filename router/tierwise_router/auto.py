"""``model: auto``: asks the Specialists of a plan in turn until one is sure enough."""

from __future__ import annotations

from asyncio import CancelledError
from dataclasses import replace
from typing import Any, Final

import orjson

from tierwise_core.confidence import answer_confidence, verdict
from tierwise_core.cost import Usage, call_cost_usd
from tierwise_core.decision_record import ABANDONED
from tierwise_core.errors import NoEndpointError, TierwiseError
from tierwise_core.route_table import RouteTable
from tierwise_core.routing import CascadePlan, Hop
from tierwise_core.spending import call_usd
from tierwise_core.swift import dataclass
from tierwise_router.answers import choice_logprobs, read_answer, usage_of
from tierwise_router.asking import Asked, ask_judged, read_whole
from tierwise_router.call import Call
from tierwise_router.decision import Decision, Spent, Step
from tierwise_router.dialects import DIALECTS, Dialect
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.drawing import draw_for, failed_step
from tierwise_router.errors import (
    ContextLengthError,
    NobodyConfidentError,
    UpstreamDiedError,
    failure_word,
)
from tierwise_router.extent import about_prompt_tokens, output_tokens
from tierwise_router.lease import Lease
from tierwise_router.outcomes import Accepted, Attempt, Flowing, Outcome, Refused, Rejected
from tierwise_router.overflow import check_room, say_context_length
from tierwise_router.sse import is_event_stream
from tierwise_router.streaming import decide_stream, streams_early
from tierwise_router.upstream.response import Headers
from tierwise_router.verifiers import verify
from tierwise_router.wake import passes_over

__all__ = [
    "Accepted",
    "Flowing",
    "Outcome",
    "Refused",
    "Rejected",
    "next_hops",
    "run_cascade",
    "without_sleepers",
]

FIRST_ERROR_STATUS: Final = 400


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
    awake = [hop for hop in hops if hop.route.endpoints]
    if not awake or len(awake) == len(hops):
        return hops
    kept = tuple(
        hop
        for hop in hops
        if hop.route.overflow is not None or not passes_over(hop.route, call.when_asleep)
    )
    for hop in hops[: hops.index(kept[0])]:
        dispatcher.holds.nudge(hop.route.key)
        decision.steps.append(Step(hop, failure="asleep"))
    return kept


async def run_cascade(
    dispatcher: Dispatcher, call: Call, decision: Decision, hops: tuple[Hop, ...]
) -> Outcome:
    """Ask hop after hop and judge each answer, that of a stream by its beginning.

    A Specialist that fails is passed over like an unsure one; the failure of the last one is
    raised, or returned as Rejected when its engine answered with an error of its own.
    """
    for at, hop in enumerate(hops):
        is_last = at == len(hops) - 1
        if hop.route.overflow is not None:
            outcome = await _try_elsewhere(dispatcher, call, decision, hop)
            if outcome is not None:
                return outcome
        outcome = await _try_hop(dispatcher, call, decision, hop, is_last=is_last)
        if outcome is not None:
            return outcome
    raise NoEndpointError("nobody was left to ask")


async def _try_elsewhere(
    dispatcher: Dispatcher, call: Call, decision: Decision, hop: Hop
) -> Outcome | None:
    """Ask the alternative of a Specialist that has no room; None where own replicas are to answer.

    Its answer is judged as theirs would be: by their floor and their verifiers.
    """
    other = dispatcher.bursts.elsewhere(hop.route, call)
    if other is None:
        return None
    decision.steps.append(Step(hop, failure="overflow"))
    taken = replace(
        hop,
        route=replace(other, verifiers=hop.route.verifiers),
        expected_usd=call_usd(other.price, about_prompt_tokens(call), output_tokens(call)),
    )
    outcome = await _try_hop(dispatcher, call, decision, taken, is_last=False)
    if outcome is not None:
        decision.overflow = hop.route.key
    return outcome


async def _try_hop(
    dispatcher: Dispatcher, call: Call, decision: Decision, hop: Hop, *, is_last: bool
) -> Outcome | None:
    steps_before, draw = len(decision.steps), draw_for(decision, call, hop)
    try:
        if decision.budget is not None:
            decision.budget.check_cost(spent_usd=decision.cost_usd, expected_usd=hop.expected_usd)
        if hop.route.asleep:
            hop = replace(hop, route=await dispatcher.holds.awake(hop.route, call.progress))
        if hop.route.context_tokens:
            await check_room(dispatcher, call, hop.route)
        return await _ask_and_judge(Attempt(dispatcher, call, decision, hop, is_last, draw=draw))
    except BaseException as error:
        fallen = draw.fallen if draw is not None else 0
        if len(decision.steps) == steps_before + fallen:
            decision.steps.append(failed_step(hop, failure_word(error), error))
        if is_last or not isinstance(error, TierwiseError):
            raise
        return None


async def _ask_and_judge(attempt: Attempt) -> Outcome | None:
    hop, stream = attempt.hop, streams_early(attempt)
    asked = await ask_judged(
        attempt.dispatcher, attempt.call, hop, stream=stream, draw=attempt.draw
    )
    if asked.status >= FIRST_ERROR_STATUS:
        return _refused_by_engine(attempt, asked)
    response = asked.lease.response
    if stream and is_event_stream(response.header(b"content-type")):
        attempt.dispatcher.tally.first_byte[hop.route.key].add(attempt.took_s)
        return await decide_stream(attempt, asked.lease)
    reply = Reply(asked.status, response.headers, await read_whole(asked.lease, hop))
    attempt.dispatcher.tally.first_byte[hop.route.key].add(attempt.took_s)
    answer = read_answer(reply.body)
    spent = _charge(attempt, usage_of(answer), asked.lease)
    if answer is None:
        attempt.decision.steps.append(spent.step(hop, failure="no_answer"))
        raise UpstreamDiedError(f"model {hop.route.key!r} answered what is no answer")
    return await _judge(attempt, spent, reply, answer)


def _refused_by_engine(attempt: Attempt, asked: Asked) -> Rejected | None:
    spent = _charge(attempt, None, asked.lease)
    said = say_context_length(asked.status, asked.refusal)
    failure = f"status-{asked.status}" if said is asked.refusal else ContextLengthError.CODE
    attempt.decision.steps.append(spent.step(attempt.hop, failure=failure))
    if not attempt.is_last:
        return None
    return Rejected(attempt.hop, asked.status, asked.lease.response.headers, said)


def _charge(attempt: Attempt, usage: Usage | None, lease: Lease) -> Spent:
    took_s = attempt.took_s
    cost_usd = call_cost_usd(attempt.hop.route.price, took_s, usage)
    attempt.decision.cost_usd += cost_usd
    return Spent(took_s, cost_usd, usage, lease.url, lease.queued_s, lease.ttft_s)


async def _judge(
    attempt: Attempt, spent: Spent, reply: Reply, answer: dict[str, Any]
) -> Outcome | None:
    hop, call = attempt.hop, attempt.call
    logprobs, predicted = choice_logprobs(answer), hop.predicted_confidence
    if len(logprobs) == 1:
        longest, confidence = len(logprobs[0]), answer_confidence(logprobs[0], predicted)
    else:
        # Of several choices the least sure one counts: the client may use any of them.
        longest = max(map(len, logprobs), default=0)
        confidence = min([answer_confidence(some, predicted) for some in logprobs], default=0.0)
    attempt.dispatcher.lengths.note(hop.route.key, longest)
    step = spent.step(hop, confidence, answer=answer)
    if hop.route.verifiers:
        try:
            verified = await verify(
                attempt.dispatcher, call, attempt.decision, hop, answer, confidence=confidence
            )
        except CancelledError:  # its answer was there, and has its price, but is not judged
            attempt.decision.steps.append(replace(step, failure=ABANDONED))
            raise
        confidence = verified.confidence
        step = replace(
            step, confidence=confidence, checks=verified.checks, verified=verified.passed
        )
    attempt.decision.steps.append(step)
    if not confidence >= hop.floor:  # nor is NaN
        judged = verdict(hop, confidence, is_last=attempt.is_last)
        return Refused(hop, confidence, judged.reason) if attempt.is_last else None
    dialect, body = DIALECTS[call.endpoint], reply.body
    if not dialect.wants_logprobs(call.fields):
        body = _without_logprobs(dialect, answer)
    return Accepted(hop, confidence, answer, body, reply.headers)


def _without_logprobs(dialect: Dialect, answer: dict[str, Any]) -> bytes:
    dialect.hide(answer)
    try:
        return orjson.dumps(answer)
    except orjson.JSONEncodeError:
        raise UpstreamDiedError("the answer is nested too deeply to be passed on") from None
