"""What the ledger is and holds, in a few numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select, text
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tierwise_ledger.migrating import ledger_id
from tierwise_ledger.service.answers import Answer
from tierwise_ledger.store import Store
from tierwise_ledger.tables.base import NANO
from tierwise_ledger.tables.outcomes import OUTCOME_DAYS, OUTCOME_HOURS, OUTCOMES

__all__ = ["ROUTES", "status_in", "status_of"]

SIZES = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
    "postgresql": "SELECT pg_database_size(current_database())",
}


def status_of(store: Store) -> Mapping[str, Any]:
    """Tell the ledger's name, its database, and what is in it."""
    with store.read() as connection:
        return status_in(connection)


def status_in(connection: Connection) -> Mapping[str, Any]:
    """Tell the same, in the caller's transaction."""
    database = connection.dialect.name
    days = OUTCOME_DAYS.c
    sums = select(func.sum(days.requests), func.sum(days.cost_nano_usd))
    requests, cost = connection.execute(sums).one()
    return {
        "id": ledger_id(connection),
        "database": database,
        "tables": connection.execute(text("SELECT version_num FROM alembic_version")).scalar(),
        "bytes": int(connection.execute(text(SIZES[database])).scalar_one()),
        "requests": int(requests or 0),
        "cost_usd": int(cost or 0) / NANO,
        "since": connection.execute(select(func.min(OUTCOME_HOURS.c.hour))).scalar(),
        "oldest_outcome_at": connection.execute(select(func.min(OUTCOMES.c.at))).scalar(),
        "newest_outcome_at": connection.execute(select(func.max(OUTCOMES.c.at))).scalar(),
    }


def _status(request: Request) -> Response:
    return Answer(status_of(request.app.state.store))


ROUTES = (Route("/v1/status", _status),)
