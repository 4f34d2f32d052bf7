"""Two statements that both databases know and SQL's standard does not: insert once, and add up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["add_up", "insert_new", "replace_rows"]

Row = dict[str, Any]


def insert_new(connection: Connection, table: Table, key: str, rows: Sequence[Row]) -> set[Any]:
    """Insert the rows whose ``key`` is not there yet; tells which those were.

    Two that insert the same at the same time: one of them is told that it did.
    """
    if not rows:
        return set()
    statement = (
        _insert(connection, table)
        .on_conflict_do_nothing(index_elements=[key])
        .returning(table.c[key])
    )
    return set(connection.execute(statement, rows).scalars())


def add_up(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    """Add the rows' numbers to those of the same primary key, or begin with them."""
    keys = [column.name for column in table.primary_key]
    # Everybody takes the rows in the same order, so that two never wait for each other.
    ordered = sorted(rows, key=lambda row: tuple(row[key] for key in keys))
    if not ordered:
        return
    statement = _insert(connection, table)
    sums = {
        column.name: table.c[column.name] + statement.excluded[column.name]
        for column in table.columns
        if column.name not in keys
    }
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=sums), ordered)


def replace_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert the rows, in the place of those with the same primary key."""
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    statement = _insert(connection, table)
    values = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values), rows)


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)
