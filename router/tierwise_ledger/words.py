"""The words on answers: kept all, and the last one of a decision is the outcome's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, select, update

from tierwise_ledger.hourly import OUTCOME_KEYS, add_words
from tierwise_ledger.tables.feedback import FEEDBACK
from tierwise_ledger.tables.outcomes import OUTCOMES

__all__ = ["apply_last_words", "chunks", "without_repeats", "word_id", "word_row"]

AT_ONCE = 500
SAID = ("decision", "accepted", "corrected", "comment", "source", "at")
MEANING = ("source", "accepted", "corrected", "comment")
LABELS = tuple(OUTCOMES.c[name] for name in OUTCOME_KEYS if name != "hour")


def word_id(row: Mapping[str, Any]) -> str:
    """Name a word by all that it says: the same one sent twice has one name.

    >>> word_id({"decision": "d-1", "accepted": True}) == word_id({
    ...     "accepted": True, "decision": "d-1", "comment": None})
    True
    """
    given = row.get("id")
    if isinstance(given, str) and given:
        return given
    said = orjson.dumps([row.get(name) for name in SAID])
    return blake2b(said, digest_size=16).hexdigest()


def word_row(row: Mapping[str, Any], at: float, received_at: float) -> dict[str, Any]:
    """Give the row of ``feedback``."""
    return {
        "id": word_id(row),
        "decision": row["decision"],
        "at": at,
        "received_at": received_at,
        "source": row.get("source") or "feedback",
        "accepted": row["accepted"],
        "corrected": row.get("corrected"),
        "comment": row.get("comment"),
    }


def apply_last_words(connection: Connection, decisions: Iterable[str]) -> None:
    """Bring the outcomes of these decisions, as far as they are known, to their last word."""
    for names in chunks(sorted(set(decisions)), AT_ONCE):
        last = _last_words(connection, names)
        if not last:
            continue
        changes = []
        for before in _outcomes(connection, list(last)):
            word = last[before["id"]]
            after = {
                "feedback": word["accepted"],
                "feedback_at": word["at"],
                "corrected": word["corrected"] is not None,
            }
            if any(before[name] != value for name, value in after.items()):
                changes.append((before, after))
        _write(connection, changes)


def without_repeats(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out words that only repeat what was said last of the same decision."""
    last: dict[str, Mapping[str, Any]] = {}
    for names in chunks(sorted({row["decision"] for row in rows}), AT_ONCE):
        last |= _last_words(connection, names)
    kept = []
    for row in sorted(rows, key=lambda one: (one["at"], one["id"])):
        before = last.get(row["decision"])
        if before is not None and all(before[name] == row[name] for name in MEANING):
            continue
        last[row["decision"]] = row
        kept.append(row)
    return kept


def _last_words(connection: Connection, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    query = (
        select(FEEDBACK)
        .where(FEEDBACK.c.decision.in_(names))
        .order_by(FEEDBACK.c.at, FEEDBACK.c.id)
    )
    return {row["decision"]: dict(row) for row in connection.execute(query).mappings()}


def _outcomes(connection: Connection, names: Sequence[str]) -> list[Mapping[str, Any]]:
    kept = (OUTCOMES.c.id, OUTCOMES.c.at, *LABELS)
    said = (OUTCOMES.c.feedback, OUTCOMES.c.feedback_at, OUTCOMES.c.corrected)
    query = select(*kept, *said).where(OUTCOMES.c.id.in_(names)).order_by(OUTCOMES.c.seq)
    # Of two ledgers that hear two words on one decision, the second counts from the first's end.
    return [dict(row) for row in connection.execute(query.with_for_update()).mappings()]


def _write(
    connection: Connection, changes: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]
) -> None:
    if not changes:
        return
    statement = update(OUTCOMES).where(OUTCOMES.c.id == bindparam("of"))
    connection.execute(statement, [{"of": before["id"], **after} for before, after in changes])
    add_words(connection, changes)


def chunks(names: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield lists of at most ``size``.

    >>> list(chunks("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    rest = iter(names)
    while some := list(islice(rest, size)):
        yield some
