"""Reading the assertions store: rates of contradiction, and what is at odds with what."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, case, func, select

from tierwise_core.claims import Contradictions
from tierwise_ledger.service.asked import Span
from tierwise_ledger.tables.learned import CLAIMS

__all__ = ["claims_of_query", "contradiction_rates", "questions_at_odds"]

BY: Final = ("specialist", "revision", "field")
MOST: Final = 200


def contradiction_rates(
    connection: Connection, when: Span, specialist: str | None, field: str | None
) -> list[dict[str, Any]]:
    """Tell how often each Specialist's revision contradicts in each field, and how sure that is."""
    by = [CLAIMS.c[name] for name in BY]
    compared = func.sum(_one(CLAIMS.c.compared))
    against = func.sum(_one(CLAIMS.c.contradicts != ""))
    query = (
        select(*by, func.count(), compared, against)
        .where(*_where(when, specialist, field))
        .group_by(*by)
        .order_by(*by)
    )
    return [
        {**dict(zip(BY, names, strict=True)), "claims": claims, **_rate(int(of), int(off))}
        for *names, claims, of, off in connection.execute(query)
    ]


def _one(condition: Any) -> Any:
    return case((condition, 1), else_=0)


def _rate(compared: int, contradicted: int) -> dict[str, Any]:
    found = Contradictions(compared, contradicted)
    low, high = found.interval
    return {
        "compared": compared,
        "contradicted": contradicted,
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
    off = func.sum(_one(CLAIMS.c.contradicts != ""))
    by = (CLAIMS.c.tenant, CLAIMS.c.query_id, CLAIMS.c.context_id)
    query = (
        select(*by, func.count(), func.count(CLAIMS.c.answer_id.distinct()), off)
        .where(*_where(when, specialist, field))
        .group_by(*by)
        .having(off > 0)
        .order_by(off.desc(), *by)
        .limit(limit)
    )
    return [
        {
            "tenant": tenant, "query": query_id, "context": context, "claims": claims,
            "answers": answers, "contradicted": int(against),
        }
        for tenant, query_id, context, claims, answers, against in connection.execute(query)
    ]  # fmt: skip


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
