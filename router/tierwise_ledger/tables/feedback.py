"""Feedback: every word on an answer, also on decisions that have not arrived yet."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, Float, Index, Table, Text

from tierwise_ledger.tables.base import METADATA

__all__ = ["FEEDBACK"]

FEEDBACK: Final = Table(
    "feedback",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("decision", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("received_at", Float, nullable=False),
    # Who says so: "feedback" of people and programs, or the name of a verifier.
    Column("source", Text, nullable=False, default="feedback"),
    Column("accepted", Boolean, nullable=False),
    Column("corrected", Text),
    Column("comment", Text),
    Index(None, "decision"),
    Index(None, "at"),
)
"""One row per word. Of a decision the last one counts: by ``at``, then by ``id``."""
