r"""One token of a chat, read from its event without parsing it.

A stream is thousands of such events, alike but for a word and its log-probability, and a cascade
reads each one. What is not exactly of this form is not read here, and parsed:

    {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,
    "delta":{"content":" word"},"logprobs":{"content":[{"token":" word","logprob":-0.1,
    "bytes":[32],"top_logprobs":[]}]},"finish_reason":null,"token_ids":null}]}
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["Token", "read_token"]


class Token(NamedTuple):
    """What the event says, and the event without its log-probabilities."""

    choice: int
    logprob: float
    shown: bytes


# Without control characters and halves of surrogates, which JSON does not allow.
CHARACTER: Final = rb'(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4})'
STRING: Final = rb'"' + CHARACTER + rb'*+"'
WORD: Final = rb'"' + CHARACTER + rb'++"'
WHOLE: Final = rb"(?:0|[1-9][0-9]{0,14})"
NUMBER: Final = rb"-?(?:0|[1-9][0-9]{0,5})(?:\.[0-9]{1,20})?(?:[eE][-+]?[0-9]{1,2})?"
TOKEN: Final = re.compile(
    rb'(\{"id": ?STRING, ?"object": ?STRING, ?"created": ?WHOLE, ?"model": ?STRING, ?'
    rb'"choices": ?\[\{"index": ?(WHOLE), ?"delta": ?\{"(?:content|reasoning)": ?WORD\}, ?'
    rb'"logprobs": ?)\{"content": ?\[\{"token": ?STRING, ?"logprob": ?(NUMBER)'
    rb'(?:, ?"bytes": ?(?:null|\[(?:WHOLE(?:, ?WHOLE)*+)?\]))?(?:, ?"top_logprobs": ?\[\])?'
    rb'\}\]\}(, ?"finish_reason": ?null(?:, ?"token_ids": ?null)?\}\]\})'.replace(b"STRING", STRING)
    .replace(b"WORD", WORD)
    .replace(b"WHOLE", WHOLE)
    .replace(b"NUMBER", NUMBER)
)


def read_token(data: bytes) -> Token | None:
    """Read the data of an event; None for one of another form, which says nothing against it.

    >>> read_token(b'{"id":"c","object":"o","created":1,"model":"m","choices":[{"index":0,"delta":'
    ...            b'{"content":"a"},"logprobs":{"content":[{"token":"a","logprob":-0.5}]},'
    ...            b'"finish_reason":null}]}')  # doctest: +NORMALIZE_WHITESPACE
    Token(choice=0, logprob=-0.5, shown=b'{"id":"c","object":"o","created":1,"model":"m","choices":\
[{"index":0,"delta":{"content":"a"},"logprobs":null,"finish_reason":null}]}')
    >>> read_token(b'{"id":"c","choices":[]}') is None
    True
    """
    found = TOKEN.fullmatch(data)
    if found is None or not (data.isascii() or _is_text(data)):
        return None
    before, choice, logprob, behind = found.groups()
    return Token(int(choice), float(logprob), before + b"null" + behind)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
