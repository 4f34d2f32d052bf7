"""Logs of outcomes for a replay: JSON lines, checked row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tierwise_core.errors import TierwiseError
from tierwise_router.json_rows import ReadRows, RowError, read_object, read_rows, shown

__all__ = ["LogError", "LogRow", "ReadLog", "read_log"]

# What is larger is a mistake of who wrote the log, and its squares and sums would overflow.
MOST_USD: Final = 1e12
MOST_IN_EMBEDDING: Final = 1e30


class LogError(TierwiseError):
    """A log cannot be replayed; the message names the file, and the line where there is one."""

    reason = "UnusableLog"


@dataclass(frozen=True, slots=True)
class LogRow:
    """One question and what each model made of it: (accepted from 0 to 1, cost in USD)."""

    query: str
    field: str | None
    outcomes: Mapping[str, tuple[float, float]]
    embedding: tuple[float, ...] | None = None


ReadLog = ReadRows[LogRow]


def read_log(path: Path) -> ReadLog:
    """Read a file; rows that are no outcomes are left out and named.

    Raises LogError for a file that cannot be read or has no row that can be used.
    """
    try:
        found = read_rows(path, read_row)
    except OSError as error:
        raise LogError(f"{path}: {error.strerror or error}") from error
    if not found.rows:
        why = f"; the first: {found.problems[0]}" if found.problems else ""
        raise LogError(f"{path} has no row of outcomes{why}")
    return found


def read_row(line: bytes | str) -> LogRow:
    """Read one row; raises RowError with what is wrong and what would be right.

    >>> read_row('{"query": "2+2", "outcomes": {"small": {"accepted": true, "cost_usd": 0.001}}}')
    LogRow(query='2+2', field=None, outcomes={'small': (1.0, 0.001)}, embedding=None)
    >>> read_row('{"query": 22}')
    Traceback (most recent call last):
        ...
    tierwise_router.json_rows.RowError: query is 22; give the text
    """
    row = read_object(line)
    query, field_name = row.get("query"), row.get("field")
    if not isinstance(query, str):
        raise RowError(f"query is {shown(query)}; give the text")
    if field_name is not None and not isinstance(field_name, str):
        raise RowError(f"field is {shown(field_name)}; give a name, or leave it out")
    outcomes = row.get("outcomes")
    if not isinstance(outcomes, dict) or not outcomes:
        raise RowError(f"outcomes is {shown(outcomes)}; give one object per model")
    read = {name: _outcome(name, told) for name, told in outcomes.items()}
    return LogRow(query, field_name, read, _embedding(row.get("embedding")))


def _outcome(name: str, told: Any) -> tuple[float, float]:
    if not isinstance(told, dict):
        raise RowError(f"outcomes.{name} is {shown(told)}; give {{accepted, cost_usd}}")
    accepted, cost = told.get("accepted"), told.get("cost_usd", 0.0)
    if not isinstance(accepted, bool | int | float) or not 0 <= accepted <= 1:
        raise RowError(
            f"outcomes.{name}.accepted is {shown(accepted)}; "
            "give true, false or a number from 0 to 1"
        )
    if isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 <= cost <= MOST_USD:
        raise RowError(
            f"outcomes.{name}.cost_usd is {shown(cost)}; give USD, 0 or more and below a trillion"
        )
    return float(accepted), float(cost)


def _embedding(told: Any) -> tuple[float, ...] | None:
    if told is None:
        return None
    right = isinstance(told, list) and told and all(isinstance(x, int | float) for x in told)
    if not right or not all(abs(x) <= MOST_IN_EMBEDDING for x in told):
        raise RowError("embedding must be a list of numbers (1e30 at most), or be left out")
    return tuple(float(x) for x in told)
