"""``POST /query``: the structured protocol, an answer together with its doubts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import orjson

from tierwise_core.route_table import AUTO_MODEL
from tierwise_core.routing import Hop
from tierwise_router.answers import answer_text
from tierwise_router.auto import (
    Accepted,
    Refused,
    Rejected,
    next_hops,
    run_cascade,
    without_sleepers,
)
from tierwise_router.call import CHAT, Call, forwarded_headers, when_asleep
from tierwise_router.completions import refuse
from tierwise_router.decision import Decision, tier_of
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.errors import RequestError
from tierwise_router.exchange import Exchange
from tierwise_router.extent import about_prompt_tokens, output_tokens
from tierwise_router.json_body import read_object, wrong_field
from tierwise_router.overflow import overflow_of
from tierwise_router.planning import plan_auto
from tierwise_router.relay import client_headers

__all__ = ["Query", "answer_query", "assertions_of", "read_query", "utility_score"]

KNOWN: Final = ("query", "context", "field", "confidence_floor", "session_id", "max_tokens")
SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+")
GENERAL_WEIGHTS: Final = (0.6, 0.35, 0.05)
"""What efficacy, confidence and curiosity weigh in the field profile ``general``."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question in the structured protocol; ``field`` and ``confidence_floor`` are wishes."""

    query: str
    context: str = ""
    field: str | None = None
    confidence_floor: float | None = None
    session_id: str = ""
    max_tokens: int | None = None


async def answer_query(dispatcher: Dispatcher, exchange: Exchange, decision: Decision) -> None:
    """Answer one query; raises what goes wrong before an answer has begun."""
    asked = read_query(await exchange.read_body(dispatcher.settings.max_body_bytes))
    call = _chat_call(asked, exchange)
    brain = dispatcher.current_brain()
    if dispatcher.opinion.active and asked.field is None:
        await dispatcher.opinion.hear(asked.query)
    plan = plan_auto(
        dispatcher, decision, brain, call, asked.query, headers=exchange.headers,
        floor=asked.confidence_floor, field=asked.field, prompt_tokens=about_prompt_tokens(call),
        output_tokens=output_tokens(call),
    )  # fmt: skip
    if (overflow := overflow_of(plan, call, brain.table)) is not None:
        raise overflow
    hops = without_sleepers(dispatcher, call, decision, next_hops(plan, brain.table))
    try:
        await _answer(dispatcher, exchange, decision, call, hops, plan.field)
    finally:
        if brain.compared and dispatcher.unseen is not None:
            dispatcher.unseen.offer(exchange, decision, call)


async def _answer(  # noqa: PLR0913, PLR0917 - a request, and whom it may be sent to
    dispatcher: Dispatcher,
    exchange: Exchange,
    decision: Decision,
    call: Call,
    hops: tuple[Hop, ...],
    field: str | None,
) -> None:
    with exchange.watch():
        with dispatcher.deadlines.limit():
            outcome = await run_cascade(dispatcher, call, decision, hops)
        if isinstance(outcome, Accepted):
            exchange.extra += decision.headers()
            await exchange.json(200, _told(outcome, decision, field))
        elif isinstance(outcome, Refused):
            await refuse(exchange, decision, outcome)
        elif isinstance(outcome, Rejected):
            exchange.extra += decision.headers()
            kept = [p for p in client_headers(outcome.headers) if p[0] != b"content-length"]
            await exchange.whole(outcome.status, kept, outcome.body)


def read_query(body: bytes) -> Query:
    """Read a query; raises RequestError naming the field that is wrong.

    >>> read_query(b'{"query": "sort dbca", "confidence_floor": 2}')
    Traceback (most recent call last):
        ...
    tierwise_router.errors.RequestError: 'confidence_floor' is 2; give a number from 0 to 1
    """
    fields = read_object(body)
    if unknown := sorted(set(fields) - set(KNOWN)):
        raise RequestError(
            f"{unknown[0]!r} is not a field of /query; it knows {', '.join(KNOWN)}",
            param=unknown[0],
            code="unknown_field",
        )
    return _checked(fields)


def _checked(fields: dict[str, Any]) -> Query:
    query = fields.get("query")
    if not isinstance(query, str) or not query.strip():
        raise wrong_field(fields, "query", "give the question as a string")
    for name in ("context", "field", "session_id"):
        if not isinstance(fields.get(name), str | None):
            raise wrong_field(fields, name, "give a string")
    floor = fields.get("confidence_floor")
    if isinstance(floor, bool) or not isinstance(floor, int | float | None):
        raise wrong_field(fields, "confidence_floor", "give a number from 0 to 1")
    if floor is not None and not 0 <= floor <= 1:
        raise wrong_field(fields, "confidence_floor", "give a number from 0 to 1")
    tokens = fields.get("max_tokens")
    if isinstance(tokens, bool) or not isinstance(tokens, int | None):
        raise wrong_field(fields, "max_tokens", "give a whole number")
    return Query(
        query, fields.get("context") or "", fields.get("field"), floor,
        fields.get("session_id") or "", tokens,
    )  # fmt: skip


def _chat_call(asked: Query, exchange: Exchange) -> Call:
    messages = [{"role": "user", "content": asked.query}]
    if asked.context:
        messages.insert(0, {"role": "system", "content": asked.context})
    fields: dict[str, Any] = {"model": AUTO_MODEL, "messages": messages}
    if asked.max_tokens is not None:
        fields["max_tokens"] = asked.max_tokens
    headers = [
        *(pair for pair in forwarded_headers(exchange.headers, exchange.request_id)
          if pair[0] != b"content-type"),
        (b"content-type", b"application/json"),
    ]  # fmt: skip
    return Call(
        endpoint=CHAT,
        body=orjson.dumps(fields),
        fields=fields,
        model=AUTO_MODEL,
        stream=False,
        session=asked.session_id.encode(),
        headers=headers,
        when_asleep=when_asleep(exchange.headers),
    )


def _told(accepted: Accepted, decision: Decision, field: str | None) -> dict[str, object]:
    text = answer_text(accepted.answer)
    return {
        "answer": text,
        "confidence": round(accepted.confidence, 4),
        "assertions": assertions_of(text, accepted.confidence, accepted.hop.route.key),
        "uncertainty_flags": _flags(accepted, decision, field),
        "U_score": utility_score(accepted.hop.predicted_confidence, accepted.confidence),
        "specialist": accepted.hop.route.key,
        "tier": tier_of(accepted.hop.route),
        "decision": decision.id.decode(),
        "path": [step.describe() for step in decision.steps],
    }


def assertions_of(text: str, confidence: float, specialist: str) -> list[dict[str, object]]:
    """Take an answer apart into what it states, one sentence each.

    >>> [stated["statement"] for stated in assertions_of("It is 42. Surely!", 0.9, "demo/adder")]
    ['It is 42.', 'Surely!']
    """
    sentences = (part.strip() for part in SENTENCE_END.split(text))
    return [
        {"statement": sentence, "confidence": round(confidence, 4), "source": specialist}
        for sentence in sentences
        if sentence
    ]


def _flags(accepted: Accepted, decision: Decision, field: str | None) -> list[str]:
    flags = []
    if field is None:
        flags.append("outside_every_field")
    if len(decision.steps) > 1:
        flags.append("escalated")
    if any(choice.get("finish_reason") == "length" for choice in accepted.answer["choices"]):
        flags.append("truncated")
    return flags


def utility_score(efficacy: float, confidence: float) -> float:
    """Score an answer's utility, ``U = w_e*E + w_c*C + w_k*K``, each term in [0, 1].

    E is the probability, predicted beforehand, that this Specialist's answer is accepted; C is
    the confidence in the answer itself; K is 0, since nothing was explored. The weights are those
    of the field profile ``general``: 0.6, 0.35 and 0.05.

    >>> utility_score(0.95, 0.9)
    0.885
    """
    w_e, w_c, _ = GENERAL_WEIGHTS
    return round(w_e * efficacy + w_c * confidence, 4)
