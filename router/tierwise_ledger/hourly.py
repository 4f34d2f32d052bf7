"""Sums by the hour: what a batch adds to them, and what a later word changes in them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection

from tierwise_core.decision_record import SHADOW, DecisionRecord
from tierwise_ledger.outcome_rows import workload_of
from tierwise_ledger.tables.base import day_of, hour_of
from tierwise_ledger.tables.calls import CALL_HOURS
from tierwise_ledger.tables.outcomes import OUTCOME_DAYS, OUTCOME_HOURS
from tierwise_ledger.upsert import add_up

__all__ = ["add_calls", "add_outcomes", "add_words"]

MILLI: Final = 1000
OUTCOME_KEYS: Final = tuple(column.name for column in OUTCOME_HOURS.primary_key)
DAY_KEYS: Final = tuple(column.name for column in OUTCOME_DAYS.primary_key)
OUTCOME_SUMS: Final = tuple(
    column.name for column in OUTCOME_HOURS.columns if column.name not in OUTCOME_KEYS
)
CALL_KEYS: Final = tuple(column.name for column in CALL_HOURS.primary_key)
CALL_SUMS: Final = tuple(
    column.name for column in CALL_HOURS.columns if column.name not in CALL_KEYS
)
TOKENS: Final = ("input_tokens", "cached_tokens", "output_tokens")


class _Sums:
    """Numbers by key, in Python, so that a batch costs one statement."""

    def __init__(self, keys: tuple[str, ...], sums: tuple[str, ...]) -> None:
        self._keys, self._sums = keys, sums
        self._found: dict[tuple[Any, ...], list[int]] = {}

    def add(self, labels: Mapping[str, Any], numbers: Mapping[str, int]) -> None:
        key = tuple(labels[name] for name in self._keys)
        found = self._found.setdefault(key, [0] * len(self._sums))
        for at, name in enumerate(self._sums):
            found[at] += numbers.get(name, 0)

    def rows(self) -> Iterable[dict[str, Any]]:
        for key, numbers in self._found.items():
            yield {
                **dict(zip(self._keys, key, strict=True)),
                **dict(zip(self._sums, numbers, strict=True)),
            }


def add_outcomes(
    connection: Connection, rows: Iterable[Mapping[str, Any]], parts: Collection[str] = ()
) -> None:
    """Add new rows of ``outcomes`` to the sums of their hours.

    ``parts`` are those that a pattern made for its own answer: they are no requests of a client.
    """
    sums = _Sums(OUTCOME_KEYS, OUTCOME_SUMS)
    for row in rows:
        sums.add(
            {**row, "hour": hour_of(row["at"])},
            {
                # What no client asked for costs all the same.
                "requests": int(row["state"] != SHADOW and row["id"] not in parts),
                "calls": row["calls"],
                **{name: row[name] for name in TOKENS},
                "cost_nano_usd": row["cost_nano_usd"],
                "milliseconds": round(row["seconds"] * MILLI),
            },
        )
    _add(connection, list(sums.rows()))


def _add(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Add sums of hours to their hours, and to their days."""
    add_up(connection, OUTCOME_HOURS, rows)
    days = _Sums(DAY_KEYS, OUTCOME_SUMS)
    for row in rows:
        days.add({**row, "day": day_of(row["hour"])}, row)
    add_up(connection, OUTCOME_DAYS, days.rows())


def add_calls(
    connection: Connection,
    decisions: Iterable[DecisionRecord],
    rows: Mapping[str, Iterable[Mapping[str, Any]]],
) -> None:
    """Add new rows of ``calls``, by their decision, to the sums of their hours."""
    sums = _Sums(CALL_KEYS, CALL_SUMS)
    for record in decisions:
        whose = {
            "hour": hour_of(record.at),
            "tenant": record.tenant,
            "field": record.field or "",
            "workload": workload_of(record),
        }
        for row in rows.get(record.id, ()):
            sums.add(
                {**row, **whose},
                {
                    "calls": 1,
                    "counted": 0 if row["input_tokens"] is None else 1,
                    **{name: row[name] or 0 for name in TOKENS},
                    "cost_nano_usd": row["cost_nano_usd"],
                    "milliseconds": round((row["seconds"] or 0.0) * MILLI),
                },
            )
    add_up(connection, CALL_HOURS, sums.rows())


def add_words(
    connection: Connection, changes: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]
) -> None:
    """Take the last words of before out of the sums and the new ones in.

    Each change is a row of ``outcomes`` before, and its new ``feedback`` and ``corrected``.
    """
    sums = _Sums(OUTCOME_KEYS, OUTCOME_SUMS)
    for before, after in changes:
        labels = {**before, "hour": hour_of(before["at"])}
        sums.add(labels, _word(before, -1))
        sums.add(labels, _word(after, 1))
    _add(connection, list(sums.rows()))


def _word(row: Mapping[str, Any], sign: int) -> dict[str, int]:
    said = row["feedback"]
    if said is None:
        return {}
    return {
        "feedback_yes" if said else "feedback_no": sign,
        "corrected": sign if row["corrected"] else 0,
    }
