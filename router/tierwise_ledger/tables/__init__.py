"""The tables of the ledger, one module per area; importing this makes ``METADATA`` whole."""

from __future__ import annotations

from tierwise_ledger.tables import calls, contents, feedback, outcomes, seen
from tierwise_ledger.tables.base import METADATA

__all__ = ["METADATA", "calls", "contents", "feedback", "outcomes", "seen"]
