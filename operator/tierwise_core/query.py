"""What a request asks: the text to classify, and the canonical id that equal questions share."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = ["chat_text", "completion_text", "normalise", "query_id", "request_text"]

ID_DIGITS: Final = 16
TRAILING: Final = " .!?;,:。"


def normalise(text: str) -> str:
    """Bring questions that differ only in how they are typed to one form.

    Unicode NFKC, case folded, runs of whitespace as one space, no punctuation at the end. Doing it
    again changes nothing.

    >>> normalise("  Sort   DBCA ?!")
    'sort dbca'
    """
    # Folding the case may undo NFKC, and the other way round; twice is enough for both to hold.
    folded = _folded(text) if text.isascii() else _folded(_folded(text))
    return " ".join(folded.split()).rstrip(TRAILING)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def query_id(text: str) -> str:
    """Name a question: equal for texts with an equal normal form, on every machine.

    >>> query_id("Sort dbca!") == query_id("sort  DBCA")
    True
    """
    return hashlib.sha256(normalise(text).encode()).hexdigest()[:ID_DIGITS]


def request_text(body: Mapping[str, Any]) -> str:
    """Find the text to classify in the body of a chat or a completions request.

    >>> request_text({"messages": [{"role": "user", "content": "sort dbca"}]})
    'sort dbca'
    >>> request_text({"prompt": "sort dbca"})
    'sort dbca'
    """
    if "messages" in body:
        return chat_text(body["messages"])
    return completion_text(body.get("prompt", ""))


def chat_text(messages: object) -> str:
    """Take the last user message of a chat: what is asked now. Of its parts, those with text.

    A chat without a user's message has no text; what is malformed is the engine's to refuse.

    >>> chat_text([
    ...     {"role": "user", "content": "reverse abc"},
    ...     {"role": "assistant", "content": "cba"},
    ...     {"role": "user", "content": [{"type": "text", "text": "and sort it"}]},
    ... ])
    'and sort it'
    """
    if not isinstance(messages, Sequence) or isinstance(messages, str | bytes):
        return ""
    for message in reversed(messages):
        if isinstance(message, Mapping) and message.get("role") == "user":
            return _content_text(message.get("content"))
    return ""


def _content_text(content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    parts = (part.get("text") for part in content if isinstance(part, Mapping))
    return " ".join(part for part in parts if isinstance(part, str))


def completion_text(prompt: object) -> str:
    """Take the prompt, or the first of several; token numbers cannot be classified.

    >>> completion_text(["sort dbca", "sort qwe"]), completion_text([[1, 2, 3]])
    ('sort dbca', '')
    """
    if isinstance(prompt, Sequence) and not isinstance(prompt, str | bytes):
        prompt = prompt[0] if prompt else ""
    return prompt if isinstance(prompt, str) else ""
