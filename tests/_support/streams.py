"""Streams as a client sees them, and engines that write some on cue."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fake_engine import Script, Turn, piece, sse, usage_of

SURE, UNSURE = -0.0001, -4.0


@dataclass(frozen=True)
class Told:
    """What a client got: events in order, comments in order, and how it ended."""

    events: list[Any]
    comments: list[str]
    done: int

    @property
    def text(self) -> str:
        choices = [choice for event in self.events for choice in event.get("choices") or ()]
        return "".join(
            (one.get("delta") or {}).get("content") or one.get("text") or "" for one in choices
        )

    @property
    def usages(self) -> list[Any]:
        return [event["usage"] for event in self.events if "usage" in event]

    @property
    def error(self) -> Any:
        found = [event["error"] for event in self.events if "error" in event]
        return found[0] if found else None


def told(text: str) -> Told:
    """Read a whole stream; what is neither event nor comment fails."""
    blocks = [block for block in text.split("\n\n") if block]
    comments = [block.removeprefix(": ") for block in blocks if block.startswith(": ")]
    data = [block for block in blocks if not block.startswith(": ")]
    payloads = [line.partition("data: ")[2] for line in data]
    done = payloads.count("[DONE]")
    assert not done or payloads[-1] == "[DONE]", "something follows [DONE]"
    return Told([json.loads(line) for line in payloads if line != "[DONE]"], comments, done)


def says(text: str, logprobs: Sequence[float]) -> Script:
    """Stream a text, one letter for each log-probability; the last one belongs to the end."""

    async def script(turn: Turn) -> None:
        fields = turn.request.fields
        await turn.stream_head()
        for letter, logprob in zip(text, logprobs, strict=False):
            await turn.chunk(sse(piece(fields, letter, logprob)))
        await turn.chunk(sse(piece(fields, "", logprobs[-1], finish="stop")))
        if (fields.get("stream_options") or {}).get("include_usage"):
            await turn.chunk(sse({"choices": [], "usage": usage_of(text)}))
        await turn.chunk(b"data: [DONE]\n\n")
        await turn.end()

    return script
