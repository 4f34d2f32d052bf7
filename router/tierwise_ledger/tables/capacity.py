"""Capacity: who had how many GPUs when, the last look at the fleet, and times nobody knows of."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Table, Text

from tierwise_ledger.tables.base import METADATA, Sequence64

__all__ = ["CAPACITY_GAPS", "CAPACITY_SPANS", "FLEET_LOOKS"]

CAPACITY_SPANS: Final = Table(
    "capacity_spans",
    METADATA,
    Column("seq", Sequence64, primary_key=True, autoincrement=True),
    Column("tier", Text, nullable=False),
    # A Specialist's full name; empty for free GPUs, "(others)" for those of other pods.
    Column("holder", Text, nullable=False),
    Column("market", Text, nullable=False),
    Column("gpus", BigInteger, nullable=False),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("measured", Boolean, nullable=False),
    # What power meters counted; NULL where there are none.
    Column("joules", BigInteger),
    Index(None, "end_ms"),
    Index(None, "start_ms"),
)
"""One row for as long as nothing changed; milliseconds since the epoch."""

FLEET_LOOKS: Final = Table(
    "fleet_looks",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    # Lists of tier, holder, market, GPUs and watts.
    Column("held", JSON, nullable=False),
    # Who sits where, for people: objects with tier, node, holder, pod and GPUs.
    Column("seats", JSON, nullable=False),
)
"""The last look at the fleet; the one row is also the lock of those who look."""

CAPACITY_GAPS: Final = Table(
    "capacity_gaps",
    METADATA,
    Column("start_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("end_ms", BigInteger, nullable=False),
)
"""Times without a look for so long that nobody knows who had what."""
