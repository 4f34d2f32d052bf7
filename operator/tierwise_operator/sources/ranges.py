"""A range of a file out of an answer, whether its server obeys ranges or ignores them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from http import HTTPStatus

import httpx

__all__ = ["within_range"]


async def within_range(
    response: httpx.Response, start: int, end: int
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes from ``start`` to before ``end``; of a whole file the rest is left out."""
    skip = 0 if response.status_code == HTTPStatus.PARTIAL_CONTENT else start
    left = end - start
    async for chunk in response.aiter_bytes():
        wanted = chunk[skip : skip + left]
        skip = max(0, skip - len(chunk))
        left -= len(wanted)
        if wanted:
            yield wanted
        if left <= 0:
            break
