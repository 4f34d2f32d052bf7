"""A ledger of its own for each test, on SQLite and on PostgreSQL."""

from databases import database_url, postgres, store

__all__ = ["database_url", "postgres", "store"]
