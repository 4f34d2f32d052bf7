"""Reading a body that is one JSON object."""

from __future__ import annotations

from typing import Any, Final

import orjson
from starlette.requests import Request

from tierwise_ledger.errors import RequestError

__all__ = ["read_object"]

MOST_BYTES: Final = 8 * 1024 * 1024


async def read_object(request: Request) -> dict[str, Any]:
    """Read the body; raises RequestError for what is too large or no JSON object."""
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > MOST_BYTES:
            raise RequestError(f"the body is larger than {MOST_BYTES} bytes; send less at once")
        pieces.append(piece)
    try:
        found = orjson.loads(b"".join(pieces))
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise RequestError("the body is no JSON object")
    return found
