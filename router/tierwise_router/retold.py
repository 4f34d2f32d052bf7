r"""An answer put together again from what its client got, whole or as a stream.

>>> retold(b'data: {"choices":[{"delta":{"content":"ab"}}]}\n\n'
...        b'data: {"choices":[{"delta":{"content":"cd"},"finish_reason":"stop"}]}\n\n')
{'choices': [{'index': 0, 'message': {'content': 'abcd'}, 'finish_reason': 'stop'}]}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tierwise_router.answers import read_answer
from tierwise_router.errors import UpstreamDiedError
from tierwise_router.events import DONE_DATA, EventReader

__all__ = ["retold"]

LAST_EVENTS: Final = frozenset({"response.completed", "response.incomplete"})


@dataclass(slots=True)
class _Choice:
    """One choice of a stream so far."""

    text: str = ""
    calls: list[Any] = field(default_factory=list)
    finish: str | None = None

    def take(self, choice: Mapping[str, Any]) -> None:
        said = choice.get("delta") or choice.get("message") or {}
        self.text += choice.get("text") or said.get("content") or ""
        self.calls += said.get("tool_calls") or ()
        self.finish = choice.get("finish_reason") or self.finish

    def told(self, index: int) -> dict[str, Any]:
        calls = {"tool_calls": self.calls} if self.calls else {}
        message = {"content": self.text, **calls}
        return {"index": index, "message": message, "finish_reason": self.finish}


def retold(body: bytes) -> dict[str, Any] | None:
    r"""Give the answer; None for what is none, and for a stream that was cut off.

    Of a stream the choices are told as those of a chat, without their log-probabilities; of the
    calls of tools no more than that there are some.

    >>> retold(b'{"choices":[{"text":"abcd"}]}')
    {'choices': [{'text': 'abcd'}]}
    >>> retold(b'data: {"choices":[{"delta":{"content":"ab"}}]}\n\n') is None
    True
    """
    if (answer := read_answer(body)) is not None:
        return answer
    try:
        return _of_stream(body)
    except (UpstreamDiedError, ValueError, AttributeError, TypeError):
        return None  # an engine may write anything


def _of_stream(body: bytes) -> dict[str, Any] | None:
    choices: dict[int, _Choice] = {}
    done = False
    for event in EventReader().feed(body):
        if event.data == DONE_DATA:
            done = True
            continue
        fields = orjson.loads(event.data)
        if fields.get("type") in LAST_EVENTS:
            return dict(fields["response"])
        for choice in fields.get("choices") or ():
            choices.setdefault(choice.get("index", 0), _Choice()).take(choice)
    if not choices or not (done or all(one.finish for one in choices.values())):
        return None
    return {"choices": [choices[index].told(index) for index in sorted(choices)]}
