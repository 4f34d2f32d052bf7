"""A decision as a row of the journal; made in the journal's thread, when nobody waits for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

from tierwise_core import swift
from tierwise_core.claims import answer_id, context_id
from tierwise_core.confidence import Action
from tierwise_core.decision_record import DECISION_KIND, JUDGE, SHADOW, FinalState
from tierwise_core.likeness import similarity_id
from tierwise_core.query import canonical, canonical_id
from tierwise_core.query_features import feature_row
from tierwise_core.routing import CascadePlan
from tierwise_router.answers import answer_text
from tierwise_router.decision import NEVER_ASKED, Decision, Step, tier_of
from tierwise_router.refusals import is_refusal

__all__ = ["Told", "row_of"]

FIRST_ERROR_STATUS: Final = 400
UNPROCESSABLE: Final = 422
TOO_MUCH: Final = 429
FIRST_SERVER_ERROR: Final = 500
SHARES_KEPT: Final = 5
ELSEWHERE_NAMED: Final = 50
ONE: Final = ("",)


@swift.dataclass(frozen=True, slots=True)
class Told:
    """A decision on its way to the journal, which asks for the row."""

    decision: Decision

    def to_row(self) -> dict[str, Any]:
        """Tell it as a row of the journal."""
        return row_of(self.decision)


def row_of(decision: Decision) -> dict[str, Any]:
    """Tell a decision as :class:`tierwise_core.decision_record.DecisionRecord` has it."""
    steps = decision.steps
    answered = steps[-1] if steps and not steps[-1].failure else None
    state = _state(decision)
    budget, tenant, last = decision.budget, decision.tenant, _last(decision)
    return {
        "kind": DECISION_KIND,
        "id": decision.id.decode(),
        "at": decision.ended_at - decision.seconds,
        "endpoint": decision.endpoint,
        "model": decision.model,
        "table": decision.table,
        "tenant": tenant.key if tenant is not None else "",
        "session": _digest(decision.session),
        "user": _digest(decision.user),
        "workload": decision.workload,
        "latency_class": decision.latency_class,
        "stream": decision.stream,
        **_question(decision.text),
        "context_id": context_id(decision.fields) if decision.fields else "",
        **(_planned(decision.plan, decision.text) if decision.plan is not None else {}),
        "steps": [_step(step, is_last=at == last) for at, step in enumerate(steps)],
        **_judged(decision),
        "state": state,
        "status": decision.status,
        "reason": decision.reason,
        "specialist": (
            answered.hop.route.key
            if answered is not None and state in {"accepted", "escalated", "relayed"}
            else ""
        ),
        "calls": budget.calls if budget is not None else 0,
        "max_calls": budget.limits.max_calls if budget is not None else 0,
        "max_hops": budget.limits.max_hops if budget is not None else 0,
        "max_cost_usd": budget.limits.max_cost_usd if budget is not None else None,
        "cost_usd": decision.cost_usd,
        "seconds": decision.seconds,
        "pattern": decision.pattern,
        "parts": decision.parts or [],
    }


def _judged(decision: Decision) -> dict[str, Any]:
    """Tell who was asked about answers; most requests have none, and say nothing of it."""
    if decision.judges is None:
        return {}
    return {"judges": [{**_step(one, is_last=True), "verdict": JUDGE} for one in decision.judges]}


def _last(decision: Decision) -> int:
    """Tell which step had nobody behind it; a shadow stands where its Specialist stood."""
    steps, plan = decision.steps, decision.plan
    if decision.pattern == SHADOW and plan is not None and plan.hops and steps:
        behind = plan.hops[-1].route.key != steps[-1].hop.route.key
        return len(steps) if behind else len(steps) - 1
    return len(steps) - 1


def _question(text: str) -> dict[str, str]:
    if not text:
        return {"query_id": "", "similarity_id": ""}
    question = canonical(text)
    return {"query_id": canonical_id(question), "similarity_id": similarity_id(question)}


def _planned(plan: CascadePlan, text: str) -> dict[str, Any]:
    question = plan.question
    # Measured here where the prediction had no use for it; somebody may learn from it later.
    reading, features = question.reading, question.features
    elsewhere = question.way.elsewhere
    return {
        "features": feature_row(text) if features is None else features.row,
        "field": reading.field,
        "field_probability": reading.probability,
        "in_domain": reading.in_domain,
        "field_shares": _most(reading.probabilities),
        "floor_asked": question.floor,
        "candidates": plan.candidate_rows(),
        "elsewhere": dict(elsewhere[:ELSEWHERE_NAMED]),
        "elsewhere_count": len(elsewhere),
    }


def _most(shares: Mapping[str, float]) -> dict[str, float]:
    """Keep the likeliest fields: of hundreds the rest share next to nothing."""
    if len(shares) <= SHARES_KEPT:
        return dict(shares)
    return dict(sorted(shares.items(), key=lambda pair: -pair[1])[:SHARES_KEPT])


def _step(step: Step, *, is_last: bool) -> dict[str, Any]:
    hop, usage = step.hop, step.usage
    route, endpoint = hop.route, step.asked
    return {
        "specialist": route.key,
        "tier": (endpoint.tier if endpoint is not None else "") or tier_of(route),
        "revision": endpoint.revision if endpoint is not None else "",
        "pod": endpoint.pod if endpoint is not None else "",
        "own_field": hop.own_field,
        "predicted": hop.predicted_confidence,
        "confidence": step.confidence,
        "floor": hop.floor,
        "verdict": _verdict(step, is_last=is_last),
        "failure": step.failure,
        "seconds": step.seconds,
        "cost_usd": step.cost_usd,
        "input_tokens": usage.input_tokens if usage is not None else None,
        "output_tokens": usage.output_tokens if usage is not None else None,
        "cached_tokens": usage.cached_input_tokens if usage is not None else None,
        "adapter": route.adapter,
        "queue_s": step.queue_s,
        "ttft_s": step.ttft_s,
        "verified": step.verified,
        "answer_id": _answer_id(step),
        "checks": list(step.checks),
        "side": endpoint.side if endpoint is not None else "",
    }


def _answer_id(step: Step) -> str:
    """Name what was said, to compare it with what others say; empty for several choices."""
    answer = step.answer
    if answer is None or len(answer.get("choices", ONE)) != len(ONE):
        return ""
    return answer_id(answer_text(answer))


def _verdict(step: Step, *, is_last: bool) -> str:
    if step.failure:
        return "passed-over" if step.failure in NEVER_ASKED else "failed"
    if step.confidence is None:
        return "relayed"
    if step.confidence >= step.hop.floor:
        return Action.ACCEPT.value
    return Action.ABSTAIN.value if is_last else Action.ESCALATE.value


def _state(decision: Decision) -> FinalState:
    steps, status = decision.steps, decision.status
    if decision.outcome and status < FIRST_ERROR_STATUS:
        return decision.outcome
    if status == UNPROCESSABLE:
        return "human_review" if decision.reason == "human_review" else "abstained"
    if is_refusal(status) and _nobody_was_asked(decision):
        return "refused"
    if not steps or steps[-1].failure or not status or status >= FIRST_ERROR_STATUS:
        return "failed"
    return _answered(steps)


def _nobody_was_asked(decision: Decision) -> bool:
    """Tell whether a limit ended it: without a plan, or with nobody of it who would have fit."""
    if not decision.steps:
        return decision.plan is None or decision.status == TOO_MUCH
    passed_over = all(step.failure in NEVER_ASKED for step in decision.steps)
    return passed_over and decision.status < FIRST_SERVER_ERROR


def _answered(steps: Sequence[Step]) -> FinalState:
    last = steps[-1]
    if last.confidence is None or not last.confidence >= last.hop.floor:  # nor is NaN
        return "relayed"
    # Of the two sides of a rollout one may have taken over from the other: nobody else was asked.
    alone = all(step.hop.route.key == last.hop.route.key for step in steps)
    return "accepted" if alone else "escalated"


def _digest(session: bytes) -> str:
    return blake2b(session, digest_size=8).hexdigest() if session else ""
