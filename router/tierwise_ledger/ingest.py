"""The way in: rows of a router's journal become outcomes, calls, words and sums, each once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert

from tierwise_core.decision_record import DecisionRecord, Feedback
from tierwise_ledger.auditing import chain
from tierwise_ledger.batch import Batch, Ingested
from tierwise_ledger.erasing import Gone, gone_rule
from tierwise_ledger.hourly import add_calls, add_outcomes
from tierwise_ledger.learning import taking
from tierwise_ledger.money import days
from tierwise_ledger.outcome_rows import packed
from tierwise_ledger.sorting import SortedRows, sort_rows
from tierwise_ledger.tables.calls import CALLS
from tierwise_ledger.tables.contents import CONTENTS
from tierwise_ledger.tables.feedback import FEEDBACK
from tierwise_ledger.tables.outcomes import OUTCOMES, RECORDS
from tierwise_ledger.tables.seen import SEEN
from tierwise_ledger.upsert import insert_new
from tierwise_ledger.words import apply_last_words, without_repeats

__all__ = ["TAKERS", "Taker", "ingest"]

Taker = Callable[[Connection, Batch], None]

TAKERS: tuple[Taker, ...] = (chain.take, taking.take, days.take)
"""Who else is told of new records, in the same transaction: one line per area."""


def ingest(
    connection: Connection,
    rows: Sequence[Mapping[str, Any]],
    *,
    received_at: float,
    skew_s: float = 0.0,
    takers: Sequence[Taker] | None = None,
) -> Ingested:
    """Take rows of a journal, in the caller's transaction; what is known by (kind, id) is skipped.

    ``skew_s`` is what has to be added to the sender's clock to get ours. A row that cannot be
    understood is rejected by itself, with words that say why: the others are taken.
    """
    found = sort_rows(rows, received_at, skew_s)
    _leave_out(found, gone_rule(connection))
    decisions = _take_decisions(connection, found)
    feedback = _take_words(connection, found)
    contents = insert_new(connection, CONTENTS, "id", list(found.contents.values()))
    others = _take_others(connection, found, received_at)
    apply_last_words(
        connection, [*(one.id for one in decisions), *(one.decision for one in feedback)]
    )
    told = tuple(found.decisions[one.id].told for one in decisions)
    batch = Batch(decisions, feedback, others, told)
    if batch:
        for taker in TAKERS if takers is None else takers:
            taker(connection, batch)
    new = len(decisions) + len(feedback) + len(contents) + len(others)
    return Ingested(new, len(rows) - new - len(found.rejected), tuple(found.rejected))


def _leave_out(found: SortedRows, gone: Gone) -> None:
    """Drop what was deleted here before it was sent again."""
    for name, taken in list(found.decisions.items()):
        if gone(taken.record.tenant, taken.record.at):
            del found.decisions[name]
    for name, content in list(found.contents.items()):
        if gone(content["tenant"], content["at"]):
            del found.contents[name]


def _take_decisions(connection: Connection, found: SortedRows) -> tuple[DecisionRecord, ...]:
    outcomes = [taken.outcome for taken in found.decisions.values()]
    new = insert_new(connection, OUTCOMES, "id", outcomes)
    taken = [one for name, one in found.decisions.items() if name in new]
    if not taken:
        return ()
    calls = {one.record.id: one.calls for one in taken}
    if flat := [call for some in calls.values() for call in some]:
        connection.execute(insert(CALLS), flat)
    connection.execute(
        insert(RECORDS),
        [{"id": one.record.id, "at": one.record.at, "body": packed(one.told)} for one in taken],
    )
    decisions = tuple(one.record for one in taken)
    parts = {one.record.id for one in taken if one.record.is_part}
    add_outcomes(connection, (one.outcome for one in taken), parts)
    asked = {one.record.id: (*one.calls, *one.judges) for one in taken}
    add_calls(connection, decisions, asked)
    return decisions


def _take_words(connection: Connection, found: SortedRows) -> tuple[Feedback, ...]:
    rows = without_repeats(connection, [row for _, row in found.words.values()])
    new = insert_new(connection, FEEDBACK, "id", rows)
    return tuple(word for name, (word, _) in found.words.items() if name in new)


def _take_others(
    connection: Connection, found: SortedRows, received_at: float
) -> tuple[Mapping[str, Any], ...]:
    named = [{"name": name, "at": received_at} for name in found.others]
    new = insert_new(connection, SEEN, "name", named)
    return tuple(row for name, row in found.others.items() if name in new)
