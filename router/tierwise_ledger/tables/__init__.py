"""The tables of the ledger, one module per area; importing this makes ``METADATA`` whole."""

from __future__ import annotations

from tierwise_ledger.tables import (
    audit,
    calls,
    capacity,
    contents,
    feedback,
    judged,
    learned,
    outcomes,
    prices,
    rollouts,
    seen,
    spend,
)
from tierwise_ledger.tables.base import METADATA

__all__ = [
    "METADATA",
    "audit",
    "calls",
    "capacity",
    "contents",
    "feedback",
    "judged",
    "learned",
    "outcomes",
    "prices",
    "rollouts",
    "seen",
    "spend",
]
