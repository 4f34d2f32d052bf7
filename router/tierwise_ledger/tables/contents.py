"""Contents: prompts and answers, sealed before they left the router; and what was erased."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Float, Index, LargeBinary, Table, Text

from tierwise_ledger.tables.base import METADATA

__all__ = ["CONTENTS", "ERASURES", "LEDGER"]

CONTENTS: Final = Table(
    "contents",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False, default=""),
    Column("at", Float, nullable=False),
    # When it is to be deleted; NULL: with its outcome.
    Column("expires_at", Float),
    # The name of the key it is sealed with (AES-256-GCM).
    Column("key_id", Text, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index(None, "tenant"),
    Index(None, "expires_at"),
    Index(None, "key_id"),
)
"""The prompt and the answer of a decision, where the policy has them kept."""

ERASURES: Final = Table(
    "erasures",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("before", Float, nullable=False),
    Column("at", Float, nullable=False),
    Column("contents", BigInteger, nullable=False, default=0),
    Column("outcomes", BigInteger, nullable=False, default=0),
)
"""What was erased of a tenant: what is older than ``before`` and arrives late is left out."""

LEDGER: Final = Table(
    "ledger",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""Facts of this ledger: ``id`` names it, so that routers notice when it began anew."""
