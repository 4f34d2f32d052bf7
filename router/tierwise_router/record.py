"""A decision as a row of the journal, made right before its answer ends."""

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
from tierwise_core.route_table import Endpoint
from tierwise_core.routing import CascadePlan
from tierwise_core.spending import Limits
from tierwise_router.answers import answer_text
from tierwise_router.decision import NEVER_ASKED, Decision, Step, tier_of
from tierwise_router.refusals import is_refusal

__all__ = ["Told", "row_of", "was_refused"]

FIRST_ERROR_STATUS: Final = 400
UNPROCESSABLE: Final = 422
TOO_MUCH: Final = 429
FIRST_SERVER_ERROR: Final = 500
SHARES_KEPT: Final = 5
ELSEWHERE_NAMED: Final = 50
ONE: Final = ("",)
ANSWERED: Final = frozenset({"accepted", "escalated", "relayed"})
NO_LIMITS: Final = Limits(max_hops=0, max_calls=0, max_cost_usd=None)
NOBODY: Final = Endpoint("")
# Asking an enumeration's member for its value takes two calls.
ACCEPT, ESCALATE, ABSTAIN = (
    Action.ACCEPT.value,
    Action.ESCALATE.value,
    Action.ABSTAIN.value,
)


@swift.dataclass(frozen=True, slots=True)
class Told:
    """A decision on its way to the journal, which asks for the row."""

    decision: Decision

    def to_row(self) -> dict[str, Any]:
        """Tell it as a row of the journal."""
        return row_of(self.decision)


def row_of(decision: Decision) -> dict[str, Any]:
    """Tell a decision as :class:`tierwise_core.decision_record.DecisionRecord` has it."""
    # Written in few pieces, as every request pays for it.
    steps, plan, text = decision.steps, decision.plan, decision.text
    state, last = _state(decision), _last(decision)
    tenant, budget = decision.tenant, decision.budget
    limits = budget.limits if budget is not None else NO_LIMITS
    question = canonical(text) if text else ""
    row = {
        "kind": DECISION_KIND,
        "id": decision.id.decode(),
        "at": decision.ended_at - decision.seconds,
        "endpoint": decision.endpoint,
        "model": decision.model,
        "table": decision.table,
        "tenant": tenant.key if tenant is not None else "",
        "session": _digest(decision.session) if decision.session else "",
        "user": _digest(decision.user) if decision.user else "",
        "workload": decision.workload,
        "latency_class": decision.latency_class,
        "stream": decision.stream,
        "query_id": canonical_id(question) if text else "",
        "similarity_id": similarity_id(question) if text else "",
        "context_id": context_id(decision.fields) if decision.fields else "",
    }
    if plan is not None:
        _add_plan(row, plan, text)
    row["steps"] = [_step(step, is_last=at == last) for at, step in enumerate(steps)]
    if decision.judges is not None:
        row["judges"] = [_judge(one) for one in decision.judges]
    row["state"] = state
    row["status"] = decision.status
    row["reason"] = decision.reason
    row["specialist"] = (
        steps[-1].hop.route.key if steps and not steps[-1].failure and state in ANSWERED else ""
    )
    row["calls"] = budget.calls if budget is not None else 0
    row["max_calls"] = limits.max_calls
    row["max_hops"] = limits.max_hops
    row["max_cost_usd"] = limits.max_cost_usd
    row["cost_usd"] = decision.cost_usd
    row["seconds"] = decision.seconds
    row["pattern"] = decision.pattern
    row["parts"] = decision.parts or []
    return row


def _judge(step: Step) -> dict[str, Any]:
    """Tell who was asked about an answer; most requests have none, and say nothing of it."""
    return {**_step(step, is_last=True), "verdict": JUDGE}


def _last(decision: Decision) -> int:
    """Tell which step had nobody behind it; a shadow stands where its Specialist stood."""
    steps, plan = decision.steps, decision.plan
    if decision.pattern == SHADOW and plan is not None and plan.hops and steps:
        behind = plan.hops[-1].route.key != steps[-1].hop.route.key
        return len(steps) if behind else len(steps) - 1
    return len(steps) - 1


def _add_plan(row: dict[str, Any], plan: CascadePlan, text: str) -> None:
    question = plan.question
    # Measured here where the prediction had no use for it; somebody may learn from it later.
    reading, features = question.reading, question.features
    elsewhere = question.way.elsewhere
    row["features"] = feature_row(text) if features is None else features.row
    row["field"] = reading.field
    row["field_probability"] = reading.probability
    row["in_domain"] = reading.in_domain
    row["field_shares"] = _most(reading.probabilities)
    row["floor_asked"] = question.floor
    row["candidates"] = plan.candidate_rows()
    row["elsewhere"] = dict(elsewhere[:ELSEWHERE_NAMED])
    row["elsewhere_count"] = len(elsewhere)


def _most(shares: Mapping[str, float]) -> dict[str, float]:
    """Keep the likeliest fields: of hundreds the rest share next to nothing."""
    if len(shares) <= SHARES_KEPT:
        return dict(shares)
    return dict(sorted(shares.items(), key=lambda pair: -pair[1])[:SHARES_KEPT])


def _step(step: Step, *, is_last: bool) -> dict[str, Any]:
    hop, usage = step.hop, step.usage
    route, endpoint = hop.route, step.asked or NOBODY
    return {
        "specialist": route.key,
        "tier": endpoint.tier or tier_of(route),
        "revision": endpoint.revision,
        "pod": endpoint.pod,
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
        "answer_id": _answer_id(step) if step.answer is not None else "",
        "checks": step.checks,
        "side": endpoint.side,
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
        return ACCEPT
    return ABSTAIN if is_last else ESCALATE


def _state(decision: Decision) -> FinalState:
    steps, status = decision.steps, decision.status
    if decision.outcome and status < FIRST_ERROR_STATUS:
        return decision.outcome
    if status == UNPROCESSABLE:
        return "human_review" if decision.reason == "human_review" else "abstained"
    if was_refused(decision):
        return "refused"
    if not steps or steps[-1].failure or not status or status >= FIRST_ERROR_STATUS:
        return "failed"
    return _answered(steps)


def was_refused(decision: Decision) -> bool:
    """Tell whether a request was turned away before anybody was asked."""
    return is_refusal(decision.status) and _nobody_was_asked(decision)


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
    if len(steps) == 1:
        return "accepted"
    # Of the two sides of a rollout one may have taken over from the other: nobody else was asked.
    alone = all(step.hop.route.key == last.hop.route.key for step in steps)
    return "accepted" if alone else "escalated"


def _digest(session: bytes) -> str:
    return blake2b(session, digest_size=8).hexdigest()
