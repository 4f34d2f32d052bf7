"""Whether a request fits a model's context, before it is sent there.

How many tokens a text has only its tokenizer knows. Cheap bounds come first: a token is at least
one byte, so that a request with fewer bytes than there is room for tokens surely fits, and needs no
look at all. What may not fit is counted by the engine itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["BYTES_PER_TOKEN", "about_tokens", "prompt_bytes", "surely_fits"]

BYTES_PER_TOKEN: Final = 4
"""What English text has in today's tokenizers; for prices and for a first plan."""

TEMPLATE_TOKENS: Final = 8
"""What a chat template adds to each message: its role and the marks around it."""


def prompt_bytes(fields: Mapping[str, Any]) -> int:
    """Count the bytes of text that a request's prompt has, template and tools included.

    Pictures and recordings have bytes that are no text: they are left out.

    >>> prompt_bytes({"messages": [{"role": "user", "content": "sort dbca"}]})
    17
    >>> prompt_bytes({"prompt": ["ab", "sort dbca"]}), prompt_bytes({"prompt": [5, 6, 7]})
    (9, 3)
    """
    if "messages" in fields:
        return sum(_message_bytes(one) for one in _list(fields["messages"])) + _size(
            fields.get("tools")
        )
    if "input" in fields:
        found = fields["input"]
        given = len(found) if isinstance(found, str) else sum(map(_message_bytes, _list(found)))
        return given + _size(fields.get("instructions")) + _size(fields.get("tools"))
    return _prompt_bytes(fields.get("prompt"))


def _prompt_bytes(prompt: Any) -> int:
    """Take the longest of several prompts: each has the context to itself."""
    if isinstance(prompt, str):
        return _size(prompt)
    if prompt and isinstance(prompt, list):
        return len(prompt) if isinstance(prompt[0], int) else max(map(_prompt_bytes, prompt))
    return 0


def _message_bytes(message: Any) -> int:
    if not isinstance(message, Mapping):
        return 0
    content = message.get("content")
    text = _size(content) if isinstance(content, str) else sum(_texts(content))
    return text + _size(message.get("tool_calls")) + TEMPLATE_TOKENS


def _texts(parts: Any) -> Iterator[int]:
    for part in _list(parts):
        text = part.get("text") if isinstance(part, Mapping) else None
        if isinstance(text, str):
            yield _size(text)


def _size(value: Any) -> int:
    """Count the bytes of a text, or of the texts and names in what is built of them."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return sum(_size(name) + _size(inner) for name, inner in value.items())
    if isinstance(value, list):
        return sum(map(_size, value))
    return 0 if value is None else 1


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def about_tokens(text_bytes: int) -> int:
    """Estimate the tokens of so many bytes of text.

    >>> about_tokens(17)
    5
    """
    return -(-text_bytes // BYTES_PER_TOKEN)


def surely_fits(
    room_tokens: int, text_bytes: int, output_tokens: int, least_bytes_per_token: float = 1.0
) -> bool:
    """Tell whether a request must fit, whatever the tokenizer makes of it.

    ``least_bytes_per_token`` is what is known of the tokenizer: no token of a prompt has had fewer
    bytes on average. A room of 0 is one that nobody has told.

    >>> surely_fits(256, 200, 56), surely_fits(256, 201, 56), surely_fits(0, 10**9, 0)
    (True, False, True)
    >>> surely_fits(256, 600, 56, least_bytes_per_token=3.0)
    True
    """
    return not room_tokens or text_bytes / least_bytes_per_token + output_tokens <= room_tokens
