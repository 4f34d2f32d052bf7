"""The assertions store: what each Specialist claimed, by canonical question, and what stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, text, update

from tierwise_core.claims import Claim, answer_id, standings
from tierwise_core.decision_record import DecisionRecord
from tierwise_ledger.learning.interactions import Changes, Word, field_of, plain
from tierwise_ledger.tables.base import hour_of
from tierwise_ledger.tables.learned import CLAIM_HOURS, CLAIMS
from tierwise_ledger.upsert import add_up
from tierwise_ledger.words import chunks

__all__ = ["Question", "claim_rows", "record_claims"]

AT_ONCE: Final = 500
MOST_COMPARED: Final = 200
"""Of a question that is asked all day the latest claims are compared; the others stay as judged."""

MOST_ID: Final = 64
HOUR_OF: Final = ("specialist", "revision", "field")
SAID: Final = ("by_people", "verdict", "corrected_id", "said_at")

READ: Final = (
    "decision", "position", "specialist", "revision", "field", "answer_id", "confidence", "at",
    "verdict", "by_people", "corrected_id", "said_at", "compared", "contradicts",
)  # fmt: skip
# One of the few statements that is run for every question: as text it is not built each time.
CLAIMS_OF: Final = text(
    f"SELECT {', '.join(READ)} FROM claims WHERE tenant = :tenant AND query_id = :query_id "  # noqa: S608
    "AND context_id = :context_id ORDER BY at DESC, decision, position LIMIT :most"
).columns(*(CLAIMS.c[name] for name in READ))
STAND: Final = (
    update(CLAIMS)
    .where(CLAIMS.c.decision == bindparam("of"), CLAIMS.c.position == bindparam("at_position"))
    .values(compared=bindparam("now_compared"), contradicts=bindparam("now_contradicts"))
)

Row = dict[str, Any]


class Question(NamedTuple):
    """What claims are compared by: the same tenant asks the same in the same context."""

    tenant: str
    query_id: str
    context_id: str


def record_claims(
    connection: Connection,
    records: Sequence[DecisionRecord],
    words: Mapping[str, Word],
    changes: Changes,
) -> None:
    """Take new claims and new words, and judge every question that they are about anew."""
    new = [row for record in records for row in claim_rows(record, words.get(record.id))]
    if new:
        connection.execute(insert(CLAIMS), new)
        add_up(connection, CLAIM_HOURS, _hours(new))
    new_names = {row["decision"] for row in new}
    older = _hear(connection, {name: word for name, word in words.items() if name not in new_names})
    asked = {_question(row) for row in (*new, *older)}
    _judge(connection, sorted(asked), changes)


def _hours(rows: Iterable[Row]) -> Iterator[Row]:
    names = (*HOUR_OF, "begin")
    counts = Counter((*(row[name] for name in HOUR_OF), hour_of(row["at"])) for row in rows)
    for key, claims in counts.items():
        yield {**dict(zip(names, key, strict=True)), "claims": claims}


def claim_rows(record: DecisionRecord, word: Word | None) -> Iterable[Row]:
    """Give the claims of a decision: its answers that can be compared with others."""
    if not record.query_id:
        return
    for position, step in enumerate(record.steps):
        answer = plain(str(step.answer_id))[:MOST_ID]
        if step.failure or not answer:
            continue
        answered = position == len(record.steps) - 1 and bool(record.specialist)
        heard = word if answered else None
        confidence = step.confidence if step.confidence is not None else step.predicted
        yield {
            "decision": record.id,
            "position": position,
            "tenant": plain(record.tenant),
            "query_id": plain(record.query_id)[:MOST_ID],
            "context_id": plain(str(record.context_id))[:MOST_ID],
            "answer_id": answer,
            "specialist": plain(step.specialist),
            "revision": plain(step.revision),
            "field": field_of(record, step),
            "confidence": 0.5 if confidence is None else confidence,
            "at": record.at,
            "answered": answered,
            "verdict": step.verified,
            **_said(heard),
            "compared": False,
            "contradicts": "",
        }


def _said(word: Word | None) -> Row:
    """Give what a word makes of a claim; nothing is said without one."""
    if word is None:
        return {"by_people": False, "corrected_id": "", "said_at": 0.0}
    corrected = answer_id(word.corrected) if word.corrected else ""
    return {
        "by_people": True,
        "verdict": word.accepted,
        "corrected_id": corrected,
        "said_at": word.at,
    }


def _hear(connection: Connection, words: Mapping[str, Word]) -> list[Row]:
    """Bring the verdicts of known claims to the last word; gives the claims that it is about."""
    found: list[Row] = []
    for names in chunks(sorted(words), AT_ONCE):
        query = select(CLAIMS).where(CLAIMS.c.decision.in_(names), CLAIMS.c.answered)
        found += [dict(row) for row in connection.execute(query).mappings()]
    if found:
        statement = (
            update(CLAIMS)
            .where(
                CLAIMS.c.decision == bindparam("of"), CLAIMS.c.position == bindparam("at_position")
            )
            .values({name: bindparam(f"new_{name}") for name in SAID})
        )
        connection.execute(statement, [_heard(row, words[row["decision"]]) for row in found])
    return found


def _heard(row: Row, word: Word) -> Row:
    said = {f"new_{name}": value for name, value in _said(word).items()}
    return {"of": row["decision"], "at_position": row["position"], **said}


def _question(row: Mapping[str, Any]) -> Question:
    return Question(row["tenant"], row["query_id"], row["context_id"])


def _same(table: Any, question: Question) -> list[Any]:
    return [table.c[name] == value for name, value in question._asdict().items()]


def _judge(connection: Connection, asked: Iterable[Question], changes: Changes) -> None:
    """Compare the claims to each question; those that now stand otherwise are written."""
    changed = [row for question in asked for row in _changed(connection, question)]
    if not changed:
        return
    connection.execute(STAND, changed)
    changes.load((row["of"], row["at_position"]) for row in changed)
    for row in changed:
        changes.stand(
            (row["of"], row["at_position"]),
            compared=row["now_compared"],
            contradicted=bool(row["now_contradicts"]),
        )


def _changed(connection: Connection, question: Question) -> Iterable[Row]:
    given = {**question._asdict(), "most": MOST_COMPARED}
    rows = connection.execute(CLAIMS_OF, given).mappings().all()
    if len(rows) == 1 and not rows[0]["compared"] and not rows[0]["corrected_id"]:
        return
    found = standings([_claim(row) for row in rows], _right_answer(connection, question, rows))
    for row, standing in zip(rows, found, strict=True):
        if (row["compared"], row["contradicts"]) != (standing.compared, standing.contradicts):
            yield {
                "of": row["decision"],
                "at_position": row["position"],
                "now_compared": standing.compared,
                "now_contradicts": standing.contradicts,
            }


def _right_answer(connection: Connection, question: Question, rows: Sequence[Any]) -> str:
    """Find what people gave as right; the last one counts."""
    if len(rows) < MOST_COMPARED:
        said = [row for row in rows if row["corrected_id"]]
        last = max(said, key=lambda row: (row["said_at"], row["decision"]), default=None)
        return str(last["corrected_id"]) if last is not None else ""
    query = (
        select(CLAIMS.c.corrected_id)
        .where(*_same(CLAIMS, question), CLAIMS.c.corrected_id != "")
        .order_by(CLAIMS.c.said_at.desc(), CLAIMS.c.decision.desc())
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none() or ""


def _claim(row: Any) -> Claim:
    return Claim(
        row["decision"],
        row["position"],
        row["specialist"],
        row["revision"],
        row["field"],
        row["answer_id"],
        row["confidence"],
        row["at"],
        row["verdict"],
        by_people=row["by_people"],
    )
