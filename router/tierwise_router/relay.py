"""Passes an upstream's answer to the client: whole when it is short, else piece by piece."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

import orjson

from tierwise_core.cost import call_cost_usd
from tierwise_core.errors import TierwiseError
from tierwise_core.route_table import Route
from tierwise_core.routing import Hop, stand_ins
from tierwise_router.answers import usage_in, usage_of
from tierwise_router.bursting import OverflowRefusedError
from tierwise_router.call import Call
from tierwise_router.decision import Decision, Step
from tierwise_router.dialects import BREAKING_MARKS
from tierwise_router.dispatch import WHOLE_BYTES, Ask, Lease
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.drawing import draw_for, failed_step
from tierwise_router.errors import ENGINE_ERROR, UpstreamError, answer_for, failure_word
from tierwise_router.exchange import Exchange
from tierwise_router.lease import Draw
from tierwise_router.metering import UsageMeter, body_with_usage, meter_for
from tierwise_router.overflow import check_room, say_context_length
from tierwise_router.sse import error_event, is_event_stream
from tierwise_router.surface import upstream_path
from tierwise_router.upstream.response import Headers, Response
from tierwise_router.wake import passes_over

__all__ = ["client_headers", "relay_hop", "relay_named", "whole_headers"]

FIRST_ERROR_STATUS: Final = 400
BAD_REQUEST: Final = 400

CONTENT_LENGTH = b"content-length"
NOT_RELAYED = frozenset(
    {
        b"alt-svc", b"connection", b"date", b"keep-alive", b"proxy-authenticate", b"server",
        b"set-cookie", b"strict-transport-security", b"trailer", b"transfer-encoding", b"upgrade",
        b"x-request-id",
    }
)  # fmt: skip


def client_headers(headers: Headers) -> Headers:
    """Choose the upstream's headers that the client gets.

    >>> client_headers([(b"server", b"uvicorn"), (b"content-type", b"text/plain")])
    [(b'content-type', b'text/plain')]
    """
    return [
        pair
        for pair in headers
        if pair[0] not in NOT_RELAYED and not pair[0].startswith(b"x-tierwise-")
    ]


def whole_headers(headers: Headers) -> Headers:
    """Choose likewise for an answer that is sent as a whole, whose length may be another one."""
    return [
        pair
        for pair in headers
        if pair[0] not in NOT_RELAYED
        and pair[0] != CONTENT_LENGTH
        and not pair[0].startswith(b"x-tierwise-")
    ]


async def relay_named(
    dispatcher: Dispatcher, exchange: Exchange, call: Call, decision: Decision, route: Route
) -> None:
    """Answer a request that names its Specialist; the bytes go through as they are.

    One that sleeps, and is not to be waited for, is woken while somebody else answers.
    """
    hop = Hop(route, 1.0, 0.0, "named by the request")
    if route.overflow is not None and await _relay_elsewhere(
        dispatcher, exchange, call, decision, hop
    ):
        return
    if passes_over(route, call.when_asleep):
        brain = dispatcher.current_brain()
        for other in stand_ins(brain.itineraries, brain.table, route):
            dispatcher.holds.nudge(route.key)
            decision.steps.append(Step(hop, failure="asleep"))
            hop = Hop(other, 1.0, 0.0, f"{route.name} sleeps")
            break
    await relay_hop(dispatcher, exchange, call, decision, hop)


async def _relay_elsewhere(
    dispatcher: Dispatcher, exchange: Exchange, call: Call, decision: Decision, hop: Hop
) -> bool:
    """Have the alternative answer where own replicas have no room; tell whether it did."""
    other = dispatcher.bursts.elsewhere(hop.route, call)
    if other is None:
        return False
    decision.steps.append(Step(hop, failure="overflow"))
    taken = Hop(other, 1.0, 0.0, f"{hop.route.name} has no room")
    decision.overflow = hop.route.key
    try:
        await relay_hop(dispatcher, exchange, call, decision, taken, spare=True)
    except TierwiseError:
        decision.overflow = ""
        if exchange.status and not exchange.open:
            raise  # the client has a part of the answer
        return False
    return True


async def relay_hop(  # noqa: PLR0913 - the exchange, the call and who answers it
    dispatcher: Dispatcher,
    exchange: Exchange,
    call: Call,
    decision: Decision,
    hop: Hop,
    *,
    predicted: float | None = None,
    spare: bool = False,
) -> None:
    """Ask one Specialist and relay what it says, without a look at the answer.

    ``predicted`` is the confidence to tell the client, where there is a prediction. Raises what
    :meth:`Dispatch.ask` does as long as nothing has been sent, and OverflowRefusedError for an
    error's status where somebody is left, ``spare``.
    """
    try:
        route = await dispatcher.holds.awake(hop.route, call.progress)
        if route.context_tokens:
            await check_room(dispatcher, call, route)
        meter = meter_for(call, route)
        asked_at = time.perf_counter()
        lease = await _ask(dispatcher, call, route, meter, draw_for(decision, call, hop))
    except BaseException as error:
        decision.steps.append(failed_step(hop, failure_word(error), error))
        raise
    waited_s = time.perf_counter() - asked_at
    dispatcher.tally.first_byte[route.key].add(waited_s)
    status = lease.response.status
    failure = f"status-{status}" if status >= FIRST_ERROR_STATUS else ""
    step = Step(
        hop, predicted, failure, endpoint=lease.url, queue_s=lease.queued_s, ttft_s=lease.ttft_s
    )
    decision.steps.append(step)
    try:
        if failure and spare:
            raise OverflowRefusedError(f"model {route.key!r} answered {status}")
        if lease.response.complete and (meter is None or failure):
            marks = _marks(call, lease.response)
            await _relay_whole(exchange, lease.response, decision, route, waited_s, marks)
            return
        await _relay_arriving(exchange, call, lease, decision, meter, asked_at)
    finally:
        lease.release()


async def _ask(
    dispatcher: Dispatcher, call: Call, route: Route, meter: UsageMeter | None, draw: Draw | None
) -> Lease:
    path, hold_bytes = upstream_path(call.endpoint), 0 if call.stream else WHOLE_BYTES
    body = call.body_for(route)
    if meter is None or not meter.hide:
        asked = Ask(
            path, call.headers, body, call.session, hold_bytes, call.admitted, call.budget,
            draw=draw,
        )  # fmt: skip
        return await dispatcher.dispatch.ask(route, asked)
    told = body_with_usage(call, route)
    asked = Ask(
        path, call.headers, told, call.session, hold_bytes, call.admitted, call.budget, draw=draw
    )
    lease = await dispatcher.dispatch.ask(route, asked)
    if lease.response.status != BAD_REQUEST:
        return lease
    # Perhaps it knows no stream_options: the client did not ask for them.
    lease.release()
    return await dispatcher.dispatch.ask(route, replace(asked, body=body))


def _marks(call: Call, response: Response) -> tuple[bytes, ...]:
    """Give what an answer has in it where its engine tells of an error after a good status."""
    streams = is_event_stream(response.header(b"content-type"))
    return BREAKING_MARKS.get(call.endpoint, ()) if streams else ()


async def _relay_whole(  # noqa: PLR0913, PLR0917 - an answer, and whose it is
    exchange: Exchange,
    response: Response,
    decision: Decision,
    route: Route,
    took_s: float,
    marks: tuple[bytes, ...],
) -> None:
    body = response.take()
    # Only a provider bills tokens; of our own pods' answers no more is looked at than their usage.
    whole = usage_of(_object(body)) if route.price.output_usd_per_token else None
    usage = usage_in(body) if whole is None else whole
    cost_usd = call_cost_usd(route.price, took_s, usage)
    decision.cost_usd += cost_usd
    step = decision.steps[-1]
    failure = ENGINE_ERROR if any(mark in body for mark in marks) else step.failure
    decision.steps[-1] = step.ended(step.confidence, failure, took_s, cost_usd, usage)
    exchange.extra += decision.headers()
    headers = whole_headers(response.headers)
    if response.status == BAD_REQUEST:
        body = say_context_length(response.status, body)
    await exchange.whole(response.status, headers, body)


async def _relay_arriving(  # noqa: PLR0913, PLR0917 - an answer, whose it is, and since when
    exchange: Exchange,
    call: Call,
    lease: Lease,
    decision: Decision,
    meter: UsageMeter | None,
    asked_at: float,
) -> None:
    """Pass an answer on while it arrives; its step tells how it ended and what it has cost.

    One that breaks off has failed, whatever its client has seen of it by then.
    """
    step, price, before_usd = decision.steps[-1], lease.route.price, decision.cost_usd
    # The headers can only tell the cost so far.
    decision.cost_usd += call_cost_usd(price, time.perf_counter() - asked_at)
    broken = ""
    try:
        broken = await _relay_pieces(exchange, call, lease.response, decision, meter)
    except BaseException as error:
        broken = failure_word(error)
        raise
    finally:
        whole_s = time.perf_counter() - asked_at
        usage = meter.usage if meter is not None else None
        cost_usd = call_cost_usd(price, whole_s, usage)
        decision.cost_usd = before_usd + cost_usd
        failure = step.failure or broken
        decision.steps[-1] = step.ended(step.confidence, failure, whole_s, cost_usd, usage)
    await exchange.piece(b"", more=False)


async def _relay_pieces(
    exchange: Exchange,
    call: Call,
    response: Response,
    decision: Decision,
    meter: UsageMeter | None,
) -> str:
    """Pass on all but the end; gives the word for what broke a stream off, empty without."""
    exchange.extra += decision.headers()
    data = await response.chunk()
    await exchange.start(response.status, client_headers(response.headers))
    sent, broken, marks = b"", "", _marks(call, response)
    try:
        while data:
            if any(mark in data for mark in marks):
                broken = ENGINE_ERROR
            if meter is not None:
                data = meter.pass_on(data)
            if data:
                await exchange.piece(data)
                sent = data
            data = await response.chunk()
    except UpstreamError as error:
        if not is_event_stream(response.header(b"content-type")):
            raise
        await exchange.piece(error_event(answer_for(error), sent))
        return failure_word(error)
    return broken


def _object(body: bytes) -> dict[str, object] | None:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
