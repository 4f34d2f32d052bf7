"""Outcomes: one row per request, its whole record beside it, and sums by the hour."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)

from tierwise_ledger.tables.base import METADATA, Sequence64, key_begin, key_texts

__all__ = ["BY_NAME", "OF_SOMEBODY", "OUTCOMES", "OUTCOME_DAYS", "OUTCOME_HOURS", "RECORDS"]

OF_SOMEBODY: Final = text("user_digest <> ''")
BY_NAME: Final = text("model <> 'auto'")
"""Rows that are indexed by their user, or model: queries must say the same words."""

OUTCOMES: Final = Table(
    "outcomes",
    METADATA,
    Column("seq", Sequence64, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("at", Float, nullable=False),
    Column("received_at", Float, nullable=False),
    # What was added to the router's clock to get the ledger's.
    Column("skew_s", Float, nullable=False, default=0.0),
    Column("tenant", Text, nullable=False, default=""),
    Column("user_digest", Text, nullable=False, default=""),
    Column("session", Text, nullable=False, default=""),
    Column("field", Text, nullable=False, default=""),
    Column("query_id", Text, nullable=False, default=""),
    Column("endpoint", Text, nullable=False, default=""),
    Column("model", Text, nullable=False, default=""),
    Column("latency_class", Text, nullable=False, default=""),
    # What the caller calls it; without a name its latency class.
    Column("workload", Text, nullable=False, default=""),
    Column("pattern", Text, nullable=False, default=""),
    Column("stream", Boolean, nullable=False, default=False),
    Column("state", Text, nullable=False),
    Column("status", Integer, nullable=False, default=0),
    Column("reason", Text, nullable=False, default=""),
    # Who answered; empty when nobody did.
    Column("specialist", Text, nullable=False, default=""),
    Column("revision", Text, nullable=False, default=""),
    Column("adapter", Text, nullable=False, default=""),
    Column("tier", Text, nullable=False, default=""),
    # Before and after asking, of the one that answered.
    Column("predicted", Float),
    Column("confidence", Float),
    Column("verified", Boolean),
    Column("calls", Integer, nullable=False, default=0),
    Column("input_tokens", BigInteger, nullable=False, default=0),
    Column("cached_tokens", BigInteger, nullable=False, default=0),
    Column("output_tokens", BigInteger, nullable=False, default=0),
    Column("cost_nano_usd", BigInteger, nullable=False, default=0),
    Column("seconds", Float, nullable=False, default=0.0),
    Column("queue_s", Float),
    Column("ttft_s", Float),
    # The last word on the answer: NULL as long as nobody said anything.
    Column("feedback", Boolean),
    Column("feedback_at", Float),
    Column("corrected", Boolean, nullable=False, default=False),
    Index(None, "at"),
    Index(None, "tenant", "at"),
    Index(None, "specialist", "at"),
    Index(None, "field", "at"),
    Index(None, "state", "at"),
    Index(None, "query_id"),
    Index(None, "session"),
    Index(
        "ix_outcomes_of_somebody", "user_digest", "at",
        sqlite_where=OF_SOMEBODY, postgresql_where=OF_SOMEBODY,
    ),
    Index("ix_outcomes_by_name", "model", "at", sqlite_where=BY_NAME, postgresql_where=BY_NAME),
)  # fmt: skip
"""One row per request. ``cost_nano_usd`` is in billionths of a dollar."""

RECORDS: Final = Table(
    "records",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("at", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index(None, "at"),
)
"""The whole record of a decision, as the router wrote it: JSON, compressed by zlib."""


def _sums(name: str, period: str) -> Table:
    return Table(
        name,
        METADATA,
        key_begin(period),
        *key_texts(
            "tenant", "field", "specialist", "revision", "tier", "latency_class", "workload",
            "state",
        ),
        Column("requests", BigInteger, nullable=False),
        Column("calls", BigInteger, nullable=False),
        Column("input_tokens", BigInteger, nullable=False),
        Column("cached_tokens", BigInteger, nullable=False),
        Column("output_tokens", BigInteger, nullable=False),
        Column("cost_nano_usd", BigInteger, nullable=False),
        Column("milliseconds", BigInteger, nullable=False),
        # The last word of people and programs: how many said yes, no, and no with the right answer.
        Column("feedback_yes", BigInteger, nullable=False),
        Column("feedback_no", BigInteger, nullable=False),
        Column("corrected", BigInteger, nullable=False),
    )  # fmt: skip


OUTCOME_HOURS: Final = _sums("outcome_hours", "hour")
"""Sums of outcomes by the hour and by whatever is asked for; they stay when outcomes go."""

OUTCOME_DAYS: Final = _sums("outcome_days", "day")
"""The same by the day, for whoever asks for weeks; ``day`` is when it began, in UTC."""
