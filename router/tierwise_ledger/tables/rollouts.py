"""What the revisions that rollouts took back got wrong: the replay buffer of what not to learn."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Float, Index, Integer, Table, Text

from tierwise_ledger.tables.base import METADATA

__all__ = ["ROLLOUT_FAILURES"]

ROLLOUT_FAILURES: Final = Table(
    "rollout_failures",
    METADATA,
    Column("rollout", Text, primary_key=True),
    Column("decision", Text, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("specialist", Text, nullable=False),
    Column("revision", Text, nullable=False),
    Column("field", Text, nullable=False),
    # What was wrong with it: rejected, contradicting or failed.
    Column("how", Text, nullable=False),
    Index(None, "decision"),
    Index(None, "at"),
)
"""One row per answer of a rollout's green that was wrong, or did not come."""
