"""A ledger of its own for each test, on SQLite and on PostgreSQL."""

from databases import database_url, postgres, store
from running_routers import engine, run

__all__ = ["database_url", "engine", "postgres", "run", "store"]
