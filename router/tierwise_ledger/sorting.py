"""Rows as they come, sorted by kind; what cannot be understood is put aside with the reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Final

import orjson
from sqlalchemy import Table

from tierwise_core.decision_record import DECISION_KIND, FEEDBACK_KIND, DecisionRecord, Feedback
from tierwise_core.late_verdict import VERDICT_KIND, Verdict
from tierwise_ledger.contents import CONTENT_KIND, content_row
from tierwise_ledger.errors import RecordError
from tierwise_ledger.outcome_rows import call_rows, judge_rows, outcome_row
from tierwise_ledger.tables.calls import CALLS
from tierwise_ledger.tables.feedback import FEEDBACK
from tierwise_ledger.tables.outcomes import OUTCOMES
from tierwise_ledger.words import word_row

__all__ = ["SortedRows", "sort_rows"]

MOST: Final = 2**62
SHOWN: Final = 60


@dataclass(slots=True)
class TakenDecision:
    """A decision, and the rows it becomes.

    ``judges`` are alike those of ``calls``, of those who were asked about an answer.
    """

    record: DecisionRecord
    told: Mapping[str, Any]
    outcome: dict[str, Any]
    calls: list[dict[str, Any]]
    judges: list[dict[str, Any]]


@dataclass(slots=True)
class SortedRows:
    """Rows by kind and name; of two with the same name the first is kept."""

    decisions: dict[str, TakenDecision] = field(default_factory=dict)
    words: dict[str, tuple[Feedback, dict[str, Any]]] = field(default_factory=dict)
    contents: dict[str, dict[str, Any]] = field(default_factory=dict)
    others: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)


def sort_rows(rows: Sequence[Mapping[str, Any]], received_at: float, skew_s: float) -> SortedRows:
    """Sort what came in at once; every instant is moved by ``skew_s``."""
    found = SortedRows()
    for row in rows:
        try:
            _sort(found, row, received_at, skew_s)
        except (RecordError, TypeError, ValueError, KeyError, AttributeError) as error:
            found.rejected.append(f"{str(row.get('kind'))[:SHOWN]} {_name(row)}: {error}")
    return found


def _sort(found: SortedRows, row: Mapping[str, Any], received_at: float, skew_s: float) -> None:
    kind = _text(row, "kind")
    if kind == DECISION_KIND:
        taken = _decision(row, received_at, skew_s)
        found.decisions.setdefault(taken.record.id, taken)
    elif kind == FEEDBACK_KIND:
        at = _instant(row) + skew_s
        word = word_row(row, at, received_at)
        _text(row, "decision")
        _check(FEEDBACK, word)
        found.words.setdefault(word["id"], (replace(Feedback.of(row), at=at), word))
    elif kind == CONTENT_KIND:
        _text(row, "id")
        content = content_row(row, _instant(row) + skew_s)
        found.contents.setdefault(content["id"], content)
    else:
        if kind == VERDICT_KIND:
            Verdict.of(row)
        found.others.setdefault(f"{kind}:{_name(row)}", row)


def _decision(row: Mapping[str, Any], received_at: float, skew_s: float) -> TakenDecision:
    _text(row, "id")
    record = replace(DecisionRecord.of(row), at=_instant(row) + skew_s)
    asked = (*record.steps, *record.judges)
    costs: list[Any] = [record.cost_usd, *(step.cost_usd for step in asked)]
    for cost_usd in costs:
        if not isinstance(cost_usd, int | float) or not math.isfinite(cost_usd):
            raise RecordError(f"'cost_usd' is {cost_usd!r}; it must be dollars", field="cost_usd")
    outcome = outcome_row(record, received_at, skew_s)
    calls, judges = call_rows(record), judge_rows(record)
    _check(OUTCOMES, outcome)
    for call in (*calls, *judges):
        _check(CALLS, call)
    return TakenDecision(record, row, outcome, calls, judges)


def _name(row: Mapping[str, Any]) -> str:
    """Name a row: by its id, else by all that it says."""
    given = row.get("id")
    if isinstance(given, str) and given:
        return given
    return blake2b(orjson.dumps(row, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise RecordError(f"{name!r} is {value!r}; it must be a text that is not empty", field=name)
    return value


def _instant(row: Mapping[str, Any]) -> float:
    value = row.get("at")
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise RecordError(f"'at' is {value!r}; it must be seconds since the epoch", field="at")
    return float(value)


def _check(table: Table, row: dict[str, Any]) -> None:
    """Refuse what a column cannot hold, before it spoils the whole batch."""
    for name, value in row.items():
        if value is None:
            continue
        if isinstance(value, str):
            if "\0" in value:
                row[name] = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        elif isinstance(value, float) and not math.isfinite(value):
            raise RecordError(f"{name!r} is {value!r}; it must be finite", field=name)
        kind = KINDS[table.name][name]
        if not isinstance(value, kind) or (isinstance(value, int) and abs(value) > MOST):
            raise RecordError(f"{name!r} is {str(value)[:SHOWN]!r}; it must be {kind}", field=name)


def _kinds(table: Table) -> dict[str, Any]:
    kinds = {column.name: column.type.python_type for column in table.columns}
    # Whole numbers are fine where fractions are.
    return {
        name: (int | float if kind is float else list if kind is dict else kind)
        for name, kind in kinds.items()
    }


KINDS: Final = {table.name: _kinds(table) for table in (OUTCOMES, CALLS, FEEDBACK)}
