"""One step of a pattern: a chat request of the router to itself, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tierwise_router.answers import answer_text, read_answer
from tierwise_router.inside import AsgiApp, InProcessWork, Inside, ask_inside
from tierwise_router.upstream.response import Headers

__all__ = ["Asker", "Reply", "read_reply", "with_question"]

CHAT_PATH: Final = "/v1/chat/completions"
OK: Final = 200
SHOWN_CHARACTERS: Final = 300

# What belongs to one call and its shape, and not to how the model should speak.
NOT_PASSED_ON: Final = frozenset(
    {
        "background", "logprobs", "messages", "model", "n", "response_format", "store", "stream",
        "stream_options", "tool_choice", "tools", "top_logprobs",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reply:
    """What a step's request came to. ``failure`` is empty where there is a ``text``."""

    text: str = ""
    specialist: str = ""
    tier: str = ""
    confidence: float | None = None
    cost_usd: float = 0.0
    decision: str = ""
    usage: Mapping[str, int] = field(default_factory=dict)
    failure: str = ""
    status: int = OK
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Asker:
    """Makes the requests of one pattern run.

    ``fields`` are the client's own: how long and how warm an answer may be goes along with every
    step. ``headers`` are what every step carries (tenant's limits, session).
    """

    app: AsgiApp
    fields: Mapping[str, Any]
    headers: Headers
    work: InProcessWork

    async def ask(
        self,
        step: str,
        model: str,
        question: str,
        *,
        schema: Mapping[str, Any] | None = None,
        alone: bool = False,
    ) -> Reply:
        """Ask one thing. ``step`` names it, for work that is resumed after a restart.

        ``alone`` leaves the conversation before the question out. ``schema`` is a JSON schema that
        the answer must follow.
        """
        kept = self.work.checkpoints
        if kept is not None and (found := await kept.get(step)) is not None:
            return Reply(**orjson.loads(found))
        told = await ask_inside(
            self.app, CHAT_PATH, self.headers, self._body(model, question, schema, alone=alone),
            work=self.work,
        )  # fmt: skip
        reply = read_reply(told)
        if kept is not None and not reply.failure:
            await kept.put(step, _packed(reply))
        return reply

    def _body(
        self, model: str, question: str, schema: Mapping[str, Any] | None, *, alone: bool
    ) -> bytes:
        passed = {name: self.fields[name] for name in self.fields if name not in NOT_PASSED_ON}
        before = () if alone else self.fields.get("messages", ())
        body = {**passed, "model": model, "messages": with_question(before, question)}
        if schema is not None:
            form = {"name": "answer", "schema": schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return orjson.dumps(body)


def _packed(reply: Reply) -> bytes:
    names = ("text", "specialist", "tier", "confidence", "cost_usd", "decision", "usage")
    return orjson.dumps({name: getattr(reply, name) for name in names})


def with_question(messages: Any, question: str) -> list[Any]:
    """Put a question in the place of a conversation's last one by the user.

    >>> with_question([{"role": "system", "content": "Be brief."},
    ...                {"role": "user", "content": "a and b"}], "a")
    [{'role': 'system', 'content': 'Be brief.'}, {'role': 'user', 'content': 'a'}]
    """
    kept = [message for message in messages if isinstance(message, Mapping)]
    while kept and kept[-1].get("role") != "system":
        last = kept.pop()
        if last.get("role") == "user":
            break
    return [*kept, {"role": "user", "content": question}]


def read_reply(told: Inside) -> Reply:
    """Read what the router answered itself: the text, or in words why there is none."""
    about = _about(told)
    answer = read_answer(told.body) if told.status == OK else None
    if answer is None:
        failure = _error_of(told) if told.status != OK else "it did not answer with choices"
        return Reply(**about, failure=failure, status=told.status, body=told.body)
    text = answer_text(answer)
    usage = {
        name: value
        for name, value in (answer.get("usage") or {}).items()
        if isinstance(value, int) and not isinstance(value, bool)
    }
    failure = "" if text else "its answer has no text"
    return Reply(text, **about, usage=usage, failure=failure, body=told.body)


def _about(told: Inside) -> dict[str, Any]:
    confidence = told.header(b"x-tierwise-confidence")
    return {
        "specialist": told.header(b"x-tierwise-specialist").decode(),
        "tier": told.header(b"x-tierwise-tier").decode(),
        "confidence": float(confidence) if confidence else None,
        "cost_usd": float(told.header(b"x-tierwise-cost-usd") or 0),
        "decision": told.header(b"x-tierwise-decision").decode(),
    }


def _error_of(told: Inside) -> str:
    try:
        message = orjson.loads(told.body)["error"]["message"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        message = f"status {told.status}"
    return str(message)[:SHOWN_CHARACTERS]
