"""The life of a batch: its statuses and moves, its counts, and what is wrong with its lines."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

__all__ = [
    "ENDPOINTS",
    "TERMINAL",
    "BatchState",
    "Counts",
    "LineProblem",
    "Status",
    "check_line",
    "window_seconds",
]

Status = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling",
    "cancelled",
]  # fmt: skip

TERMINAL: Final[frozenset[str]] = frozenset({"failed", "completed", "expired", "cancelled"})
MOVES: Final[Mapping[Status, frozenset[str]]] = {
    "validating": frozenset({"in_progress", "failed", "cancelling", "expired"}),
    "in_progress": frozenset({"finalizing", "failed", "cancelling", "expired"}),
    "finalizing": frozenset({"completed", "failed"}),
    "cancelling": frozenset({"cancelled", "failed"}),
}
ENDPOINTS: Final = (
    "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/rerank",
    "/v1/score",
)  # fmt: skip
"""What the lines of a batch may ask for."""

SHOWN: Final = 60
LONGEST_CUSTOM_ID: Final = 512
WINDOW: Final = re.compile(r"([1-9]\d{0,4})(m|h|d)")
UNIT_S: Final = {"m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many requests a batch has, and how many of them ended well or badly so far."""

    total: int = 0
    completed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class LineProblem:
    """What is wrong with a batch, or with one of its lines (counted from 1)."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


@dataclass(frozen=True, slots=True)
class BatchState:
    """Where a batch is.

    ``at`` are the moments of the moves by status, in whole seconds since 1970, as OpenAI's objects
    have them (``in_progress_at``, ...).
    """

    status: Status = "validating"
    counts: Counts = Counts()
    at: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[LineProblem, ...] = ()
    output_file: str = ""
    error_file: str = ""

    @property
    def ended(self) -> bool:
        """Tell whether nothing will change any more."""
        return self.status in TERMINAL

    def moved(self, status: Status, at: int) -> BatchState:
        """Move on; a move to the present status changes nothing.

        >>> BatchState().moved("in_progress", 7).at
        {'in_progress': 7}
        >>> BatchState(status="completed").moved("in_progress", 8)
        Traceback (most recent call last):
            ...
        ValueError: a batch that is completed cannot become in_progress
        """
        if status == self.status:
            return self
        if status not in MOVES.get(self.status, frozenset()):
            raise ValueError(f"a batch that is {self.status} cannot become {status}")
        return replace(self, status=status, at={**self.at, status: at})


def window_seconds(text: str, longest_s: float) -> float:
    """Read a completion window; raises ValueError with what would be right.

    >>> window_seconds("24h", 7 * 86400)
    86400.0
    >>> window_seconds("soon", 7 * 86400)
    Traceback (most recent call last):
        ...
    ValueError: give a whole number of minutes, hours or days up to 7d, such as '24h'
    """
    found = WINDOW.fullmatch(text)
    seconds = float(int(found[1]) * UNIT_S[found[2]]) if found else 0.0
    if not 0 < seconds <= longest_s:
        days = f"{longest_s / UNIT_S['d']:g}d"
        raise ValueError(
            f"give a whole number of minutes, hours or days up to {days}, such as '24h'"
        )
    return seconds


def check_line(number: int, value: Any, endpoint: str, seen: Collection[str]) -> LineProblem | None:
    """Find what is wrong with a line that was read as JSON; None when nothing is.

    ``seen`` are the custom ids of the lines before it.

    >>> line = {"custom_id": "a", "method": "POST", "url": "/v1/completions", "body": {}}
    >>> check_line(3, line, "/v1/completions", {"a"}).message
    "custom_id is 'a', which another line has; give each line one of its own"
    """
    if not isinstance(value, dict):
        what = f"the line is a JSON {type(value).__name__}; give an object"
        return LineProblem("invalid_json_line", what, number)
    return (
        _check_custom_id(number, value.get("custom_id"), seen)
        or _check_target(number, value, endpoint)
        or _check_body(number, value.get("body"))
    )


def _check_custom_id(number: int, custom_id: Any, seen: Collection[str]) -> LineProblem | None:
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= LONGEST_CUSTOM_ID:
        right = f"give a string of 1 to {LONGEST_CUSTOM_ID} characters"
        message = f"custom_id is {_shown(custom_id)}; {right}"
        return LineProblem("invalid_custom_id", message, number, "custom_id")
    if custom_id in seen:
        message = (
            f"custom_id is {_shown(custom_id)}, which another line has; give each line one of its "
            "own"
        )
        return LineProblem("duplicate_custom_id", message, number, "custom_id")
    return None


def _check_target(number: int, value: Mapping[str, Any], endpoint: str) -> LineProblem | None:
    if value.get("method") != "POST":
        message = f"method is {_shown(value.get('method'))}; give 'POST'"
        return LineProblem("invalid_method", message, number, "method")
    if value.get("url") != endpoint:
        message = f"url is {_shown(value.get('url'))}; give the batch's endpoint, {endpoint!r}"
        return LineProblem("mismatched_url", message, number, "url")
    return None


def _check_body(number: int, body: Any) -> LineProblem | None:
    if not isinstance(body, dict):
        message = f"body is {_shown(body)}; give the request's JSON object"
        return LineProblem("invalid_body", message, number, "body")
    if body.get("stream"):
        message = "body.stream is true; nobody reads a stream here, leave it out"
        return LineProblem("invalid_body", message, number, "body.stream")
    return None


def _shown(value: Any) -> str:
    text = "missing" if value is None else reprlib.repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
