"""Tables of changes: what held from a moment on, until the next row of the same key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, and_, func, select

__all__ = ["latest"]


def latest(
    connection: Connection, table: Table, key: Sequence[str], before_ms: int | None = None
) -> list[dict[str, Any]]:
    """Give the last row of each key; with ``before_ms`` the last from before that moment."""
    columns = [table.c[name] for name in key]
    last = select(*columns, func.max(table.c.at_ms).label("at_ms")).group_by(*columns)
    if before_ms is not None:
        last = last.where(table.c.at_ms < before_ms)
    found = last.subquery()
    same = and_(*(table.c[name] == found.c[name] for name in (*key, "at_ms")))
    return [dict(row) for row in connection.execute(select(table).join(found, same)).mappings()]
