"""Questions with their field, from JSON lines: ``{"text": "...", "field": "law" or null}``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tierwise_core.errors import TierwiseError

__all__ = ["Labelled", "LabelledFile", "LabelledFileError", "read_labelled"]

NAMED: Final = 20


class LabelledFileError(TierwiseError):
    """A file of questions cannot be used; the message names it and says why."""

    reason = "UnusableQuestions"


class _RowError(ValueError):
    """A row is no question with a field."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One question; ``field`` is None when it belongs to nobody's."""

    text: str
    field: str | None


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """The rows of a file, and what was wrong with those left out (the first 20 in words)."""

    path: str
    rows: tuple[Labelled, ...]
    problems: tuple[str, ...] = ()


def read_labelled(path: Path) -> LabelledFile:
    """Read a file; rows that are no questions are left out and named with their line.

    Raises LabelledFileError for a file that cannot be read or has no row that can be used.
    """
    rows: list[Labelled] = []
    problems: list[str] = []
    try:
        for number, line in _lines(path):
            try:
                rows.append(_read(line))
            except _RowError as error:
                problems.append(f"{path}:{number}: {error}")
    except OSError as error:
        raise LabelledFileError(f"{path} cannot be read: {error.strerror}") from None
    if not rows:
        first = f"; {problems[0]}" if problems else ""
        raise LabelledFileError(f"{path} has no usable row{first}")
    if len(problems) > NAMED:
        problems = [*problems[:NAMED], f"{path}: and {len(problems) - NAMED} more rows"]
    return LabelledFile(str(path), tuple(rows), tuple(problems))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number, line


def _read(line: str) -> Labelled:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _RowError(f"no JSON: {error}") from None
    if not isinstance(row, dict):
        raise _RowError('no object; give {"text": ..., "field": ...}')
    text, field = row.get("text"), row.get("field", "")
    if not isinstance(text, str) or not text.strip():
        raise _RowError(f"'text' is {text!r}; give the question as a string")
    if field == "" or not isinstance(field, str | None):
        raise _RowError(f"'field' is {row.get('field', 'missing')!r}; give a name, or null")
    return Labelled(text, field)
