"""Checks that ask somebody: a service of the platform's, or another Specialist as a judge."""

from __future__ import annotations

import asyncio
import math
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson

from tierwise_core.cost import call_cost_usd
from tierwise_core.errors import TierwiseError
from tierwise_core.refusal import refusal
from tierwise_core.tenant import Admitted
from tierwise_core.verifier_spec import VerifierSpec
from tierwise_router.answers import answer_text, read_answer, usage_of
from tierwise_router.call import CHAT
from tierwise_router.decision import Spent
from tierwise_router.dispatch import Ask
from tierwise_router.upstream.target import parse_target
from tierwise_router.verifiers.check import Check, Draft

if TYPE_CHECKING:
    from tierwise_router.decision import Decision
    from tierwise_router.dispatcher import Dispatcher

__all__ = ["ask_judge", "ask_service"]

LARGEST_WORD: Final = 64 * 1024
LARGEST_VERDICT: Final = 1024 * 1024
FIRST_ERROR_STATUS: Final = 400
SHOWN: Final = 120
JSON_HEADERS: Final = [(b"content-type", b"application/json"), (b"accept", b"application/json")]
YES: Final = re.compile(r"\W*(yes|true|correct|accept(ed)?|right|pass(ed)?)\b", re.IGNORECASE)
NO: Final = re.compile(r"\W*(no|false|incorrect|reject(ed)?|wrong|fail(ed)?)\b", re.IGNORECASE)
INSTRUCTION: Final = (
    "You check answers. Is the answer below right for the question? Begin with yes or no."
)


async def ask_service(
    dispatcher: Dispatcher, decision: Decision, spec: VerifierSpec, draft: Draft, specialist: str
) -> Check:
    """POST the answer to a verifier's address and read its word.

    It gets ``{"verifier", "specialist", "question", "answer"}`` and says
    ``{"accepted": true | false, "confidence"?: 0..1, "detail"?: "..."}``.
    """
    body = {
        "verifier": spec.name,
        "specialist": specialist,
        "question": draft.question,
        "answer": draft.text,
    }
    try:
        _take_call(decision)
        async with asyncio.timeout(spec.timeout_s):
            status, said = await _post(dispatcher, spec.url, orjson.dumps(body))
    except (TierwiseError, TimeoutError) as error:
        return _silent(spec, str(error) or f"no word within {spec.timeout_s:g} s")
    if status >= FIRST_ERROR_STATUS or said is None:
        return _silent(spec, f"it answered {status}")
    return _word(spec, said)


async def _post(dispatcher: Dispatcher, url: str, body: bytes) -> tuple[int, bytes | None]:
    # A model's base without a path means /v1; a service's address is what it says.
    target = replace(parse_target(url), prefix="")
    response = await dispatcher.client.send(target, urlsplit(url).path or "/", JSON_HEADERS, body)
    try:
        return response.status, await response.read(LARGEST_WORD)
    finally:
        response.abort()


def _word(spec: VerifierSpec, said: bytes) -> Check:
    try:
        word = orjson.loads(said)
    except orjson.JSONDecodeError:
        word = None
    accepted = word.get("accepted") if isinstance(word, dict) else None
    if not isinstance(accepted, bool):
        return _silent(spec, "it says no accepted: true or false")
    given = word.get("confidence")
    sure = isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)
    confidence = min(max(float(given), 0.0), 1.0) if sure else None
    return Check(spec.name, accepted, str(word.get("detail") or "")[:SHOWN], confidence)


async def ask_judge(
    dispatcher: Dispatcher, decision: Decision, spec: VerifierSpec, draft: Draft
) -> Check:
    """Ask another Specialist whether the answer is right; its time and tokens are paid for.

    It waits in the tenant's turn, and gets nothing to read that the tenant or the request keeps
    from it. It need not be among the Specialists that the tenant may name: the platform asks it.
    """
    route = dispatcher.current_brain().table.routes.get(spec.specialist)
    if route is None:
        return _silent(spec, f"there is no Specialist {spec.specialist}")
    if why := refusal(route, decision.requirements):
        return _silent(spec, f"{route.key} may not read this: {why}")
    question = (
        f"{spec.instruction or INSTRUCTION}\n\nQuestion: {draft.question}\n\nAnswer: {draft.text}"
    )
    body = {
        "model": route.upstream_model,
        "messages": [{"role": "user", "content": question}],
        "temperature": 0,
        "max_tokens": 16,
    }
    asked_at = time.perf_counter()
    try:
        async with asyncio.timeout(spec.timeout_s):
            asked = Ask(
                CHAT, JSON_HEADERS, orjson.dumps(body),
                admitted=_unlimited(decision.admitted), budget=decision.budget,
            )  # fmt: skip
            lease = await dispatcher.dispatch.ask(route, asked)
            try:
                whole = await lease.response.read(LARGEST_VERDICT)
            finally:
                lease.release()
    except (TierwiseError, TimeoutError) as error:
        return _silent(spec, str(error) or f"no word within {spec.timeout_s:g} s")
    answer = read_answer(whole) if whole is not None else None
    took_s, usage = time.perf_counter() - asked_at, usage_of(answer)
    cost_usd = call_cost_usd(route.price, took_s, usage)
    decision.charge(route, Spent(took_s, cost_usd, usage, lease.url, lease.queued_s, lease.ttft_s))
    if lease.response.status >= FIRST_ERROR_STATUS or answer is None:
        return _silent(spec, f"{route.key} answered {lease.response.status}")
    return _verdict(spec, answer)


def _unlimited(admitted: Admitted) -> Admitted:
    """Give the same tenant, with every Specialist allowed."""
    tenant = admitted.tenant
    if tenant is None or not tenant.specialists:
        return admitted
    return Admitted(replace(tenant, specialists=()), admitted.latency_class)


def _verdict(spec: VerifierSpec, answer: dict[str, Any]) -> Check:
    text = answer_text(answer).strip()
    if YES.match(text) is not None:
        return Check.yes(spec.name, text[:SHOWN])
    if NO.match(text) is not None:
        return Check.no(spec.name, text[:SHOWN])
    return _silent(spec, f"{spec.specialist} said neither yes nor no: {text[:SHOWN]!r}")


def _take_call(decision: Decision) -> None:
    if decision.budget is not None:
        decision.budget.take_call()


def _silent(spec: VerifierSpec, why: str) -> Check:
    return Check.silent(spec.name, why[:SHOWN])
