"""What was asked, answered and said of it, as rows to train and to test with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, and_, or_, select

from tierwise_core.decision_record import DecisionRecord
from tierwise_core.training_rows import HELD_OUT, Asked, Given, Kind, rows_of
from tierwise_ledger.learning.interactions import Word, last_words
from tierwise_ledger.outcome_rows import unpacked
from tierwise_ledger.service.asked import Span
from tierwise_ledger.tables.judged import INTERACTIONS
from tierwise_ledger.tables.learned import ROLLED_BACK
from tierwise_ledger.tables.outcomes import RECORDS

__all__ = ["ReadTexts", "Texts", "Wanted", "export_rows"]

PAGE: Final = 300
JUDGED: Final = ("feedback", "verifier")


@dataclass(frozen=True, slots=True)
class Texts:
    """What was said in one decision: the messages, and the answers by the number of their step.

    ``went_out`` is what the client got, for a last step that is not among the answers.
    """

    messages: tuple[Mapping[str, Any], ...]
    answers: Mapping[int, str]
    went_out: str = ""


ReadTexts = Callable[[Connection, Sequence[str]], Mapping[str, Texts]]
"""Gives the texts of decisions, as far as there are any."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows: of a kind, from a time, of whom (None: all), and the share held out for tests."""

    kind: Kind
    when: Span
    specialist: str | None = None
    field: str | None = None
    tenant: str | None = None
    hold_out: float = HELD_OUT


def export_rows(
    connection: Connection, wanted: Wanted, read_texts: ReadTexts
) -> Iterator[dict[str, Any]]:
    """Give the rows, the oldest decision first; decisions without texts are left out."""
    taken_back = {(row.specialist, row.revision) for row in connection.execute(select(ROLLED_BACK))}
    for names in _judged(connection, wanted):
        texts = read_texts(connection, names)
        words = last_words(connection, names)
        records = _records(connection, names)
        for name in names:
            record = records.get(name)
            if record is None or name not in texts or not _is_wanted(record, wanted):
                continue
            asked = _asked(record, texts[name], words.get(name))
            yield from rows_of(wanted.kind, asked, taken_back, wanted.hold_out)


def _judged(connection: Connection, wanted: Wanted) -> Iterator[list[str]]:
    """Page through the decisions that a person or a verifier has judged any answer of."""
    at, decision = INTERACTIONS.c.at, INTERACTIONS.c.decision
    query = (
        select(at, decision)
        .where(
            at >= wanted.when.since,
            at < wanted.when.until,
            INTERACTIONS.c.source.in_(JUDGED),
        )
        .distinct()
        .order_by(at, decision)
        .limit(PAGE)
    )
    if wanted.specialist is not None:
        query = query.where(INTERACTIONS.c.specialist == wanted.specialist)
    after: tuple[float, str] | None = None
    while True:
        # Written out, as SQLite of some systems compares no pairs with an index.
        more = (
            query
            if after is None
            else query.where(or_(at > after[0], and_(at == after[0], decision > after[1])))
        )
        rows = connection.execute(more).all()
        if not rows:
            return
        yield [row.decision for row in rows]
        after = (rows[-1].at, rows[-1].decision)


def _records(connection: Connection, names: Sequence[str]) -> dict[str, DecisionRecord]:
    query = select(RECORDS.c.id, RECORDS.c.body).where(RECORDS.c.id.in_(names))
    return {name: DecisionRecord.of(unpacked(body)) for name, body in connection.execute(query)}


def _is_wanted(record: DecisionRecord, wanted: Wanted) -> bool:
    if wanted.tenant is not None and record.tenant != wanted.tenant:
        return False
    return wanted.field is None or _field(record) == wanted.field


def _field(record: DecisionRecord) -> str:
    own = record.steps[-1].own_field if record.steps else None
    return own or record.field or ""


def _asked(record: DecisionRecord, texts: Texts, word: Word | None) -> Asked:
    answers = []
    for position, step in enumerate(record.steps):
        went_out = position == len(record.steps) - 1 and bool(record.specialist)
        text = texts.answers.get(position) or (texts.went_out if went_out else "")
        if step.failure or not text:
            continue
        heard = word if went_out else None
        answers.append(
            Given(
                position,
                text,
                step.specialist,
                step.revision,
                heard.accepted if heard else step.verified,
                by_people=heard is not None,
                went_out=went_out,
            )
        )
    return Asked(
        record.id,
        record.at,
        _field(record),
        record.query_id,
        texts.messages,
        tuple(answers),
        word.corrected if word else None,
    )
