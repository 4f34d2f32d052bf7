"""Logs of outcomes for a replay: JSON lines, checked row by row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tierwise_core.errors import TierwiseError

__all__ = ["LogError", "LogRow", "ReadLog", "read_log"]

NAMED: Final = 20


class LogError(TierwiseError):
    """A log cannot be replayed; the message names the file, and the line where there is one."""

    reason = "UnusableLog"


class RowError(ValueError):
    """A row is no outcome; the message says what is wrong and what would be right."""


@dataclass(frozen=True, slots=True)
class LogRow:
    """One question and what each model made of it: (accepted from 0 to 1, cost in USD)."""

    query: str
    field: str | None
    outcomes: Mapping[str, tuple[float, float]]
    embedding: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class ReadLog:
    """The rows of a file, and what was wrong with those left out (the first 20 in words)."""

    path: str
    rows: tuple[LogRow, ...]
    bad: int = 0
    problems: tuple[str, ...] = field(default=())


def read_log(path: Path, tell: Callable[[int], None] = lambda _bytes: None) -> ReadLog:
    """Read a file; rows that are no outcomes are left out and named.

    ``tell`` hears how many bytes were read. Raises LogError for a file that cannot be read or has
    no row that can be used.
    """
    rows: list[LogRow] = []
    problems: list[str] = []
    bad = 0
    try:
        for number, line in _lines(path, tell):
            try:
                rows.append(read_row(line))
            except RowError as error:
                bad += 1
                if bad <= NAMED:
                    problems.append(f"{path}:{number}: {error}")
    except OSError as error:
        raise LogError(f"{path}: {error.strerror or error}") from error
    if not rows:
        why = f"; the first: {problems[0]}" if problems else ""
        raise LogError(f"{path} has no row of outcomes{why}")
    return ReadLog(str(path), tuple(rows), bad, tuple(problems))


def _lines(path: Path, tell: Callable[[int], None]) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            tell(len(line))
            if line.strip():
                yield number, line


def read_row(line: bytes | str) -> LogRow:
    """Read one row; raises RowError with what is wrong and what would be right.

    >>> read_row('{"query": "2+2", "outcomes": {"small": {"accepted": true, "cost_usd": 0.001}}}')
    LogRow(query='2+2', field=None, outcomes={'small': (1.0, 0.001)}, embedding=None)
    >>> read_row('{"query": 22}')
    Traceback (most recent call last):
        ...
    tierwise_router.learning.log_rows.RowError: query is 22; give the text
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RowError(f"not JSON: {error}") from None
    if not isinstance(row, dict):
        raise RowError(f"a row is an object; this is {_shown(row)}")
    query, field_name = row.get("query"), row.get("field")
    if not isinstance(query, str):
        raise RowError(f"query is {_shown(query)}; give the text")
    if field_name is not None and not isinstance(field_name, str):
        raise RowError(f"field is {_shown(field_name)}; give a name, or leave it out")
    outcomes = row.get("outcomes")
    if not isinstance(outcomes, dict) or not outcomes:
        raise RowError(f"outcomes is {_shown(outcomes)}; give one object per model")
    read = {name: _outcome(name, told) for name, told in outcomes.items()}
    return LogRow(query, field_name, read, _embedding(row.get("embedding")))


def _outcome(name: str, told: Any) -> tuple[float, float]:
    if not isinstance(told, dict):
        raise RowError(f"outcomes.{name} is {_shown(told)}; give {{accepted, cost_usd}}")
    accepted, cost = told.get("accepted"), told.get("cost_usd", 0.0)
    if not isinstance(accepted, bool | int | float) or not 0 <= accepted <= 1:
        raise RowError(
            f"outcomes.{name}.accepted is {_shown(accepted)}; "
            "give true, false or a number from 0 to 1"
        )
    if isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 <= cost < float("inf"):
        raise RowError(f"outcomes.{name}.cost_usd is {_shown(cost)}; give USD, 0 or more")
    return float(accepted), float(cost)


def _embedding(told: Any) -> tuple[float, ...] | None:
    if told is None:
        return None
    right = isinstance(told, list) and told and all(isinstance(x, int | float) for x in told)
    if not right or not all(abs(x) < float("inf") for x in told):
        raise RowError("embedding must be a list of numbers, or be left out")
    return tuple(float(x) for x in told)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."  # noqa: PLR2004
