"""What was asked, answered and said of it, as rows to train and to test with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, exists, or_, select

from tierwise_core.decision_record import DecisionRecord
from tierwise_core.training_rows import HELD_OUT, Asked, Given, Kind, rows_of
from tierwise_ledger.learning.failures import taken_back_by
from tierwise_ledger.learning.interactions import Word, last_words
from tierwise_ledger.learning.standing import standing_answers
from tierwise_ledger.learning.texts import ReadTexts, Texts
from tierwise_ledger.outcome_rows import unpacked
from tierwise_ledger.service.asked import Span
from tierwise_ledger.tables.judged import INTERACTIONS
from tierwise_ledger.tables.learned import ROLLED_BACK
from tierwise_ledger.tables.outcomes import RECORDS
from tierwise_ledger.tables.rollouts import ROLLOUT_FAILURES

__all__ = ["Wanted", "export_rows"]

PAGE: Final = 300
JUDGED: Final = ("feedback", "verifier")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows: of a kind, from a time, of whom (None: all), and the share held out for tests.

    ``rollout`` asks for what one rollout took back, and nothing else.
    """

    kind: Kind
    when: Span
    specialist: str | None = None
    field: str | None = None
    tenant: str | None = None
    hold_out: float = HELD_OUT
    rollout: str | None = None


def export_rows(
    connection: Connection, wanted: Wanted, read_texts: ReadTexts
) -> Iterator[dict[str, Any]]:
    """Give the rows, the oldest decision first; decisions without texts are left out."""
    taken_back = {(row.specialist, row.revision) for row in connection.execute(select(ROLLED_BACK))}
    for names in _judged(connection, wanted):
        known = _known(connection, names, read_texts)
        for name in names:
            record = known.records.get(name)
            if record is None or name not in known.texts or not _is_wanted(record, wanted):
                continue
            yield from rows_of(wanted.kind, _asked(record, known), taken_back, wanted.hold_out)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of some decisions, by their names; ``rollouts`` by their answers."""

    texts: Mapping[str, Texts]
    words: Mapping[str, Word]
    records: Mapping[str, DecisionRecord]
    rollouts: Mapping[tuple[str, int], str]
    stands: Mapping[str, str]


def _known(connection: Connection, names: Sequence[str], read_texts: ReadTexts) -> _Known:
    rollouts = taken_back_by(connection, names)
    wrong = sorted({decision for decision, _ in rollouts})
    return _Known(
        read_texts(connection, names),
        last_words(connection, names),
        _records(connection, names),
        rollouts,
        standing_answers(connection, wrong, read_texts),
    )


def _judged(connection: Connection, wanted: Wanted) -> Iterator[list[str]]:
    """Page through the decisions that a person or a verifier judged, or a rollout took back."""
    at, decision = INTERACTIONS.c.at, INTERACTIONS.c.decision
    query = _chosen(wanted).distinct().order_by(at, decision).limit(PAGE)
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


def _chosen(wanted: Wanted) -> Select[Any]:
    one, wrong = INTERACTIONS.c, ROLLOUT_FAILURES.c
    taken_back = exists().where(wrong.decision == one.decision, wrong.position == one.position)
    if wanted.rollout is not None:
        taken_back = taken_back.where(wrong.rollout == wanted.rollout)
        which: Any = taken_back
    else:
        which = or_(one.source.in_(JUDGED), taken_back)
    query = select(one.at, one.decision).where(
        one.at >= wanted.when.since, one.at < wanted.when.until, which
    )
    if wanted.specialist is not None:
        query = query.where(one.specialist == wanted.specialist)
    return query


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


def _asked(record: DecisionRecord, known: _Known) -> Asked:
    texts, word = known.texts[record.id], known.words.get(record.id)
    answers = []
    for position, step in enumerate(record.steps):
        went_out = position == len(record.steps) - 1 and bool(record.specialist)
        text = texts.of(position, answered=went_out)
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
                rollout=known.rollouts.get((record.id, position), ""),
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
        known.stands.get(record.id, ""),
    )
