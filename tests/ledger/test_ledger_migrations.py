"""The migrations make the tables that the code knows, and bring older databases up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from ledgers import NOON, a_decision

from tierwise_ledger.ingest import ingest
from tierwise_ledger.migrating import ledger_id, migrate
from tierwise_ledger.reading import find_outcome
from tierwise_ledger.store import Store
from tierwise_ledger.tables import METADATA


def test_the_migrations_make_exactly_the_tables_of_the_code(store: Store) -> None:
    with store.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences: list[Any] = compare_metadata(context, METADATA)

    assert differences == []


def test_an_older_database_keeps_its_data_when_it_is_brought_up(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    old = Store.open(url, bring_up=False)
    migrate(old.engine, "0001")
    with old.begin() as connection:
        ingest(connection, [a_decision(1)], received_at=NOON, takers=())
    old.close()

    new = Store.open(url)
    with new.begin() as connection:
        assert find_outcome(connection, "d-pod-one-000001")["state"] == "accepted"
        assert ingest(connection, [a_decision(1), a_decision(2)], received_at=NOON).new == 1
    new.close()


def test_of_several_that_start_together_one_brings_it_up(database_url: str) -> None:
    with ThreadPoolExecutor(4) as several:
        stores = list(several.map(Store.open, [database_url] * 4))

    names = set()
    for store in stores:
        with store.read() as connection:
            names.add(ledger_id(connection))
        store.close()
    assert len(names) == 1
