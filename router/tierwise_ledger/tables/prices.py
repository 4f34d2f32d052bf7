"""Prices of GPUs as they changed, rates of replicas, and what tenants pay."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, Integer, Table, Text

from tierwise_ledger.tables.base import METADATA, key_begin, key_texts

__all__ = ["COST_DAYS", "COST_HOURS", "PRICES", "REPLICA_RATES", "TENANT_CHARGES"]

PRICES: Final = Table(
    "prices",
    METADATA,
    Column("tier", Text, primary_key=True),
    Column("market", Text, primary_key=True),
    Column("at_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("gpu_hour_nano_usd", BigInteger, nullable=False),
    # NULL where the energy is in the price of the GPU.
    Column("kwh_nano_usd", BigInteger),
    Column("ops_hour_nano_usd", BigInteger, nullable=False),
    Column("tdp_watts", Integer, nullable=False),
)
"""What an hour of one GPU costs from ``at_ms`` on, until the next row of the tier and market."""

REPLICA_RATES: Final = Table(
    "replica_rates",
    METADATA,
    Column("specialist", Text, primary_key=True),
    Column("tier", Text, primary_key=True),
    Column("at_ms", BigInteger, primary_key=True, autoincrement=False),
    # Thousandths of a token per second.
    Column("prefill_mtps", BigInteger, nullable=False),
    Column("decode_mtps", BigInteger, nullable=False),
    Column("gpus", Integer, nullable=False),
    Column("measured", Boolean, nullable=False),
)
"""What one replica does under load from ``at_ms`` on, until the next row of the same."""

TENANT_CHARGES: Final = Table(
    "tenant_charges",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("answer_nano_usd", BigInteger, nullable=False),
    Column("input_million_nano_usd", BigInteger, nullable=False),
    Column("output_million_nano_usd", BigInteger, nullable=False),
)
"""What tenants pay; of one that is deleted it stays, for what it had before."""


def _shared_out(name: str, period: str) -> Table:
    return Table(
        name,
        METADATA,
        key_begin(period),
        *key_texts("by", "policy"),
        Column("figures", JSON, nullable=False),
    )


COST_DAYS: Final = _shared_out("cost_days", "day")
"""A day that is over, shared out once and for all: what its calls, idle time and others cost.

``day`` is when it began, in UTC seconds. A row goes as soon as something of its day comes late.
"""

COST_HOURS: Final = _shared_out("cost_hours", "hour")
"""The same of the hours of the last days, for reports that begin or end within a day."""
