"""The ledger gathers what SQLite plans by; PostgreSQL does that itself."""

from __future__ import annotations

from ledgers import NOON, a_decision
from sqlalchemy import inspect, text

from tierwise_ledger.background import JOBS
from tierwise_ledger.ingest import ingest
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store

STATE_OR_TENANT = text(
    "EXPLAIN QUERY PLAN SELECT * FROM outcomes WHERE state = 'accepted' AND tenant = 'demo/team-3'"
)


def test_a_query_takes_the_index_that_leaves_fewer_rows(store: Store) -> None:
    rows = [a_decision(number, tenant=f"demo/team-{number % 50}") for number in range(200)]
    with store.begin() as connection:
        ingest(connection, rows, received_at=NOON)
    gather = next(job for job in JOBS if job.name == "statistics")

    gather.run(store, Settings(), NOON)

    with store.read() as connection:
        if not store.is_sqlite:
            assert not inspect(connection).has_table("sqlite_stat1")
            return
        plan = str(connection.execute(STATE_OR_TENANT).all())
    assert "ix_outcomes_tenant_at" in plan
