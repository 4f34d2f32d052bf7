"""Reading the assertions store: rates of contradiction, and what is at odds with what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Select, Table, case, func, select, text

from tierwise_core.claims import Contradictions
from tierwise_ledger.service.asked import Span
from tierwise_ledger.tables.judged import WINDOW_HOURS
from tierwise_ledger.tables.learned import CLAIM_HOURS, CLAIMS

__all__ = ["claims_of_query", "contradiction_rates", "questions_at_odds"]

BY: Final = ("specialist", "revision", "field")
QUESTION: Final = ("tenant", "query_id", "context_id")
RATE: Final = ("claims", "compared", "contradicted")
MOST: Final = 200
HOUR_S: Final = 3600


def contradiction_rates(
    connection: Connection, when: Span, specialist: str | None, field: str | None
) -> list[dict[str, Any]]:
    """Tell how often each Specialist's revision contradicts in each field, and how sure that is.

    Whole hours are read from sums, so that a month of millions of claims is quick.
    """
    first, last = -(-when.since // HOUR_S) * HOUR_S, when.until // HOUR_S * HOUR_S
    found: dict[tuple[str, ...], Counter[str]] = {}
    queries = [_of_claims(Span(when.since, when.until), specialist, field)]
    if first < last:
        queries = [
            _of_claims(Span(when.since, first), specialist, field),
            _of_hours(CLAIM_HOURS, ("claims",), Span(first, last), specialist, field),
            _of_hours(WINDOW_HOURS, RATE[1:], Span(first, last), specialist, field),
            _of_claims(Span(last, when.until), specialist, field),
        ]
    for query in queries:
        for row in connection.execute(query).mappings():
            counts = found.setdefault(tuple(row[name] for name in BY), Counter())
            counts.update({name: int(row[name]) for name in RATE if name in row})
    return [
        {**dict(zip(BY, names, strict=True)), "claims": counts["claims"], **_rate(counts)}
        for names, counts in sorted(found.items())
        if counts["claims"]
    ]


def _of_claims(when: Span, specialist: str | None, field: str | None) -> Select[Any]:
    by = [CLAIMS.c[name] for name in BY]
    told = (
        func.count().label("claims"),
        func.sum(_one(CLAIMS.c.compared)).label("compared"),
        func.sum(_one(CLAIMS.c.contradicts != "")).label("contradicted"),
    )
    return select(*by, *told).where(*_where(when, specialist, field)).group_by(*by)


def _of_hours(
    table: Table, names: Sequence[str], when: Span, specialist: str | None, field: str | None
) -> Select[Any]:
    by = [table.c[name] for name in BY]
    query = select(*by, *(func.sum(table.c[name]).label(name) for name in names)).group_by(*by)
    query = query.where(table.c.begin >= when.since, table.c.begin < when.until)
    for column, value in ((table.c.specialist, specialist), (table.c.field, field)):
        if value is not None:
            query = query.where(column == value)
    return query


def _one(condition: Any) -> Any:
    return case((condition, 1), else_=0)


def _rate(counts: Mapping[str, int]) -> dict[str, Any]:
    found = Contradictions(counts["compared"], counts["contradicted"])
    low, high = found.interval
    return {
        "compared": found.compared,
        "contradicted": found.contradicted,
        "rate": found.rate,
        "low": low,
        "high": high,
    }


def _where(when: Span, specialist: str | None, field: str | None) -> list[Any]:
    given = [CLAIMS.c.at >= when.since, CLAIMS.c.at < when.until]
    if specialist is not None:
        given.append(CLAIMS.c.specialist == specialist)
    if field is not None:
        given.append(CLAIMS.c.field == field)
    return given


def questions_at_odds(
    connection: Connection,
    when: Span,
    specialist: str | None,
    field: str | None,
    limit: int,
) -> list[dict[str, Any]]:
    """List the questions with answers at odds, those with most of them first."""
    by = [CLAIMS.c[name] for name in QUESTION]
    off = func.count()
    query = (
        select(*by, off)
        # Written as the index has it: of all claims only the few at odds are read.
        .where(text("contradicts <> ''"), *_where(when, specialist, field))
        .group_by(*by)
        .order_by(off.desc(), *by)
        .limit(limit)
    )
    return [
        {
            **dict(zip(("tenant", "query", "context"), question, strict=True)),
            **_told_of(connection, question, _where(when, specialist, field)),
            "contradicted": int(against),
        }
        for *question, against in connection.execute(query).all()
    ]


def _told_of(
    connection: Connection, question: Sequence[str], within: Sequence[Any]
) -> dict[str, int]:
    """Count the claims about one question, and how many answers they give."""
    same = [CLAIMS.c[name] == value for name, value in zip(QUESTION, question, strict=True)]
    query = select(func.count(), func.count(CLAIMS.c.answer_id.distinct())).where(*same, *within)
    claims, answers = connection.execute(query).one()
    return {"claims": claims, "answers": answers}


def claims_of_query(connection: Connection, query_id: str, when: Span) -> list[dict[str, Any]]:
    """List who claimed what about one question, the latest first."""
    query = (
        select(CLAIMS)
        .where(CLAIMS.c.query_id == query_id, CLAIMS.c.at >= when.since, CLAIMS.c.at < when.until)
        .order_by(CLAIMS.c.at.desc(), CLAIMS.c.decision, CLAIMS.c.position)
        .limit(MOST)
    )
    return [
        {
            "decision": row["decision"], "position": row["position"], "at": row["at"],
            "tenant": row["tenant"], "specialist": row["specialist"],
            "revision": row["revision"], "field": row["field"], "answer": row["answer_id"],
            "confidence": row["confidence"], "verdict": row["verdict"],
            "byPeople": row["by_people"], "compared": row["compared"],
            "contradicts": row["contradicts"],
        }
        for row in connection.execute(query).mappings()
    ]  # fmt: skip
