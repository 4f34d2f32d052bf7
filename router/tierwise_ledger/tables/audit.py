"""The audit: chained records by stream, checkpoints over them, and the keys that signed."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Float, Index, Table, Text

from tierwise_ledger.tables.base import METADATA

__all__ = ["AUDIT_CHECKPOINTS", "AUDIT_KEYS", "AUDIT_RECORDS", "AUDIT_STREAMS"]

AUDIT_STREAMS: Final = Table(
    "audit_streams",
    METADATA,
    Column("stream", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
    # How many records lie below the last checkpoint.
    Column("covered", BigInteger, nullable=False),
)
"""Where each stream ends, so that the next record knows what to follow."""

AUDIT_RECORDS: Final = Table(
    "audit_records",
    METADATA,
    Column("stream", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    # As in the body; only to find records by.
    Column("at", Float, nullable=False),
    Column("subject", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index(None, "subject"),
)
"""One link of a chain per row; nothing here is ever updated or deleted."""

AUDIT_CHECKPOINTS: Final = Table(
    "audit_checkpoints",
    METADATA,
    Column("stream", Text, primary_key=True),
    Column("count", BigInteger, primary_key=True, autoincrement=False),
    Column("since", BigInteger, nullable=False),
    Column("at", Float, nullable=False),
    Column("head", Text, nullable=False),
    Column("root", Text, nullable=False),
    Column("key_id", Text, nullable=False, default=""),
    Column("signature", Text, nullable=False, default=""),
)
"""What was signed: the first ``count`` records of a stream."""

AUDIT_KEYS: Final = Table(
    "audit_keys",
    METADATA,
    Column("key_id", Text, primary_key=True),
    Column("public_key", Text, nullable=False),
    Column("at", Float, nullable=False),
)
"""The public keys by which signatures are checked, the present one and those before it."""
