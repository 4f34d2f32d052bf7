"""Calls: every Specialist that was asked for an outcome, and their sums by the hour."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Index, Integer, Table, Text

from tierwise_ledger.tables.base import METADATA, key_begin, key_texts

__all__ = ["CALLS", "CALL_HOURS"]

CALLS: Final = Table(
    "calls",
    METADATA,
    Column("outcome", Text, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("specialist", Text, nullable=False),
    Column("revision", Text, nullable=False, default=""),
    Column("adapter", Text, nullable=False, default=""),
    Column("tier", Text, nullable=False, default=""),
    Column("pod", Text, nullable=False, default=""),
    # The field it was asked for as that field's Specialist; NULL where it took over for others.
    Column("own_field", Text),
    Column("predicted", Float),
    Column("confidence", Float),
    Column("floor", Float, nullable=False, default=0.0),
    Column("verdict", Text, nullable=False, default=""),
    Column("failure", Text, nullable=False, default=""),
    Column("verified", Boolean),
    Column("checks", JSON),
    Column("input_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("cost_nano_usd", BigInteger, nullable=False, default=0),
    Column("seconds", Float),
    Column("queue_s", Float),
    Column("ttft_s", Float),
    Index(None, "at"),
    Index(None, "specialist", "at"),
)
"""One row per call, in the order of ``position``."""

CALL_HOURS: Final = Table(
    "call_hours",
    METADATA,
    key_begin("hour"),
    *key_texts(
        "specialist", "revision", "adapter", "tier", "tenant", "field", "workload", "verdict"
    ),
    Column("calls", BigInteger, nullable=False),
    # Calls whose tokens are known.
    Column("counted", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost_nano_usd", BigInteger, nullable=False),
    Column("milliseconds", BigInteger, nullable=False),
)
"""Sums of calls by the hour; ``tenant``, ``field`` and ``workload`` are the request's."""
