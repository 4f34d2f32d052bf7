"""What SQLite plans its queries by: how many rows share a value. PostgreSQL counts by itself."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store

__all__ = ["EVERY_S", "gather"]

EVERY_S: Final = 3600.0
ROWS_LOOKED_AT: Final = 1000
"""Of each index; so it takes milliseconds, however large the file is."""


def gather(store: Store, _settings: Settings, _now: float) -> None:
    """Look at some rows of each index; a job of the ledger."""
    if not store.is_sqlite:
        return
    with store.begin() as connection:
        connection.execute(text(f"PRAGMA analysis_limit={ROWS_LOOKED_AT}"))
        connection.execute(text("ANALYZE"))
    # A connection reads them when it is opened: the next question gets a new one.
    store.engine.dispose()
