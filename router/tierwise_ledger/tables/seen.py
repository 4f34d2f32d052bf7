"""Rows of kinds that have no table with their own name: seen once, they are known."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Float, Index, Table, Text

from tierwise_ledger.tables.base import METADATA

__all__ = ["SEEN"]

SEEN: Final = Table(
    "seen",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("at", Float, nullable=False),
    Index(None, "at"),
)
"""Names as ``KIND:ID``; old ones go when no router can have them any more."""
