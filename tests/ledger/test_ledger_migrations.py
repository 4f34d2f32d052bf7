"""The migrations make the tables that the code knows, and bring older databases up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from ledgers import NOON, a_decision
from sqlalchemy import Connection, insert, select, text

from tierwise_ledger.ingest import ingest
from tierwise_ledger.learning.assertions import questions_at_odds
from tierwise_ledger.migrating import ledger_id, migrate
from tierwise_ledger.reading import find_outcome
from tierwise_ledger.service.asked import Span
from tierwise_ledger.store import Store
from tierwise_ledger.tables import METADATA
from tierwise_ledger.tables.judged import LATENCY_HOURS
from tierwise_ledger.tables.learned import CLAIM_HOURS
from tierwise_ledger.tables.prices import REPLICA_RATES


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


def test_sums_for_long_reports_are_made_of_what_an_older_version_left(store: Store) -> None:
    answer = {"answer_id": "a"}
    rows = [a_decision(number, at=NOON + number * 700.5, step=answer) for number in range(30)]
    with store.begin() as connection:
        ingest(connection, rows, received_at=NOON)
    rate = {"specialist": "demo/sorter", "tier": "h100", "prefill_mtps": 1, "decode_mtps": 1,
            "gpus": 1, "measured": True, "at_ms": 5}  # fmt: skip
    with store.begin() as connection:
        connection.execute(insert(REPLICA_RATES), rate)
    before = tables(store)

    go_down(store, "0003")
    migrate(store.engine)

    assert tables(store) == before
    assert [len(found) for found in before] == [1, 6, 6]


def test_postgresql_sweeps_claims_early_and_what_was_at_odds_stays_so(store: Store) -> None:
    rows = [a_decision(number, step={"answer_id": f"a-{number}"}) for number in (0, 7)]
    go_down(store, "0006")
    with store.begin() as connection:
        ingest(connection, rows, received_at=NOON)
        assert sweeping(connection) is None
    before = at_odds(store)

    migrate(store.engine)

    assert at_odds(store) == before
    assert before[0]["contradicted"] == 2
    with store.read() as connection:
        said = sweeping(connection)
    assert store.is_sqlite or "autovacuum_vacuum_insert_scale_factor=0.01" in said


def sweeping(connection: Connection) -> Any:
    if connection.dialect.name == "sqlite":
        return None
    query = text("SELECT reloptions FROM pg_class WHERE relname = 'claims'")
    return connection.execute(query).scalar_one()


def at_odds(store: Store) -> list[dict[str, Any]]:
    with store.read() as connection:
        return questions_at_odds(connection, Span(NOON - 60, NOON + 60), None, None, 10)


def tables(store: Store) -> list[list[Any]]:
    with store.read() as connection:
        return [
            sorted(tuple(row) for row in connection.execute(select(table)))
            for table in (REPLICA_RATES, CLAIM_HOURS, LATENCY_HOURS)
        ]


def go_down(store: Store, version: str) -> None:
    with store.begin() as connection:
        config = Config()
        config.set_main_option("script_location", "tierwise_ledger:migrations")
        config.attributes["connection"] = connection
        command.downgrade(config, version)


def test_of_several_that_start_together_one_brings_it_up(database_url: str) -> None:
    with ThreadPoolExecutor(4) as several:
        stores = list(several.map(Store.open, [database_url] * 4))

    names = set()
    for store in stores:
        with store.read() as connection:
            names.add(ledger_id(connection))
        store.close()
    assert len(names) == 1
