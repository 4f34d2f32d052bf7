"""Dual run: ask two side by side, and compare."""

from __future__ import annotations

import asyncio
from typing import Any

from tierwise_core.agreement import compare
from tierwise_core.policy_patterns import DualRun
from tierwise_router.patterns.asking import Asker, Reply
from tierwise_router.patterns.orchestrate import BAD_GATEWAY, Tell
from tierwise_router.patterns.result import Answered, Declined, Result

__all__ = ["dual_run"]

FIRST_ERROR = 400
UNPROCESSABLE = 422


async def dual_run(rule: DualRun, asker: Asker, text: str, tell: Tell) -> Result:
    """Run the pattern on one request. The candidate can neither fail nor delay a failed primary."""
    async with asyncio.TaskGroup() as group:
        primary = group.create_task(asker.ask("primary", rule.primary, text))
        candidate = group.create_task(asker.ask("candidate", rule.candidate, text))
    one, other = primary.result(), candidate.result()
    if one.failure:
        return _declined(one, other)
    detail = _compared(rule, one, other)
    await tell(f"agrees: {detail['agrees']}")
    if detail["agrees"] is False and rule.on_disagreement != "Primary":
        return _disagree(rule, one, other, detail)
    return Answered(one.text, (one, other), one.confidence, detail)


def _compared(rule: DualRun, one: Reply, other: Reply) -> dict[str, Any]:
    """Tell how the two compare; ``agrees`` is None when the candidate gave no answer."""
    detail: dict[str, Any] = {
        "primary": {"specialist": one.specialist, "decision": one.decision},
        "candidate": {"specialist": other.specialist, "decision": other.decision},
        "agrees": None,
    }
    if other.failure:
        return {**detail, "candidate_failed": other.failure}
    found = compare(one.text, other.text)
    return {
        **detail,
        "agrees": found.agrees(rule.agree_at),
        "score": round(found.score, 4),
        "compared": found.how,
        "candidate_text": other.text,
    }


def _disagree(rule: DualRun, one: Reply, other: Reply, detail: dict[str, Any]) -> Declined:
    human = rule.on_disagreement == "HumanReview"
    then = "a person should answer this" if human else "ask differently, or ask one of them by name"
    return Declined(
        UNPROCESSABLE,
        "human_review" if human else "abstained",
        f"{one.specialist} and {other.specialist} disagree (score {detail['score']:.2f} < "
        f"{rule.agree_at:.2f}); {then}",
        (one, other),
        {**detail, "primary_text": one.text},
    )


def _declined(one: Reply, other: Reply) -> Declined:
    status = one.status if one.status >= FIRST_ERROR else BAD_GATEWAY
    return Declined(status, "primary_failed", f"the primary: {one.failure}", (one, other))
