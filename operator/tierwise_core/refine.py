"""The evaluator-optimizer pattern as a pure state machine: what to do after each answer."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tierwise_core.policy_patterns import EvaluatorOptimizer

__all__ = [
    "CRITIQUE_SCHEMA",
    "Attempt",
    "Critique",
    "Done",
    "Evaluate",
    "Generate",
    "Step",
    "next_step",
    "read_critique",
]

CRITIQUE_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "advice": {"type": "string", "maxLength": 1000},
    },
    "required": ["score", "advice"],
    "additionalProperties": False,
}
"""What an evaluator's answer looks like, as a JSON schema."""

JSON_OBJECT: Final = re.compile(r"\{.*\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Critique:
    """What an evaluator says: a score from 0 to 1, and advice. No score: it could not be read."""

    score: float | None
    advice: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One answer of the generator, with its critique once there is one."""

    answer: str
    critique: Critique | None = None


@dataclass(frozen=True, slots=True)
class Generate:
    """Ask the generator; ``advice`` is empty the first time."""

    prompt: str


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Ask the evaluator about the last attempt."""

    prompt: str


@dataclass(frozen=True, slots=True)
class Done:
    """Answer with attempt ``index``; ``accepted`` tells whether the evaluator was content."""

    index: int
    accepted: bool
    reason: str


Step = Generate | Evaluate | Done


def next_step(rule: EvaluatorOptimizer, question: str, attempts: Sequence[Attempt]) -> Step:
    """Decide what follows after these attempts.

    At most ``max_iterations`` answers are made. When none was good enough the one with the best
    score is used, the latest of equals; one that could not be judged counts as 0.

    >>> rule = EvaluatorOptimizer("writer", "critic", accept_score=0.8, max_iterations=2)
    >>> next_step(rule, "a haiku", [])
    Generate(prompt='a haiku')
    >>> next_step(rule, "a haiku", [Attempt("old pond", Critique(0.9, ""))])
    Done(index=0, accepted=True, reason='score 0.90 >= 0.80')
    >>> bad, worse = Attempt("x", Critique(0.5, "longer")), Attempt("y", Critique(0.3, "no"))
    >>> next_step(rule, "a haiku", [bad, worse])
    Done(index=0, accepted=False, reason='best of 2: score 0.50 < 0.80')
    """
    if not attempts:
        return Generate(question)
    last = attempts[-1]
    if last.critique is None:
        return Evaluate(_evaluation_prompt(question, last.answer))
    score = last.critique.score
    if score is not None and score >= rule.accept_score:
        return Done(len(attempts) - 1, accepted=True, reason=_over(score, rule))
    if len(attempts) >= rule.max_iterations:
        return _best(rule, attempts)
    return Generate(_improvement_prompt(question, last.answer, last.critique.advice))


def _over(score: float, rule: EvaluatorOptimizer) -> str:
    return f"score {score:.2f} >= {rule.accept_score:.2f}"


def _best(rule: EvaluatorOptimizer, attempts: Sequence[Attempt]) -> Done:
    scores = [_score(attempt) for attempt in attempts]
    index = max(range(len(attempts)), key=lambda at: (scores[at], at))
    reason = f"best of {len(attempts)}: score {scores[index]:.2f} < {rule.accept_score:.2f}"
    return Done(index, accepted=False, reason=reason)


def _score(attempt: Attempt) -> float:
    return attempt.critique.score or 0.0 if attempt.critique else 0.0


def _evaluation_prompt(question: str, answer: str) -> str:
    return (
        "Judge the answer to the request below. Answer with JSON: "
        '{"score": 0 to 1, "advice": "what would make it better"}.\n\n'
        f"Request:\n{question}\n\nAnswer:\n{answer}"
    )


def _improvement_prompt(question: str, answer: str, advice: str) -> str:
    return (
        f"{question}\n\nAn earlier answer was:\n{answer}\n\n"
        f"It was criticised:\n{advice}\n\nAnswer the request again, better."
    )


def read_critique(answer: str) -> Critique:
    """Read an evaluator's answer; without a usable score the text itself is the advice.

    >>> read_critique('{"score": 0.7, "advice": "name the year"}')
    Critique(score=0.7, advice='name the year')
    >>> read_critique('Sure! {"score": 7}').score is None
    True
    >>> read_critique("too short")
    Critique(score=None, advice='too short')
    """
    found = JSON_OBJECT.search(answer)
    try:
        fields = json.loads(found.group()) if found else None
    except (ValueError, RecursionError):
        fields = None
    if isinstance(fields, dict) and (score := _share(fields.get("score"))) is not None:
        advice = fields.get("advice", "")
        return Critique(score, advice if isinstance(advice, str) else "")
    return Critique(None, answer.strip())


def _share(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return None
    return float(value)
