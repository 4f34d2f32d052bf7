"""Files of JSON lines that people write: what cannot be used is left out, and named."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

__all__ = ["ReadRows", "RowError", "read_object", "read_rows", "shown"]

NAMED: Final = 20
Row = TypeVar("Row")


class RowError(ValueError):
    """A row cannot be used; the message says what is wrong and what would be right."""


@dataclass(frozen=True, slots=True)
class ReadRows(Generic[Row]):
    """The rows of a file, and what was wrong with those left out (the first 20 in words)."""

    path: str
    rows: tuple[Row, ...]
    problems: tuple[str, ...] = ()


def read_rows(path: Path, read: Callable[[bytes], Row]) -> ReadRows[Row]:
    """Read a file's lines, but for blank ones; those with a RowError are left out and named.

    Raises OSError for a file that cannot be read.
    """
    rows: list[Row] = []
    problems: list[str] = []
    bad = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                rows.append(read(line))
            except RowError as error:
                bad += 1
                if bad <= NAMED:
                    problems.append(f"{path}:{number}: {error}")
    if bad > NAMED:
        problems.append(f"{path}: and {bad - NAMED} more rows")
    return ReadRows(str(path), tuple(rows), tuple(problems))


def read_object(line: bytes | str) -> Mapping[str, Any]:
    """Read a line that must hold one JSON object.

    >>> read_object('{"text": "2+2"}')
    {'text': '2+2'}
    >>> read_object("[1]")
    Traceback (most recent call last):
        ...
    tierwise_router.json_rows.RowError: a row is an object; this is [1]
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RowError(f"not JSON: {error}") from None
    if not isinstance(row, dict):
        raise RowError(f"a row is an object; this is {shown(row)}")
    return row


def shown(value: object) -> str:
    """A value for a message, shortened.

    >>> shown("x" * 50)
    "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..."
    """
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."  # noqa: PLR2004
