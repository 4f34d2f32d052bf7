"""Runs in the client tests' environment: tries cases and prints what came of each as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any, Final

URL: Final = os.environ["ROUTER_URL"]
BASE_URL: Final = f"{URL}/v1"
KEY: Final = os.environ.get("ROUTER_KEY", "any")
MODEL: Final = "sorter"
QUESTION: Final = "sort dbca"
# The small model of the real engine likes spaces; without them its JSON comes to an end.
NO_SPACES: Final = {"4": -100}
ORDER: Final = {
    "type": "object",
    "properties": {"order": {"type": "string", "enum": ["ascending", "descending"]}},
    "required": ["order"],
    "additionalProperties": False,
}
TOOL: Final = {
    "type": "function",
    "function": {
        "name": "set_order",
        "description": "Set the order of the letters",
        "strict": True,
        "parameters": ORDER,
    },
}
CHOICE: Final = {"type": "function", "function": {"name": "set_order"}}


def asked(text: str = QUESTION) -> list[Any]:
    """A conversation of one question."""
    return [{"role": "user", "content": text}]


def attempt(case: Callable[[], Any]) -> dict[str, Any]:
    """What a case gives, or which error it ends with."""
    try:
        return {"got": case()}
    except Exception as error:  # noqa: BLE001 - the test says which one it should be
        return {
            "error": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "code": getattr(error, "code", None),
            "message": str(error),
        }


def report(*cases: Callable[[], Any]) -> None:
    """Try each case, or the one that is named, and tell what came of it."""
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    for case in cases:
        if only not in {"", case.__name__}:
            continue
        line = {"case": case.__name__, **attempt(case)}
        sys.stdout.write(f"CASE {json.dumps(line)}\n")
        sys.stdout.flush()
