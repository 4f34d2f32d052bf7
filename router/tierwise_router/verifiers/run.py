"""Runs a Specialist's verifiers on an answer, and says what follows for its confidence.

Those that cost nothing go first, and the first that says no ends it: nobody is asked over the
network about an answer that is refused already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tierwise_core.confidence import logit, sigmoid
from tierwise_core.query import asked_text
from tierwise_core.routing import Hop
from tierwise_core.verifier_spec import VerifierSpec
from tierwise_router.answers import output_texts
from tierwise_router.verifiers.check import Check, Draft
from tierwise_router.verifiers.local import LOCAL
from tierwise_router.verifiers.remote import ask_judge, ask_service

if TYPE_CHECKING:
    from tierwise_router.call import Call
    from tierwise_router.decision import Decision
    from tierwise_router.dispatcher import Dispatcher

__all__ = ["Verified", "drafts", "heard", "moved", "verify"]


@dataclass(frozen=True, slots=True)
class Verified:
    """What the verifiers come to: the confidence after them, each one's word, and the sum.

    ``passed`` is None where none had anything to say.
    """

    confidence: float
    checks: tuple[Mapping[str, Any], ...]
    passed: bool | None

    @property
    def heard(self) -> bool | None:
        """What was really said."""
        return heard(self.checks, passed=self.passed)


def heard(checks: Iterable[Mapping[str, Any]], *, passed: bool | None) -> bool | None:
    """Tell what was really said: a verifier that is away accepts nothing, and refuses nothing.

    >>> away, no = {"name": "judge", "passed": None}, {"name": "json", "passed": False}
    >>> heard([away], passed=False) is None, heard([away, no], passed=False)
    (True, False)
    """
    said_no = any(check["passed"] is False for check in checks)
    return passed if passed or said_no else None


async def verify(  # noqa: PLR0913 - an answer, who gave it, and to what
    dispatcher: Dispatcher,
    call: Call,
    decision: Decision,
    hop: Hop,
    answer: Mapping[str, Any],
    *,
    confidence: float,
) -> Verified:
    """Check every choice of an answer; nothing is awaited where all verifiers are local."""
    checks: list[Check] = []
    for draft in drafts(answer, call.fields, decision.text or asked_text(call.fields)):
        for spec in sorted(hop.route.verifiers, key=lambda one: one.calls):
            check = await _check(dispatcher, decision, spec, draft, hop)
            checks.append(check)
            confidence = moved(confidence, spec, check)
            if confidence <= 0.0:
                return _summed(confidence, checks)
    return _summed(confidence, checks)


async def _check(
    dispatcher: Dispatcher, decision: Decision, spec: VerifierSpec, draft: Draft, hop: Hop
) -> Check:
    if spec.kind == "http":
        return await ask_service(dispatcher, decision, spec, draft, hop.route.key)
    if spec.kind == "llm-judge":
        return await ask_judge(dispatcher, decision, spec, draft)
    return LOCAL[spec.kind](spec, draft)


def moved(confidence: float, spec: VerifierSpec, check: Check) -> float:
    """Move a confidence by a verifier's word.

    A no is final: such an answer is worth nothing. A yes about the form of an answer proves nothing
    more. A yes of somebody who judges the answer itself is evidence, as strong as it is trusted:
    the odds are multiplied by ``trust / (1 - trust)``, or by its own confidence where it gives one.
    A judge that is right nine times in ten:

    >>> judge = VerifierSpec("judge", "llm-judge", trust=0.9)
    >>> round(moved(0.60, judge, Check.yes("judge")), 3)
    0.931
    >>> moved(0.85, judge, Check.no("judge", ""))
    0.0
    >>> moved(0.85, VerifierSpec("numeric", "numeric"), Check.yes("numeric"))
    0.85

    One that could give no word accepts nothing, unless it says that this is to be ignored:

    >>> moved(0.85, judge, Check.silent("judge", ""))
    0.0
    """
    if check.failed:
        return confidence if spec.on_failure == "Ignore" else 0.0
    if check.passed is False:
        return 0.0
    if check.passed is None or not spec.calls:
        return confidence
    sure = spec.trust if check.confidence is None else check.confidence
    return sigmoid(logit(confidence) + logit(sure))


def drafts(answer: Mapping[str, Any], fields: Mapping[str, Any], question: str) -> Iterator[Draft]:
    """Yield what is to be checked: each choice, since the client may use any of them."""
    if "choices" not in answer:
        text = "".join(str(part.get("text") or "") for part in output_texts(answer))
        cut = "length" if answer.get("status") == "incomplete" else "stop"
        calls = any(
            isinstance(item, dict) and item.get("type") == "function_call"
            for item in answer.get("output") or ()
        )
        yield Draft(text, fields, cut, calls, question)
        return
    for choice in answer["choices"]:
        message = choice.get("message")
        said = message.get("content") if isinstance(message, dict) else choice.get("text")
        calls = isinstance(message, dict) and bool(message.get("tool_calls"))
        yield Draft(
            said if isinstance(said, str) else "",
            fields,
            str(choice.get("finish_reason") or ""),
            calls,
            question,
        )


def _summed(confidence: float, checks: list[Check]) -> Verified:
    words = [check.passed for check in checks if check.passed is not None]
    refused = confidence <= 0.0 or False in words
    passed = False if refused else (True if words else None)
    return Verified(confidence, tuple(check.describe() for check in checks), passed)
