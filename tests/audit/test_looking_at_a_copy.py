"""A copy of the database is looked through without a trace: it may be evidence, or read-only."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from recorded_decisions import an_escalation
from sqlalchemy import text

from tierwise_cli.audit_checks import verify_database
from tierwise_cli.errors import CliError
from tierwise_ledger.errors import StoreError
from tierwise_ledger.ingest import ingest
from tierwise_ledger.store import Store


def recorded(path: Path) -> Store:
    ledger = Store.open(f"sqlite:///{path}")
    with ledger.begin() as connection:
        ingest(connection, [an_escalation(id="d-x-1-000001", at=1000.0).to_row()], received_at=5.0)
    return ledger


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_copy_keeps_every_byte_and_gets_no_file_beside_it(tmp_path: Path) -> None:
    recorded(tmp_path / "ledger.db").close()
    kept = tmp_path / "kept here, 100%"
    kept.mkdir()
    shutil.copy(tmp_path / "ledger.db", kept / "copy.db")
    before = contents(kept)

    found = verify_database(f"sqlite:///{kept}/copy.db", None, ())

    assert found.records == 1
    assert contents(kept) == before


def test_what_a_running_ledger_has_just_written_is_seen(tmp_path: Path) -> None:
    ledger = recorded(tmp_path / "ledger.db")

    assert (tmp_path / "ledger.db-wal").stat().st_size
    assert verify_database(f"sqlite:///{tmp_path}/ledger.db", None, ()).records == 1
    ledger.close()


def test_who_only_looks_cannot_write(tmp_path: Path) -> None:
    recorded(tmp_path / "ledger.db").close()
    look = Store.look_at(f"sqlite:///{tmp_path}/ledger.db")

    with pytest.raises(StoreError, match="readonly"), look.begin() as connection:
        connection.execute(text("DELETE FROM outcomes"))
    look.close()


def test_a_wrong_path_makes_no_database(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="there is no database file"):
        verify_database(f"sqlite:///{tmp_path}/leger.db", None, ())

    assert not contents(tmp_path)
