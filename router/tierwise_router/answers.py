"""What an engine's answer says: its text, its tokens' log-probabilities, its usage."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from tierwise_core.cost import Usage

__all__ = [
    "answer_text",
    "choice_logprobs",
    "output_texts",
    "read_answer",
    "read_usage",
    "usage_in",
    "usage_of",
]

LONGEST_USAGE: Final = 2048
NUMBERS: Final = (int, float)
ALL_FLOATS: Final = {float}


def read_answer(body: bytes) -> dict[str, Any] | None:
    """Read a whole answer; None when it is none, whatever its status says.

    An answer has choices that say something, or the output of ``/responses``:

    >>> read_answer(b'{"choices": [{"text": "42"}]}')
    {'choices': [{'text': '42'}]}
    >>> [read_answer(b'{"choices": %s}' % said) for said in (b"null", b"[]", b"[null]", b"[{}]")]
    [None, None, None, None]
    """
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(answer, dict):
        return None
    if "choices" not in answer:
        return answer if isinstance(answer.get("output"), list) else None
    choices = answer["choices"]
    says = isinstance(choices, list) and bool(choices) and all(map(_says, choices))
    return answer if says else None


def _says(choice: Any) -> bool:
    return isinstance(choice, dict) and (
        isinstance(choice.get("message"), dict) or isinstance(choice.get("text"), str)
    )


def choice_logprobs(answer: Mapping[str, Any]) -> list[list[float]]:
    """Take the tokens' log-probabilities of each choice; a choice without them has an empty list.

    What is malformed counts as one token that is not likely at all.

    >>> chat = {"choices": [{"logprobs": {"content": [{"token": "a", "logprob": -0.5}]}}]}
    >>> choice_logprobs(chat)
    [[-0.5]]
    >>> choice_logprobs({"choices": [{"logprobs": {"token_logprobs": [None, -0.1]}}, {}]})
    [[-0.1], []]
    >>> choice_logprobs({"choices": [{"logprobs": {"content": [{"logprob": "high"}]}}]})
    [[nan]]
    """
    if "choices" not in answer:
        texts = (text.get("logprobs") for text in output_texts(answer))
        return [_numbers([value for tokens in texts for value in _tokens(tokens)])]
    return [_numbers(_logprobs(choice)) for choice in answer["choices"]]


def _logprobs(choice: Any) -> list[Any]:
    found = choice.get("logprobs") if isinstance(choice, dict) else None
    if not isinstance(found, dict):
        return []
    # The first token of an echoed prompt has none.
    echoed = [value for value in found.get("token_logprobs") or () if value is not None]
    return echoed + _tokens(found.get("content"))


def _tokens(tokens: Any) -> list[Any]:
    try:
        return [token["logprob"] for token in tokens or ()]
    except (KeyError, TypeError):
        return [token.get("logprob") if isinstance(token, dict) else None for token in tokens]


def output_texts(answer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the parts with text that an answer of ``/responses`` has in its output."""
    for item in answer.get("output") or ():
        content = item.get("content") if isinstance(item, dict) else None
        yield from (part for part in content or () if isinstance(part, dict))


def _numbers(values: list[Any]) -> list[float]:
    if {*map(type, values)} == ALL_FLOATS:
        return values
    return [value if isinstance(value, NUMBERS) else math.nan for value in values]


def answer_text(answer: Mapping[str, Any]) -> str:
    """Take the text of the first choice; empty when it calls a tool instead of speaking.

    >>> answer_text({"output": [{"content": [{"type": "output_text", "text": "42"}]}]})
    '42'
    """
    if "choices" not in answer:
        return "".join(str(part.get("text") or "") for part in output_texts(answer))
    if not answer["choices"]:
        return ""
    choice = answer["choices"][0]
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    return text if isinstance(text, str) else ""


def usage_of(answer: Mapping[str, Any] | None) -> Usage | None:
    """Read the tokens that a provider bills; None when the answer does not tell."""
    return None if answer is None else read_usage(answer.get("usage"))


def usage_in(body: bytes) -> Usage | None:
    """Read the tokens from an answer's bytes without reading the answer.

    >>> usage_in(b'{"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}, "id": 1}')
    Usage(input_tokens=7, output_tokens=2, cached_input_tokens=0)
    >>> usage_in(b'{"choices": []}') is None
    True
    """
    begin = body.rfind(b'"usage"')
    begin = body.find(b"{", begin) if begin >= 0 else -1
    if begin < 0:
        return None
    end = body.find(b"}", begin) + 1
    # What is counted has details of its own in braces.
    while 0 < end - begin <= LONGEST_USAGE:
        try:
            return read_usage(orjson.loads(body[begin:end]))
        except orjson.JSONDecodeError:
            end = body.find(b"}", end) + 1
    return None


def read_usage(found: Any) -> Usage | None:
    """Read the tokens an answer used, by either of the two sets of names there are.

    >>> read_usage({"prompt_tokens": 7, "completion_tokens": 2})
    Usage(input_tokens=7, output_tokens=2, cached_input_tokens=0)
    >>> read_usage({"input_tokens": 7, "output_tokens": 2,
    ...             "input_tokens_details": {"cached_tokens": 4}})
    Usage(input_tokens=7, output_tokens=2, cached_input_tokens=4)
    >>> read_usage("many") is None
    True
    """
    if not isinstance(found, dict):
        return None
    details = found.get("prompt_tokens_details") or found.get("input_tokens_details")
    return Usage(
        _count(found.get("prompt_tokens") or found.get("input_tokens")),
        _count(found.get("completion_tokens") or found.get("output_tokens")),
        _count(details.get("cached_tokens")) if isinstance(details, dict) else 0,
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
