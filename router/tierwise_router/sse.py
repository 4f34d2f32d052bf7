"""Server-sent events: an assessed answer as the stream its client asked for, and errors in one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import orjson

from tierwise_router.errors import ErrorAnswer

__all__ = [
    "DONE",
    "chat_events",
    "comment",
    "completion_events",
    "error_event",
    "is_event_stream",
    "response_events",
]

DONE = b"data: [DONE]\n\n"


def event(value: object) -> bytes:
    r"""Write one event.

    >>> event({"a": 1})
    b'data: {"a":1}\n\n'
    """
    return b"data: " + orjson.dumps(value) + b"\n\n"


def comment(text: str) -> bytes:
    r"""Write a comment: clients pass it by, people who look see it.

    >>> comment("waking sorter")
    b': waking sorter\n\n'
    """
    return b": %s\n\n" % text.encode("ascii", "replace")


def is_event_stream(content_type: bytes) -> bool:
    """Tell whether a content type is that of server-sent events."""
    return content_type.startswith(b"text/event-stream")


def error_event(answer: ErrorAnswer, sent: bytes) -> bytes:
    """Write an error for a stream that has begun; ``sent`` is what went out last.

    There is no ``[DONE]`` after it: a client that misses the error must not take the answer for
    complete. An event that was cut in two is ended first.
    """
    return (b"" if sent.endswith(b"\n\n") else b"\n\n") + event(answer.body())


def chat_events(answer: dict[str, Any], *, with_usage: bool) -> Iterator[bytes]:
    """Turn a whole chat answer into the events a streaming client expects."""
    base = _base(answer, "chat.completion.chunk")
    for choice in answer["choices"]:
        yield event({**base, "choices": [_chat_delta(choice)]})
        yield event({**base, "choices": [_chat_end(choice)]})
    yield from _tail(base, answer, with_usage=with_usage)


def completion_events(answer: dict[str, Any], *, with_usage: bool) -> Iterator[bytes]:
    """Turn a whole text completion into events."""
    base = _base(answer, "text_completion")
    for choice in answer["choices"]:
        yield event({**base, "choices": [choice]})
    yield from _tail(base, answer, with_usage=with_usage)


def _base(answer: dict[str, Any], kind: str) -> dict[str, Any]:
    kept: dict[str, Any] = {
        name: answer[name] for name in ("id", "created", "model") if name in answer
    }
    return {**kept, "object": kind}


def _chat_delta(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice.get("message") or {}
    delta = {name: value for name, value in message.items() if value is not None}
    calls = delta.get("tool_calls")
    if calls:
        delta["tool_calls"] = [{"index": at, **call} for at, call in enumerate(calls)]
    else:
        delta.pop("tool_calls", None)
    return {
        "index": choice.get("index", 0),
        "delta": delta,
        "logprobs": choice.get("logprobs"),
        "finish_reason": None,
    }


def _chat_end(choice: dict[str, Any]) -> dict[str, Any]:
    return {
        "index": choice.get("index", 0),
        "delta": {},
        "logprobs": None,
        "finish_reason": choice.get("finish_reason"),
    }


def _tail(base: dict[str, Any], answer: dict[str, Any], *, with_usage: bool) -> Iterator[bytes]:
    if with_usage:
        yield event({**base, "choices": [], "usage": answer.get("usage")})
    yield DONE


def response_events(answer: dict[str, Any], *, with_usage: bool) -> Iterator[bytes]:  # noqa: ARG001
    """Turn a whole answer of ``/responses`` into the named events a streaming client expects.

    The last one has the usage in any case, and there is no ``[DONE]``.
    """
    begun = {**answer, "status": "in_progress", "output": [], "usage": None}
    told = _Numbered()
    yield told.event("response.created", response=begun)
    yield told.event("response.in_progress", response=begun)
    for at, item in enumerate(answer["output"]):
        yield from _output_item(told, at, item)
    kind = "incomplete" if answer.get("status") == "incomplete" else "completed"
    yield told.event(f"response.{kind}", response=answer)


class _Numbered:
    """Named events with their numbers in the stream."""

    def __init__(self) -> None:
        self._count = count()

    def event(self, kind: str, **fields: Any) -> bytes:
        said = {"type": kind, "sequence_number": next(self._count), **fields}
        return b"event: %s\n" % kind.encode() + event(said)


def _output_item(told: _Numbered, at: int, item: dict[str, Any]) -> Iterator[bytes]:
    content = item.get("content") or []
    begun = {**item, "status": "in_progress", **({"content": []} if content else {})}
    yield told.event("response.output_item.added", output_index=at, item=begun)
    for index, part in enumerate(content):
        place = {"item_id": item.get("id"), "output_index": at, "content_index": index}
        if part.get("type") == "output_text":
            yield from _output_text(told, place, part)
    if item.get("type") == "function_call":
        place = {"item_id": item.get("id"), "output_index": at}
        words = item.get("arguments", "")
        yield told.event("response.function_call_arguments.delta", **place, delta=words)
        yield told.event("response.function_call_arguments.done", **place, arguments=words)
    yield told.event("response.output_item.done", output_index=at, item=item)


def _output_text(told: _Numbered, place: dict[str, Any], part: dict[str, Any]) -> Iterator[bytes]:
    text, logprobs = part.get("text", ""), part.get("logprobs") or []
    empty = {**part, "text": "", "logprobs": []}
    yield told.event("response.content_part.added", **place, part=empty)
    yield told.event("response.output_text.delta", **place, delta=text, logprobs=logprobs)
    yield told.event("response.output_text.done", **place, text=text, logprobs=logprobs)
    yield told.event("response.content_part.done", **place, part=part)
