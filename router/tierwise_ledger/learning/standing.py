"""What stands against an answer: what people gave as right to the same question, or most say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, select

from tierwise_ledger.learning.claiming import Question
from tierwise_ledger.learning.interactions import last_words
from tierwise_ledger.learning.texts import ReadTexts
from tierwise_ledger.tables.learned import CLAIMS
from tierwise_ledger.words import chunks

__all__ = ["standing_answers"]

AT_ONCE: Final = 500
MOST_TRIED: Final = 20
"""Of a question that is asked all day; the texts of most are the same or not kept."""

COLUMNS: Final = (CLAIMS.c.decision, CLAIMS.c.position, CLAIMS.c.answered)


def standing_answers(
    connection: Connection, decisions: Sequence[str], read_texts: ReadTexts
) -> dict[str, str]:
    """Give the text that stands to the question of each decision, where there is one."""
    by_question: dict[Question, str] = {}
    found: dict[str, str] = {}
    for decision, question in _questions(connection, decisions):
        if question not in by_question:
            corrected = _corrected(connection, question)
            by_question[question] = corrected or _unopposed(connection, question, read_texts)
        if by_question[question]:
            found[decision] = by_question[question]
    return found


def _questions(connection: Connection, decisions: Sequence[str]) -> Iterator[tuple[str, Question]]:
    of = [CLAIMS.c[name] for name in Question._fields]
    for names in chunks(decisions, AT_ONCE):
        query = select(CLAIMS.c.decision, *of).where(CLAIMS.c.decision.in_(names)).distinct()
        for decision, *question in connection.execute(query):
            yield decision, Question(*question)


def _same(question: Question) -> list[Any]:
    return [CLAIMS.c[name] == value for name, value in question._asdict().items()]


def _corrected(connection: Connection, question: Question) -> str:
    """Give what people said last is the right answer."""
    query = (
        select(CLAIMS.c.decision)
        .where(*_same(question), CLAIMS.c.corrected_id != "")
        .order_by(CLAIMS.c.said_at.desc(), CLAIMS.c.decision.desc())
        .limit(1)
    )
    decision = connection.execute(query).scalar_one_or_none()
    word = last_words(connection, [decision]).get(decision) if decision else None
    return (word.corrected if word else None) or ""


def _unopposed(connection: Connection, question: Question, read_texts: ReadTexts) -> str:
    """Give an answer that was compared with others and is at odds with none that stands."""
    query = (
        select(*COLUMNS)
        .where(*_same(question), CLAIMS.c.compared, CLAIMS.c.contradicts == "")
        .order_by(CLAIMS.c.at.desc(), CLAIMS.c.decision)
        .limit(MOST_TRIED)
    )
    rows = connection.execute(query).all()
    texts: Mapping[str, Any] = read_texts(connection, [row.decision for row in rows])
    for row in rows:
        kept = texts.get(row.decision)
        if kept and (text := kept.of(row.position, answered=row.answered)):
            return str(text)
    return ""
