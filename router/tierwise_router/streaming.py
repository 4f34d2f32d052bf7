"""Streams of a cascade: asked for, decided about while they arrive, and told to the client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Final

from tierwise_core.confidence import Action, verdict
from tierwise_core.cost import Usage, call_cost_usd
from tierwise_core.early import Early
from tierwise_router.asking import wants_usage
from tierwise_router.decision import Decision, Spent, Step, where
from tierwise_router.dialects import DIALECTS
from tierwise_router.dispatch import Lease
from tierwise_router.errors import ENGINE_ERROR, UpstreamError, answer_for, failure_word
from tierwise_router.exchange import Exchange
from tierwise_router.judged_stream import JudgedStream, Wishes
from tierwise_router.outcomes import Attempt, Flowing, Refused
from tierwise_router.sse import DONE, comment, error_event
from tierwise_router.upstream.response import Headers

__all__ = ["EVENT_STREAM", "decide_stream", "escalation_comments", "flow", "streams_early"]

EVENT_STREAM: Final[Headers] = [(b"content-type", b"text/event-stream; charset=utf-8")]
BYTES_PER_TOKEN: Final = 4
"""What a prompt's tokens are guessed by when its stream was cut off before its usage came."""

LINGER_S: Final = 0.05


def streams_early(attempt: Attempt) -> bool:
    """Tell whether a hop is judged while it streams; else its whole answer is, before it is told.

    What verifiers check is the whole answer.
    """
    policy = attempt.dispatcher.current_brain().table.policy.streaming
    return attempt.call.stream and policy.begin == "Early" and not attempt.hop.route.verifiers


async def decide_stream(attempt: Attempt, lease: Lease) -> Flowing | Refused | None:
    """Hold a stream until it is known whether it may flow; None passes on to the next hop."""
    hop, stream = attempt.hop, _judged_stream(attempt, lease)
    try:
        accepted, reason = await _decided(attempt, stream)
    except BaseException as error:
        spent = _charge(attempt, stream)._replace(
            endpoint=lease.url, queue_s=lease.queued_s, ttft_s=lease.ttft_s
        )
        attempt.decision.steps.append(spent.step(hop, failure=failure_word(error)))
        lease.release()
        raise
    step = Step(
        hop, stream.confidence, endpoint=lease.url, queue_s=lease.queued_s, ttft_s=lease.ttft_s
    )
    attempt.decision.steps.append(step)
    if accepted:
        return Flowing(attempt, stream, lease)
    spent = _charge(attempt, stream)._replace(
        endpoint=lease.url, queue_s=lease.queued_s, ttft_s=lease.ttft_s
    )
    attempt.decision.steps[-1] = spent.step(hop, stream.confidence)
    # The engine stops at once: nobody wants the rest.
    lease.release()
    _note_end(attempt, stream, "rejected")
    return Refused(hop, stream.confidence, reason) if attempt.is_last else None


async def _decided(attempt: Attempt, stream: JudgedStream) -> tuple[bool, str]:
    action, reason = await stream.decide()
    if action is not Early.WAIT:
        return action is Early.ACCEPT, reason
    judged = verdict(attempt.hop, stream.confidence, is_last=attempt.is_last)
    return judged.action is Action.ACCEPT, judged.reason


def _judged_stream(attempt: Attempt, lease: Lease) -> JudgedStream:
    """Put a stream together with what its client wants and how long its answer may become."""
    call, hop, dispatcher = attempt.call, attempt.hop, attempt.dispatcher
    dialect = DIALECTS[call.endpoint]
    wishes = Wishes(
        dialect.wants_logprobs(call.fields), wants_usage(call), dialect.choices(call.fields)
    )
    limits = (dialect.longest(call.fields), dispatcher.lengths.longest(hop.route.key))
    longest = min((limit for limit in limits if limit is not None), default=None)
    policy = dispatcher.current_brain().table.policy.streaming
    return JudgedStream(lease.response, hop, dialect, policy, wishes, longest)


async def flow(exchange: Exchange, flowing: Flowing) -> None:
    """Tell an accepted stream to its end, and what became of its confidence."""
    attempt, stream = flowing.attempt, flowing.stream
    decision = attempt.decision
    spent_before_usd = decision.cost_usd
    # The headers can only tell the cost so far; the last comment tells all of it.
    _charge(attempt, stream)
    exchange.extra += decision.headers()
    outcome = "died"
    try:
        await exchange.start(200, EVENT_STREAM)
        if await _tell_events(exchange, decision, stream):
            outcome = "flowed" if stream.confidence >= attempt.hop.floor else "collapsed"
            if outcome == "collapsed":
                decision.reason = "the answer turned doubtful after it had begun"
    except BaseException as error:
        decision.steps[-1] = replace(decision.steps[-1], failure=failure_word(error))
        raise
    finally:
        decision.cost_usd = spent_before_usd
        spent = _charge(attempt, stream)
        step = decision.steps[-1]
        decision.steps[-1] = step.ended(
            step.confidence, step.failure, spent.seconds, spent.cost_usd, spent.usage
        )
        _note_end(attempt, stream, outcome)
        if outcome == "died":
            flowing.lease.release()
    try:
        await _tell_end(exchange, decision, stream, outcome)
    finally:
        await _linger(flowing)


async def _tell_events(exchange: Exchange, decision: Decision, stream: JudgedStream) -> bool:
    """Pass the events on; tell whether that went well."""
    sent = escalation_comments(decision.steps)
    if sent:
        await exchange.piece(sent)
    try:
        async for data in stream.flow():
            await exchange.piece(data)
    except UpstreamError as error:
        decision.steps[-1] = replace(decision.steps[-1], failure=failure_word(error))
        await exchange.piece(error_event(answer_for(error), b"\n\n"))
        return False
    if stream.failure:
        decision.steps[-1] = replace(decision.steps[-1], failure=ENGINE_ERROR)
        return False
    decision.steps[-1] = replace(decision.steps[-1], confidence=stream.confidence)
    return True


async def _tell_end(
    exchange: Exchange, decision: Decision, stream: JudgedStream, outcome: str
) -> None:
    last, end = decision.steps[-1], b""
    if outcome != "died":
        if outcome == "collapsed":
            end = comment(
                f"doubtful {where(last.hop.route)} ({stream.confidence:.2f} < "
                f"{last.hop.floor:.2f}), after its answer had begun"
            )
        end += comment(f"answered {last}, {decision.cost_usd:.9f} USD")
        end += DONE if stream.dialect.done else b""
    await exchange.piece(end, more=False)


async def _linger(flowing: Flowing) -> None:
    """Let the engine end its answer, so that the connection can be used again."""
    try:
        async with asyncio.timeout(LINGER_S):
            await flowing.lease.response.settle(0)
    except (TimeoutError, UpstreamError):
        pass
    finally:
        flowing.lease.release()


def escalation_comments(steps: Iterable[Step]) -> bytes:
    r"""Tell a stream's client who was asked before, one comment for each step on.

    >>> from tierwise_core.route_table import Route
    >>> from tierwise_core.routing import Hop
    >>> hops = [Hop(Route("demo", name, "general", name, tier=tier), 0.9, 0.85, "")
    ...         for name, tier in (("sorter", "rtx-4090"), ("frontier", "h100"))]
    >>> escalation_comments([Step(hops[0], 0.41), Step(hops[1], 0.97)])
    b': escalated sorter@rtx-4090 -> frontier@h100 (0.41 < 0.85)\n\n'
    """
    return b"".join(
        comment(f"escalated {where(one.hop.route)} -> {where(other.hop.route)} ({_why(one)})")
        for one, other in pairwise(steps)
    )


def _why(step: Step) -> str:
    if step.failure or step.confidence is None:
        return f"failed: {step.failure or 'no answer'}"
    return f"{step.confidence:.2f} < {step.hop.floor:.2f}"


def _charge(attempt: Attempt, stream: JudgedStream) -> Spent:
    """Add what a stream has cost so far; what a provider has not billed yet is estimated."""
    usage = stream.usage
    if usage is None:
        usage = Usage(len(attempt.call.body) // BYTES_PER_TOKEN, stream.all_tokens)
    took_s = attempt.took_s
    cost_usd = call_cost_usd(attempt.hop.route.price, took_s, usage)
    attempt.decision.cost_usd += cost_usd
    return Spent(took_s, cost_usd, usage)


def _note_end(attempt: Attempt, stream: JudgedStream, outcome: str) -> None:
    key = attempt.hop.route.key
    attempt.dispatcher.tally.streams[key, outcome] += 1
    if stream.complete:
        attempt.dispatcher.lengths.note(key, stream.tokens)
