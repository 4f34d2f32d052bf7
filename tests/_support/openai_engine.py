"""A scripted engine that speaks as vLLM does to clients who stream, call tools and want JSON."""

from __future__ import annotations

import asyncio
import json
import struct
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, Final

from fake_engine import Turn, sse

ANSWER: Final = "abcd"
CHOSEN: Final = '{"order":"ascending"}'
LOGPROB: Final = -0.0001
USAGE: Final = {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15}


class OpenAIEngine:
    """The script of a FakeEngine; what it is asked says what it does.

    ``unauthorized``, ``too many``, ``too many once`` and ``die`` are questions that go wrong, and
    ``go on for ever`` is a stream that only its client ends.
    """

    def __init__(self) -> None:
        self.refused_once = False
        self.endless = 0
        self.left = 0

    async def __call__(self, turn: Turn) -> None:
        fields = turn.request.fields
        question = _question(fields)
        coldness = fields.get("temperature")
        if question == "unauthorized":
            await _refuse(turn, 401, "Invalid API key")
        elif question == "too many" or (question == "too many once" and not self.refused_once):
            self.refused_once = question == "too many once"
            await _refuse(turn, 429, "Slow down", "retry-after-ms: 1\r\n")
        elif isinstance(coldness, int | float) and coldness < 0:
            await _refuse(turn, 400, f"temperature must be non-negative, got {coldness}")
        elif question == "go on for ever":
            await self._endless(turn)
        elif fields.get("stream") and turn.request.path.endswith("/responses"):
            await _stream_response(turn, fields)
        elif fields.get("stream"):
            await _stream(turn, fields, dies=question == "die")
        else:
            await turn.whole(200, json.dumps(_whole(turn.request.path, fields)).encode())

    async def _endless(self, turn: Turn) -> None:
        self.endless += 1
        await turn.stream_head()
        await turn.chunk(sse(_chunk({"content": "a"})))
        await turn.reader.read()
        turn.keep = False
        self.left += 1


def _question(fields: dict[str, Any]) -> str:
    last = (fields.get("messages") or [None])[-1]
    return str(last.get("content") if isinstance(last, dict) else fields.get("prompt"))


async def _refuse(turn: Turn, status: int, message: str, extra: str = "") -> None:
    error = {"message": message, "type": "BadRequestError", "param": None, "code": status}
    await turn.whole(status, json.dumps({"error": error}).encode(), extra=extra)


def _message(fields: dict[str, Any]) -> dict[str, Any]:
    if fields.get("tools"):
        function = {"name": fields["tools"][0]["function"]["name"], "arguments": CHOSEN}
        call = {"id": "call-1", "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    text = CHOSEN if fields.get("response_format") else ANSWER
    return {"role": "assistant", "content": text}


def _logprobs(fields: dict[str, Any], text: str) -> dict[str, Any] | None:
    if not fields.get("logprobs"):
        return None
    top = [{"token": "x", "logprob": LOGPROB, "bytes": None}] * (fields.get("top_logprobs") or 0)
    token = {"logprob": LOGPROB, "bytes": None, "top_logprobs": top}
    return {"content": [{"token": letter, **token} for letter in text]}


def _whole(path: str, fields: dict[str, Any]) -> dict[str, Any]:
    answer = {"id": "1", "created": 1, "model": fields["model"], "usage": USAGE}
    if path.endswith("/chat/completions"):
        message = _message(fields)
        choice = {
            "message": message,
            "logprobs": _logprobs(fields, message["content"] or ""),
            "finish_reason": "tool_calls" if "tool_calls" in message else "stop",
        }
        choices = [{"index": at, **choice} for at in range(fields.get("n") or 1)]
        return {**answer, "object": "chat.completion", "choices": choices}
    if path.endswith("/responses"):
        return _response(fields)
    if path.endswith("/embeddings"):
        return _embeddings(fields)
    text = {"index": 0, "text": ANSWER, "logprobs": None, "finish_reason": "stop"}
    return {**answer, "object": "text_completion", "choices": [text]}


def _response(fields: dict[str, Any]) -> dict[str, Any]:
    part = {"type": "output_text", "text": ANSWER, "annotations": []}
    message = {
        "type": "message",
        "id": "msg-1",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }
    usage = {
        "input_tokens": 11,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 15,
    }
    return {
        "id": "resp-1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": fields["model"],
        "output": [message],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage,
    }


def _embeddings(fields: dict[str, Any]) -> dict[str, Any]:
    """Embed as vLLM does: numbers, or base64 of 32-bit floats, as the client asks for."""
    asked = fields.get("input", "")
    texts = asked if isinstance(asked, list) else [asked]
    vectors = [(float(len(str(text))), 0.5, -0.25) for text in texts]
    packed = fields.get("encoding_format") == "base64"
    data = [
        {
            "object": "embedding",
            "index": at,
            "embedding": b64encode(struct.pack("<3f", *vector)).decode() if packed else vector,
        }
        for at, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    return {"object": "list", "model": fields["model"], "data": data, "usage": usage}


def _response_events(fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
    whole = _response(fields)
    yield {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}}
    for at, letter in enumerate(ANSWER):
        yield {
            "type": "response.output_text.delta",
            "item_id": "msg-1",
            "output_index": 0,
            "content_index": 0,
            "delta": letter,
            "logprobs": [],
            "sequence_number": at + 1,
        }
    yield {"type": "response.completed", "response": whole}


async def _stream_response(turn: Turn, fields: dict[str, Any]) -> None:
    await turn.stream_head()
    for event in _response_events(fields):
        name, data = event["type"], json.dumps({"sequence_number": 0, **event})
        await turn.chunk(f"event: {name}\ndata: {data}\n\n".encode())
    await turn.end()


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "sorter",
        "choices": [choice],
    }


def _deltas(fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
    message = _message(fields)
    yield {"role": "assistant", "content": ""}
    if "tool_calls" not in message:
        yield from ({"content": letter} for letter in message["content"])
        return
    (call,) = message["tool_calls"]
    begun = {**call, "index": 0, "function": {"name": call["function"]["name"], "arguments": ""}}
    yield {"tool_calls": [begun]}
    for letter in CHOSEN:
        yield {"tool_calls": [{"index": 0, "function": {"arguments": letter}}]}


async def _stream(turn: Turn, fields: dict[str, Any], *, dies: bool) -> None:
    await turn.stream_head()
    for delta in _deltas(fields):
        await turn.chunk(sse(_chunk(delta)))
        if dies and "content" in delta and delta["content"]:
            await asyncio.sleep(0)
            turn.die()
            return
    await turn.chunk(sse(_chunk({}, "tool_calls" if fields.get("tools") else "stop")))
    if (fields.get("stream_options") or {}).get("include_usage"):
        await turn.chunk(sse({**_chunk({}), "choices": [], "usage": USAGE}))
    await turn.chunk(b"data: [DONE]\n\n")
    await turn.end()
