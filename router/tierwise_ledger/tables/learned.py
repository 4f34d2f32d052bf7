"""What is learned from: claims by question, right answers, histograms, calibrations."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Index, Integer, Table, Text, text

from tierwise_ledger.tables.base import METADATA, OF, key_begin, key_texts

__all__ = ["CALIBRATIONS", "CLAIMS", "CLAIM_HOURS", "ROLLED_BACK", "SIGNAL_COUNTS"]

AT_ODDS: Final = text("contradicts <> ''")

CLAIMS: Final = Table(
    "claims",
    METADATA,
    Column("decision", Text, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("tenant", Text, nullable=False),
    Column("query_id", Text, nullable=False),
    Column("context_id", Text, nullable=False),
    # A digest of the answer, never the answer itself.
    Column("answer_id", Text, nullable=False),
    Column("specialist", Text, nullable=False),
    Column("revision", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("at", Float, nullable=False),
    Column("answered", Boolean, nullable=False),
    Column("verdict", Boolean),
    Column("by_people", Boolean, nullable=False),
    # The right answer that somebody gave instead of it, and when; again a digest.
    Column("corrected_id", Text, nullable=False),
    Column("said_at", Float, nullable=False),
    Column("compared", Boolean, nullable=False),
    Column("contradicts", Text, nullable=False),
    # The question comes first: people ask by it, whoever the tenant is.
    Index(None, "query_id", "tenant", "context_id", "at"),
    Index(None, "at"),
    # Most answers contradict nothing: those that do are counted without the others, and by the
    # index alone.
    Index(
        "ix_claims_at_odds", "at", "tenant", "query_id", "context_id", "specialist", "field",
        sqlite_where=AT_ODDS, postgresql_where=AT_ODDS,
    ),
)  # fmt: skip
"""One row per answer that can be compared with others to the same question of the same tenant."""

CLAIM_HOURS: Final = Table(
    "claim_hours",
    METADATA,
    *key_texts(*OF),
    key_begin(),
    Column("claims", BigInteger, nullable=False),
    Index(None, "begin"),
)
"""How many claims there were, by the hour; how many contradicted is in ``utility_hours``."""

SIGNAL_COUNTS: Final = Table(
    "signal_counts",
    METADATA,
    # "field" for questions, "specialist" for answers; then whose.
    *key_texts("side", "name", "signal"),
    key_begin(),
    Column("bin", Integer, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
    Index(None, "begin"),
)
"""Histograms of what was measured of questions and answers, by the hour."""

CALIBRATIONS: Final = Table(
    "calibrations",
    METADATA,
    *key_texts("specialist", "field"),
    Column("at", Float, nullable=False),
    Column("report", JSON, nullable=False),
)
"""The last refit of each Specialist in each field."""

ROLLED_BACK: Final = Table(
    "rolled_back",
    METADATA,
    *key_texts("specialist", "revision"),
    Column("at", Float, nullable=False),
    Column("reason", Text, nullable=False),
)
"""Revisions that a rollout took back: what they got wrong weighs negative in an export."""
