"""How large a request is, as far as can be told without counting."""

from __future__ import annotations

from typing import Final

from tierwise_core.context_fit import about_tokens, prompt_bytes
from tierwise_router.call import Call
from tierwise_router.dialects import DIALECTS

__all__ = ["about_prompt_tokens", "output_tokens"]

SMALL_BYTES: Final = 4096


def about_prompt_tokens(call: Call) -> int:
    """Estimate a request's prompt; the bytes of pictures are none of it."""
    size = len(call.body)
    return about_tokens(size if size <= SMALL_BYTES else prompt_bytes(call.fields))


def output_tokens(call: Call) -> int:
    """Give the most tokens that the client wants of an answer; 0 when it does not say."""
    dialect = DIALECTS.get(call.endpoint)
    return 0 if dialect is None else dialect.longest(call.fields) or 0
