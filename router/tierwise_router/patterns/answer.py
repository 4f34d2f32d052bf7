"""Answers a request whose model names a pattern."""

from __future__ import annotations

from typing import Any, Final

from tierwise_core.decision_record import FinalState
from tierwise_core.policy_patterns import (
    DualRun,
    EvaluatorOptimizer,
    OrchestratorWorkers,
    Pattern,
)
from tierwise_core.query import request_text
from tierwise_router.call import CHAT, Call
from tierwise_router.decision import Decision
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.errors import ErrorAnswer, RequestError
from tierwise_router.exchange import Exchange
from tierwise_router.inside import AsgiApp, InProcessWork
from tierwise_router.patterns.asking import Asker
from tierwise_router.patterns.compare import dual_run
from tierwise_router.patterns.improve import improve
from tierwise_router.patterns.orchestrate import Tell, orchestrate
from tierwise_router.patterns.result import (
    Answered,
    Declined,
    Result,
    chat_answer,
    spent_usd,
)
from tierwise_router.requirements import KEPT_HEADERS
from tierwise_router.sse import chat_events
from tierwise_router.upstream.response import Headers

__all__ = ["PATTERN", "answer_pattern"]

PATTERN: Final = b"x-tierwise-pattern"
"""The header that names the pattern: of an answer to the client, and of the steps of a run."""

EVENT_STREAM: Final = (b"content-type", b"text/event-stream; charset=utf-8")

# What a step takes over from the client's request: how to spend and whom to ask, not its shape.
PASSED_ON: Final = frozenset(
    {b"x-session-id", b"x-tierwise-max-cost-usd", b"x-tierwise-when-asleep", *KEPT_HEADERS}
)

# What only a single answer of a single model can have.
ONE_MODEL_ONLY: Final = {
    "n": "leave it out: a pattern gives one answer",
    "tools": "leave them out, or name a Specialist: a pattern calls no tools of yours",
    "logprobs": "leave it out: the tokens of a pattern's answer come from several models",
    "response_format": "leave it out, or name a Specialist: what a pattern joins keeps no schema",
}


async def answer_pattern(
    dispatcher: Dispatcher, exchange: Exchange, decision: Decision, call: Call, pattern: Pattern
) -> None:
    """Answer one request by a pattern; raises what goes wrong before an answer has begun."""
    text = _checked(exchange, call, pattern)
    asker = _asker(dispatcher, exchange, decision, call, pattern)
    if decision.slot is not None:
        # The steps are admitted themselves: who keeps a place while it waits for one blocks all.
        decision.slot.release()

    async def tell(progress: str) -> None:
        if call.stream:
            await exchange.comment(f"{pattern.name}: {progress}")

    result = await _run(pattern, asker, text, tell)
    decision.cost_usd += spent_usd(result.replies)
    decision.pattern = pattern.name
    decision.outcome = _outcome(result)
    decision.parts = [reply.decision for reply in result.replies if reply.decision]
    exchange.extra += _headers(decision, pattern, result)
    if isinstance(result, Declined):
        answer = ErrorAnswer(result.status, result.message, type=result.code, code=result.code)
        await exchange.error(answer, {"decision": decision.id.decode(), **result.detail})
    else:
        await _tell_answer(exchange, call, decision, pattern, result)


async def _run(pattern: Pattern, asker: Asker, text: str, tell: Tell) -> Result:
    match pattern.run:
        case OrchestratorWorkers() as rule:
            return await orchestrate(rule, asker, text, tell)
        case EvaluatorOptimizer() as rule:
            return await improve(rule, asker, text, tell)
        case DualRun() as rule:
            return await dual_run(rule, asker, text, tell)


def _outcome(result: Result) -> FinalState:
    """Say how it ended: an evaluator may have been content at once, after a repair, or not at all.

    >>> _outcome(Answered("b", (), detail={"accepted": True, "answers": 2}))
    'repaired'
    """
    if isinstance(result, Declined):
        return "failed"
    if not result.detail.get("accepted"):
        return "relayed"
    return "repaired" if result.detail.get("answers", 1) > 1 else "accepted"


def _checked(exchange: Exchange, call: Call, pattern: Pattern) -> str:
    if call.endpoint != CHAT:
        raise RequestError(
            f"model {pattern.name!r} is a pattern, and patterns answer /v1/chat/completions only",
            param="model",
            code="pattern_needs_chat",
        )
    if exchange.header(PATTERN):
        raise RequestError(
            f"pattern {pattern.name!r} is a step of pattern "
            f"{exchange.header(PATTERN).decode('latin-1')!r}; patterns do not nest: name a "
            "Specialist or 'auto' there",
            param="model",
            code="pattern_nested",
        )
    for name, remedy in ONE_MODEL_ONLY.items():
        if call.fields.get(name) not in (None, False, 1, [], {"type": "text"}):
            raise RequestError(
                f"{name!r} cannot be given to pattern {pattern.name!r}; {remedy}",
                param=name,
                code="pattern_parameter",
            )
    if text := request_text(call.fields):
        return text
    raise RequestError(
        f"pattern {pattern.name!r} needs a user message with text",
        param="messages",
        code="missing_text",
    )


def _asker(
    dispatcher: Dispatcher, exchange: Exchange, decision: Decision, call: Call, pattern: Pattern
) -> Asker:
    headers: Headers = [pair for pair in exchange.headers if pair[0] in PASSED_ON]
    headers.append((PATTERN, pattern.name.encode()))
    admitted, ours = decision.admitted, exchange.work()
    work = InProcessWork(
        admitted.tenant_key, admitted.latency_class, None if ours is None else ours.checkpoints
    )
    return Asker(inside_app(dispatcher), call.fields, headers, work)


def inside_app(dispatcher: Dispatcher) -> AsgiApp:
    """Give the application that answers the dispatcher's requests to itself."""
    if dispatcher.app is None:
        raise RuntimeError("no application was made for this dispatcher")
    return dispatcher.app


def _headers(decision: Decision, pattern: Pattern, result: Result) -> Headers:
    headers = [
        (b"x-tierwise-decision", decision.id),
        (PATTERN, pattern.name.encode()),
        (b"x-tierwise-cost-usd", b"%.9f" % decision.cost_usd),
    ]
    if isinstance(result, Answered) and result.confidence is not None:
        headers.append((b"x-tierwise-confidence", b"%.4f" % result.confidence))
    return headers


async def _tell_answer(
    exchange: Exchange, call: Call, decision: Decision, pattern: Pattern, answered: Answered
) -> None:
    answer: dict[str, Any] = chat_answer(pattern.name, decision.id.decode(), answered)
    if not call.stream:
        await exchange.json(200, answer)
        return
    options = call.fields.get("stream_options")
    with_usage = isinstance(options, dict) and options.get("include_usage") is True
    await exchange.start(200, [EVENT_STREAM])
    for data in chat_events(answer, with_usage=with_usage):
        await exchange.piece(data)
    await exchange.piece(b"", more=False)
