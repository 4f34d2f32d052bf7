"""Every path at which models answer, by name and ``auto``, whole and streamed."""

from __future__ import annotations

from typing import Final

from tierwise_core.latency_class import REALTIME
from tierwise_core.query import asked_text
from tierwise_core.route_table import AUTO_MODEL
from tierwise_core.routing import CascadePlan
from tierwise_router.asking import wants_usage
from tierwise_router.auto import (
    Accepted,
    Flowing,
    Outcome,
    Refused,
    Rejected,
    next_hops,
    run_cascade,
    without_sleepers,
)
from tierwise_router.brain import Brain
from tierwise_router.call import CHAT, COMPLETIONS, RESPONSES, Call, read_call
from tierwise_router.decision import Decision
from tierwise_router.dialects import DIALECTS
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.errors import (
    ContextLengthError,
    ErrorAnswer,
    RequestError,
)
from tierwise_router.exchange import Exchange
from tierwise_router.extent import about_prompt_tokens, output_tokens
from tierwise_router.overflow import overflow_of
from tierwise_router.patterns.answer import answer_pattern
from tierwise_router.patterns.tapping import offer_to_shadows, tap_for_shadows
from tierwise_router.planning import TOO_DEAR, begin, plan_auto, read_wishes
from tierwise_router.relay import relay_named, whole_headers
from tierwise_router.requirements import check_named
from tierwise_router.sse import chat_events, completion_events, response_events
from tierwise_router.streaming import EVENT_STREAM, escalation_comments, flow
from tierwise_router.surface import UPLOADS, name_needed

__all__ = ["answer_completion", "refuse"]

EVENTS: Final = {CHAT: chat_events, COMPLETIONS: completion_events, RESPONSES: response_events}
TEXT_FIELDS: Final = {CHAT: "messages", COMPLETIONS: "prompt", RESPONSES: "input"}


async def answer_completion(
    dispatcher: Dispatcher,
    exchange: Exchange,
    decision: Decision,
    endpoint: str,
    body: bytes | None = None,
) -> None:
    """Answer one request; raises what goes wrong before an answer has begun.

    ``body`` is the request's where it was read already.
    """
    if body is None:
        body = await exchange.read_body(dispatcher.settings.max_body_bytes)
    form = exchange.header(b"content-type") if endpoint in UPLOADS else b""
    call = read_call(endpoint, exchange.headers, body, exchange.request_id, form)
    if decision.said is not None:
        decision.fields = call.fields
    later = decision.latency_class != REALTIME or endpoint == RESPONSES
    if later and dispatcher.keep is not None and await dispatcher.keep(exchange, decision, call):
        return
    if call.stream:
        call.progress = exchange.comment
    brain = dispatcher.current_brain()
    patterns = brain.table.policy.patterns
    if patterns.shadows:
        tap_for_shadows(dispatcher, exchange, decision, patterns)
    if brain.compared and dispatcher.unseen is not None:
        dispatcher.unseen.tap(exchange, decision)
        try:
            await _answer(dispatcher, exchange, decision, brain, call)
        finally:
            dispatcher.unseen.offer(exchange, decision, call)
    else:
        await _answer(dispatcher, exchange, decision, brain, call)
    if patterns.shadows and exchange.tap is not None and exchange.work() is None:
        offer_to_shadows(dispatcher, exchange, decision, patterns, call)


async def _answer(
    dispatcher: Dispatcher, exchange: Exchange, decision: Decision, brain: Brain, call: Call
) -> None:
    patterns = brain.table.policy.patterns
    with exchange.watch():
        if patterns.named and (pattern := patterns.find(call.model)) is not None:
            await answer_pattern(dispatcher, exchange, decision, call, pattern)
        elif call.model != AUTO_MODEL:
            route = brain.table.resolve(call.model)
            check_named(route, exchange.headers, decision.tenant)
            if route.split is not None and dispatcher.unseen is not None:
                dispatcher.unseen.tap_named(exchange, route)
            begin(dispatcher, decision, brain, call, read_wishes(exchange.headers))
            await relay_named(dispatcher, exchange, call, decision, route)
        elif call.endpoint in DIALECTS:
            await _answer_auto(dispatcher, exchange, decision, brain, call)
        else:
            raise name_needed(call.endpoint, brain.table)


async def _answer_auto(
    dispatcher: Dispatcher, exchange: Exchange, decision: Decision, brain: Brain, call: Call
) -> None:
    text = _text_of(call)
    if dispatcher.opinion.active:
        await dispatcher.opinion.hear(text)
    prompt_tokens, counted = about_prompt_tokens(call), None
    while True:
        planned = plan_auto(
            dispatcher, decision, brain, call, text, headers=exchange.headers,
            prompt_tokens=prompt_tokens, output_tokens=output_tokens(call),
        )  # fmt: skip
        try:
            if (overflow := overflow_of(planned, call, brain.table)) is not None:
                raise counted or overflow
            outcome = await _decide(dispatcher, call, decision, brain, planned)
            break
        except ContextLengthError as error:
            if error.prompt_tokens <= prompt_tokens:
                raise
            # Counted, it is longer than was thought: the next plan asks who has that much room.
            prompt_tokens, counted = error.prompt_tokens, error
    if isinstance(outcome, Flowing):
        await flow(exchange, outcome)
    else:
        await _tell(exchange, call, decision, outcome)


def _text_of(call: Call) -> str:
    text = asked_text(call.fields)
    if not text:
        raise RequestError(
            "model 'auto' needs text to choose by, and the request has none (a user message, or "
            "a prompt or input that is a string); give some, or name a Specialist",
            param=TEXT_FIELDS[call.endpoint],
            code="missing_text",
        )
    return text


async def _decide(
    dispatcher: Dispatcher, call: Call, decision: Decision, brain: Brain, planned: CascadePlan
) -> Outcome:
    hops = without_sleepers(dispatcher, call, decision, next_hops(planned, brain.table))
    with dispatcher.deadlines.limit():
        return await run_cascade(dispatcher, call, decision, hops)


async def _tell(
    exchange: Exchange, call: Call, decision: Decision, outcome: Accepted | Refused | Rejected
) -> None:
    if isinstance(outcome, Refused):
        await refuse(exchange, decision, outcome)
        return
    exchange.extra += decision.headers()
    headers = whole_headers(outcome.headers)
    if isinstance(outcome, Rejected):
        await exchange.whole(outcome.status, headers, outcome.body)
    elif call.stream:
        await _tell_as_stream(exchange, call, decision, outcome)
    else:
        await exchange.whole(200, headers, outcome.body)


async def _tell_as_stream(
    exchange: Exchange, call: Call, decision: Decision, accepted: Accepted
) -> None:
    events = EVENTS[call.endpoint]
    await exchange.start(200, EVENT_STREAM)
    if comments := escalation_comments(decision.steps):
        await exchange.piece(comments)
    for data in events(accepted.answer, with_usage=wants_usage(call)):
        await exchange.piece(data)
    await exchange.piece(b"", more=False)


def _too_dear(decision: Decision) -> str:
    """Name who was left out for the price: with more to spend one of them might have answered."""
    plan, purse = decision.plan, decision.purse
    dear = [skip for skip in plan.skipped if skip.code == TOO_DEAR] if plan is not None else []
    if not dear:
        return ""
    budget = purse is not None and purse.ceiling_usd is not None
    whose = "that is what is left of the tenant's budget, or" if budget else "that is"
    return (
        f". {dear[0].route_name} was not asked: {dear[0].reason} "
        f"({whose} what the request may spend at most)"
    )


async def refuse(exchange: Exchange, decision: Decision, refused: Refused) -> None:
    """Say that nobody was sure enough, and who was asked; a guess is worse than no answer."""
    human = refused.hop.route.on_uncertain == "HumanReview"
    kind = "human_review" if human else "abstained"
    then = "a person should answer this" if human else "ask differently, or lower the floor"
    said = f"no Specialist is sure enough of its answer ({decision.path}); {then}"
    answer = ErrorAnswer(
        422,
        said + _too_dear(decision),
        type=kind,
        code=kind,
    )
    detail: dict[str, object] = {
        "decision": decision.id.decode(),
        "path": [step.describe() for step in decision.steps],
    }
    decision.reason = kind
    exchange.extra += decision.headers()
    await exchange.error(answer, detail)
