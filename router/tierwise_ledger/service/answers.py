"""Answers as JSON, and the one shape of errors."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response

__all__ = ["Answer", "error_body"]


class Answer(Response):
    """A value as JSON."""

    media_type = "application/json"

    def __init__(
        self, value: object, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(value, status_code=status, headers=headers)

    def render(self, content: Any) -> bytes:
        """Turn the value into bytes."""
        # Rows have names of a class of SQLAlchemy's own, which is a string all the same.
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)


def error_body(message: str, kind: str, field: str | None) -> dict[str, object]:
    """Say what went wrong, of which type, and which field of the request it was.

    >>> error_body("since is 'x'; give seconds", "InvalidRequest", "since")["error"]["field"]
    'since'
    """
    return {"error": {"message": message, "type": kind, "field": field}}
