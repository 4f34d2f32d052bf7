"""How requests are asked, which says how long they could wait: streamed, in a session, alone."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, func, select

from tierwise_core.decision_record import SHADOW
from tierwise_ledger.service.asked import Span
from tierwise_ledger.tables.base import NANO
from tierwise_ledger.tables.outcomes import OUTCOMES

__all__ = ["waiting"]

MOST_REQUESTS: Final = 100_000


def waiting(connection: Connection, span: Span) -> dict[str, Any]:
    """Count the requests of a time by workload, latency class and how they were asked.

    Of more than MOST_REQUESTS the newest count; ``since`` says from when on.
    """
    table = OUTCOMES.c
    newest = (
        select(
            table.at,
            table.workload,
            table.latency_class,
            table.stream,
            (table.session != "").label("in_session"),
            table.cost_nano_usd,
        )
        .where(table.at >= span.since, table.at < span.until, table.state != SHADOW)
        .order_by(table.at.desc())
        .limit(MOST_REQUESTS)
        .subquery()
        .c
    )
    kinds = (newest.workload, newest.latency_class, newest.stream, newest.in_session)
    query = select(
        *kinds,
        func.count().label("requests"),
        func.sum(newest.cost_nano_usd).label("nano_usd"),
        func.min(newest.at).label("since"),
    ).group_by(*kinds)
    found = list(connection.execute(query))
    cut = sum(row.requests for row in found) >= MOST_REQUESTS
    return {
        "since": min((row.since for row in found), default=span.since) if cut else span.since,
        "until": span.until,
        "kinds": [_kind(row) for row in sorted(found, key=lambda row: -row.requests)],
    }


def _kind(row: Any) -> dict[str, Any]:
    return {
        "workload": row.workload or row.latency_class,
        "latency_class": row.latency_class or "realtime",
        "stream": bool(row.stream),
        "in_session": bool(row.in_session),
        "requests": row.requests,
        "usd": int(row.nano_usd) / NANO,
    }
