"""Budgets: what was handed out of them, to whom, and which alerts were raised."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, Table, Text

from tierwise_ledger.tables.base import METADATA

__all__ = ["BUDGETS", "BUDGET_ALERTS", "BUDGET_LEASES"]

BUDGETS: Final = Table(
    "budgets",
    METADATA,
    Column("day", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    # day, user or session
    Column("scope", Text, nullable=False),
    Column("limit_nano_usd", BigInteger, nullable=False),
    # Sums over the leases.
    Column("granted_nano_usd", BigInteger, nullable=False, default=0),
    Column("spent_nano_usd", BigInteger, nullable=False, default=0),
    Index(None, "tenant", "day"),
)
"""One row per budget and day (UTC); it is the lock of its leases."""

BUDGET_LEASES: Final = Table(
    "budget_leases",
    METADATA,
    Column("day", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("holder", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("granted_nano_usd", BigInteger, nullable=False),
    Column("spent_nano_usd", BigInteger, nullable=False),
    Column("at", Float, nullable=False),
)
"""What each dispatcher was given of a budget, and what it said that it has spent."""

BUDGET_ALERTS: Final = Table(
    "budget_alerts",
    METADATA,
    Column("day", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("percent", Integer, primary_key=True, autoincrement=False),
    Column("tenant", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("spent_nano_usd", BigInteger, nullable=False),
    Column("limit_nano_usd", BigInteger, nullable=False),
    # Whether an Event tells of it on the Tenant.
    Column("told", Boolean, nullable=False),
    Index(None, "told"),
)
"""Each threshold that was crossed, once a day."""
