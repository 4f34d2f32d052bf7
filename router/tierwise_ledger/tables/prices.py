"""Prices of GPUs as they changed, rates of replicas, and what tenants pay."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Integer, Table, Text

from tierwise_ledger.tables.base import METADATA

__all__ = ["PRICES", "REPLICA_RATES", "TENANT_CHARGES"]

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
    Column("at_ms", BigInteger, nullable=False),
    # Thousandths of a token per second.
    Column("prefill_mtps", BigInteger, nullable=False),
    Column("decode_mtps", BigInteger, nullable=False),
    Column("gpus", Integer, nullable=False),
    Column("measured", Boolean, nullable=False),
)
"""What one replica does under load, as told last."""

TENANT_CHARGES: Final = Table(
    "tenant_charges",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("answer_nano_usd", BigInteger, nullable=False),
    Column("input_million_nano_usd", BigInteger, nullable=False),
    Column("output_million_nano_usd", BigInteger, nullable=False),
)
"""What tenants pay; of one that is deleted it stays, for what it had before."""
