"""What a pattern run comes to: a text with its sources, or a refusal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tierwise_router.patterns.asking import Reply

__all__ = ["Answered", "Declined", "Result", "chat_answer", "usage_sum"]


@dataclass(frozen=True, slots=True)
class Answered:
    """A text for the client.

    ``replies`` are all steps in the order they were asked, for cost and usage; ``detail`` tells in
    JSON's types how the text came about. ``confidence`` is None where a step's is unknown.
    """

    text: str
    replies: tuple[Reply, ...]
    confidence: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Declined:
    """No answer: a status and a code for the client, and why in words."""

    status: int
    code: str
    message: str
    replies: tuple[Reply, ...]
    detail: Mapping[str, Any] = field(default_factory=dict)


Result = Answered | Declined


def chat_answer(
    name: str, decision: str, answered: Answered, *, now: float | None = None
) -> dict[str, Any]:
    """Put an answer into the shape of a chat completion, with a ``tierwise`` object beside it."""
    return {
        "id": f"chatcmpl-{decision}",
        "object": "chat.completion",
        "created": int(time.time() if now is None else now),
        "model": name,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": answered.text},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": usage_sum(answered.replies),
        "tierwise": {"pattern": name, **answered.detail},
    }


def usage_sum(replies: Iterable[Reply]) -> dict[str, int]:
    """Add up the tokens of all steps: that is what the request used.

    >>> usage_sum([Reply(usage={"prompt_tokens": 2, "total_tokens": 3}),
    ...            Reply(usage={"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5})])
    {'prompt_tokens': 3, 'completion_tokens': 4, 'total_tokens': 8}
    """
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    known = tuple(replies)
    return {name: sum(reply.usage.get(name, 0) for reply in known) for name in names}


def spent_usd(replies: Sequence[Reply]) -> float:
    """Add up what the steps cost in USD."""
    return sum(reply.cost_usd for reply in replies)
