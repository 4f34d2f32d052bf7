"""What an engine's answer says: its text, its tokens' log-probabilities, its usage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from tierwise_core.cost import Usage
from tierwise_router.call import CHAT, Call

__all__ = [
    "answer_text",
    "assessable_body",
    "choice_logprobs",
    "read_answer",
    "usage_of",
    "without_logprobs",
]


def assessable_body(call: Call, model: str, *, with_logprobs: bool = True) -> bytes:
    """Make the body of a call whose answer is judged before anybody sees it.

    Whole instead of streamed, with log-probabilities unless the client asked for some itself.
    """
    fields = {**call.fields, "model": model, "stream": False}
    fields.pop("stream_options", None)
    if with_logprobs and not wants_logprobs(call):
        fields["logprobs"] = True if call.endpoint == CHAT else 1
    return orjson.dumps(fields)


def wants_logprobs(call: Call) -> bool:
    """Tell whether the client asked for log-probabilities (0 is a wish in completions)."""
    wish = call.fields.get("logprobs")
    return wish is not None and wish is not False


def read_answer(body: bytes) -> dict[str, Any] | None:
    """Read a whole answer; None when it is no JSON object with choices."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(answer, dict) or not isinstance(answer.get("choices"), list):
        return None
    return answer


def choice_logprobs(answer: Mapping[str, Any]) -> list[list[float]]:
    """Take the tokens' log-probabilities of each choice; a choice without them has an empty list.

    >>> chat = {"choices": [{"logprobs": {"content": [{"token": "a", "logprob": -0.5}]}}]}
    >>> choice_logprobs(chat)
    [[-0.5]]
    >>> choice_logprobs({"choices": [{"logprobs": {"token_logprobs": [None, -0.1]}}, {}]})
    [[-0.1], []]
    """
    return [list(_logprobs(choice.get("logprobs"))) for choice in answer["choices"]]


def _logprobs(found: Any) -> Iterator[float]:
    if not isinstance(found, dict):
        return
    # The first token of an echoed prompt has none.
    yield from (value for value in found.get("token_logprobs") or () if value is not None)
    yield from (token["logprob"] for token in found.get("content") or ())


def without_logprobs(answer: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the client did not ask for, the way engines say that there are none."""
    choices = [{**choice, "logprobs": None} for choice in answer["choices"]]
    return {**answer, "choices": choices}


def answer_text(answer: Mapping[str, Any]) -> str:
    """Take the text of the first choice; empty when it calls a tool instead of speaking."""
    if not answer["choices"]:
        return ""
    choice = answer["choices"][0]
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    return text if isinstance(text, str) else ""


def usage_of(answer: Mapping[str, Any] | None) -> Usage | None:
    """Read the tokens that a provider bills; None when the answer does not tell.

    >>> usage_of({"usage": {"prompt_tokens": 7, "completion_tokens": 2}})
    Usage(input_tokens=7, output_tokens=2, cached_input_tokens=0)
    """
    usage = answer.get("usage") if answer is not None else None
    if not isinstance(usage, dict):
        return None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return Usage(usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0, cached or 0)
