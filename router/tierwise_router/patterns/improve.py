"""Evaluator and optimizer: answer, criticise, answer again."""

from __future__ import annotations

from typing import Any

from tierwise_core.policy_patterns import EvaluatorOptimizer
from tierwise_core.refine import (
    CRITIQUE_SCHEMA,
    Attempt,
    Critique,
    Done,
    Evaluate,
    next_step,
    read_critique,
)
from tierwise_router.patterns.asking import Asker, Reply
from tierwise_router.patterns.orchestrate import BAD_GATEWAY, Tell
from tierwise_router.patterns.result import Answered, Declined, Result

__all__ = ["improve"]

FIRST_ERROR = 400


async def improve(rule: EvaluatorOptimizer, asker: Asker, text: str, tell: Tell) -> Result:
    """Run the pattern on one request.

    An evaluator that fails ends it with the best answer so far; a generator that fails ends it with
    that too, or with its error when there is none.
    """
    attempts: list[Attempt] = []
    replies: list[Reply] = []
    while True:
        step = next_step(rule, text, attempts)
        if isinstance(step, Done):
            return _answered(attempts, replies, step)
        if isinstance(step, Evaluate):
            attempts[-1], reply = await _criticised(rule, asker, attempts, step.prompt)
            replies.append(reply)
            await tell(_progress(attempts))
            if reply.failure:
                return _answered(attempts, replies, _broken_off(attempts, "evaluator", reply))
            continue
        reply = await asker.ask(f"answer-{len(attempts) + 1}", rule.generator, step.prompt)
        replies.append(reply)
        if not reply.failure:
            attempts.append(Attempt(reply.text))
        elif attempts:
            return _answered(attempts, replies, _broken_off(attempts, "generator", reply))
        else:
            return _declined(reply)


async def _criticised(
    rule: EvaluatorOptimizer, asker: Asker, attempts: list[Attempt], prompt: str
) -> tuple[Attempt, Reply]:
    number, last = len(attempts), attempts[-1]
    reply = await asker.ask(
        f"critique-{number}", rule.evaluator, prompt, schema=CRITIQUE_SCHEMA, alone=True
    )
    return Attempt(last.answer, read_critique(reply.text)), reply


def _progress(attempts: list[Attempt]) -> str:
    critique = attempts[-1].critique or Critique(None, "")
    score = "unreadable" if critique.score is None else f"{critique.score:.2f}"
    return f"answer {len(attempts)}: score {score}"


def _broken_off(attempts: list[Attempt], who: str, reply: Reply) -> Done:
    scores = [_score(attempt) for attempt in attempts]
    index = max(range(len(attempts)), key=lambda at: (scores[at], at))
    return Done(index, accepted=False, reason=f"the {who} failed: {reply.failure}")


def _score(attempt: Attempt) -> float:
    return attempt.critique.score or 0.0 if attempt.critique else 0.0


def _answered(attempts: list[Attempt], replies: list[Reply], done: Done) -> Answered:
    used = attempts[done.index]
    detail: dict[str, Any] = {
        "accepted": done.accepted,
        "reason": done.reason,
        "answers": len(attempts),
        "scores": [one.critique.score if one.critique else None for one in attempts],
    }
    return Answered(used.answer, tuple(replies), _score(used), detail)


def _declined(reply: Reply) -> Declined:
    status = reply.status if reply.status >= FIRST_ERROR else BAD_GATEWAY
    message = f"the generator gave no answer: {reply.failure}"
    return Declined(status, "generator_failed", message, (reply,))
