"""The migrations make the tables that the code knows, and bring older databases up."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tierwise_ledger.store import Store
from tierwise_ledger.tables import METADATA


def test_the_migrations_make_exactly_the_tables_of_the_code(store: Store) -> None:
    with store.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences: list[Any] = compare_metadata(context, METADATA)

    assert differences == []
