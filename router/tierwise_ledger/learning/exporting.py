"""What was asked, answered and said of it, as rows to train and to test with."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, exists, func, or_, select

from tierwise_core.decision_record import DecisionRecord
from tierwise_core.training_rows import HELD_OUT, Asked, Given, Kind, rows_of
from tierwise_ledger.learning.failures import taken_back_by
from tierwise_ledger.learning.interactions import Word, last_words
from tierwise_ledger.learning.sides import fields_of
from tierwise_ledger.learning.standing import standing_answers
from tierwise_ledger.learning.texts import ReadTexts, Texts
from tierwise_ledger.outcome_rows import unpacked
from tierwise_ledger.service.asked import Span
from tierwise_ledger.tables.contents import CONTENTS
from tierwise_ledger.tables.judged import INTERACTIONS
from tierwise_ledger.tables.learned import ROLLED_BACK
from tierwise_ledger.tables.outcomes import OUTCOMES, RECORDS
from tierwise_ledger.tables.rollouts import ROLLOUT_FAILURES
from tierwise_ledger.words import chunks

__all__ = ["Wanted", "export_rows"]

PAGE: Final = 300
SLICE_S: Final = 6 * 3600.0
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
    connection: Connection,
    wanted: Wanted,
    read_texts: ReadTexts,
    among: Collection[str] | None = None,
    *,
    stored: bool = False,
) -> Iterator[dict[str, Any]]:
    """Give the rows, the oldest decision first; decisions without texts are left out.

    ``among`` names the decisions that have texts, where that is known; ``stored`` tells that only
    those have whose contents are kept. Of millions of judged answers these may be few.
    """
    taken_back = {(row.specialist, row.revision) for row in connection.execute(select(ROLLED_BACK))}
    for names in _judged(connection, wanted, among, stored=stored):
        known = _known(connection, names, read_texts)
        for name in names:
            record = known.records.get(name)
            if record is not None and _is_wanted(record, wanted):
                yield from rows_of(wanted.kind, _asked(record, known), taken_back, wanted.hold_out)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of some decisions, by their names; ``rollouts`` by their answers."""

    texts: Mapping[str, Texts]
    words: Mapping[str, Word]
    records: Mapping[str, DecisionRecord]
    rollouts: Mapping[tuple[str, int], str]
    stands: Mapping[str, str]


def _known(connection: Connection, judged: Sequence[str], read_texts: ReadTexts) -> _Known:
    texts = read_texts(connection, judged)
    names = [name for name in judged if name in texts]
    rollouts = taken_back_by(connection, names)
    wrong = sorted({decision for decision, _ in rollouts})
    return _Known(
        texts,
        last_words(connection, names),
        _records(connection, names),
        rollouts,
        standing_answers(connection, wrong, read_texts),
    )


def _judged(
    connection: Connection, wanted: Wanted, among: Collection[str] | None, *, stored: bool
) -> Iterator[list[str]]:
    """Name the decisions that a person or a verifier judged, or a rollout took back, by pages."""
    if stored and connection.execute(select(CONTENTS.c.id).limit(1)).first() is None:
        return
    kept = [exists().where(CONTENTS.c.id == INTERACTIONS.c.decision)] if stored else []
    for queries in _queries(connection, wanted, among):
        asked = (query.where(*kept) for query in queries)
        rows = {tuple(row) for query in asked for row in connection.execute(query)}
        yield from chunks((decision for _, decision in sorted(rows)), PAGE)


def _queries(
    connection: Connection, wanted: Wanted, among: Collection[str] | None
) -> Iterator[list[Select[Any]]]:
    """Give queries whose rows are to be in order, and then more: each answer is read once."""
    query, one = _chosen(connection, wanted), INTERACTIONS.c
    if among is not None:
        yield [query.where(one.decision.in_(names)) for names in chunks(among, PAGE)]
    elif wanted.rollout is not None:
        yield [query]
    else:
        for since, until in _slices(connection, wanted.when):
            yield [query.where(one.at >= since, one.at < until)]


def _slices(connection: Connection, when: Span) -> Iterator[tuple[float, float]]:
    """Cut the part of a time that has any answers into some hours each."""
    at = INTERACTIONS.c.at
    first = connection.execute(select(func.min(at)).where(at >= when.since)).scalar()
    last = connection.execute(select(func.max(at)).where(at < when.until)).scalar()
    while first is not None and last is not None and first <= last:
        yield first, first + SLICE_S
        first += SLICE_S


def _chosen(connection: Connection, wanted: Wanted) -> Select[Any]:
    one, wrong = INTERACTIONS.c, ROLLOUT_FAILURES.c
    same = and_(wrong.decision == one.decision, wrong.position == one.position)
    query = select(one.at, one.decision).where(
        one.at >= wanted.when.since, one.at < wanted.when.until
    )
    if wanted.rollout is not None:
        joined = ROLLOUT_FAILURES.join(INTERACTIONS, same)
        query = query.select_from(joined).where(wrong.rollout == wanted.rollout)
    else:
        query = query.where(or_(one.source.in_(JUDGED), exists().where(same)))
    if wanted.specialist is not None:
        # With its fields its answers are found by an index, and nobody else's are read.
        fields = fields_of(connection, wanted.specialist, wanted.when.since)
        query = query.where(one.specialist == wanted.specialist, one.field.in_(fields))
    if wanted.tenant is not None:
        theirs = and_(OUTCOMES.c.id == one.decision, OUTCOMES.c.tenant == wanted.tenant)
        query = query.where(exists().where(theirs))
    return query


def _records(connection: Connection, names: Sequence[str]) -> dict[str, DecisionRecord]:
    query = select(RECORDS.c.id, RECORDS.c.body).where(RECORDS.c.id.in_(names))
    return {name: DecisionRecord.of(unpacked(body)) for name, body in connection.execute(query)}


def _is_wanted(record: DecisionRecord, wanted: Wanted) -> bool:
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
