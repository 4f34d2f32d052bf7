"""The tables of the ledger, one module per area; importing this makes ``METADATA`` whole."""

from __future__ import annotations

from tierwise_ledger.tables import (
    audit,
    calls,
    contents,
    feedback,
    judged,
    learned,
    outcomes,
    seen,
)
from tierwise_ledger.tables.base import METADATA

__all__ = [
    "METADATA",
    "audit",
    "calls",
    "contents",
    "feedback",
    "judged",
    "learned",
    "outcomes",
    "seen",
]
