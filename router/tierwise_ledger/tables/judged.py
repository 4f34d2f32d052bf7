"""Interactions as utility counts them, and their sums in windows of ten seconds and of an hour."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, Table, Text, text

from tierwise_core.windows import Window
from tierwise_ledger.tables.base import METADATA, OF, key_begin, key_texts

__all__ = [
    "INTERACTIONS",
    "LATENCY_HOURS",
    "SUMS",
    "WINDOWS",
    "WINDOW_HOURS",
    "WINDOW_LATENCY",
]

SUMS: Final = tuple(field.name for field in fields(Window))
HEARD: Final = text("source = 'feedback'")

INTERACTIONS: Final = Table(
    "interactions",
    METADATA,
    Column("decision", Text, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("specialist", Text, nullable=False),
    Column("revision", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("accepted", Boolean),
    Column("source", Text, nullable=False, default=""),
    Column("confidence_e4", Integer, nullable=False),
    Column("floor", Float, nullable=False, default=0.0),
    # Whether an answer came, and whether it is the one that went out: feedback is about that one.
    Column("came", Boolean, nullable=False),
    Column("answered", Boolean, nullable=False),
    Column("escalated", Boolean, nullable=False),
    Column("compared", Boolean, nullable=False),
    Column("contradicted", Boolean, nullable=False),
    Index(None, "specialist", "field", "at"),
    Index(None, "at"),
    # Of ten thousand answers people say something of a few.
    Index("ix_interactions_heard", "specialist", "at", sqlite_where=HEARD, postgresql_where=HEARD),
)
"""One row per Specialist that was asked; ``accepted`` is NULL until somebody judged."""


def _windows(name: str) -> Table:
    return Table(
        name,
        METADATA,
        *key_texts(*OF),
        key_begin(),
        *(Column(sums, BigInteger, nullable=False) for sums in SUMS),
        Column("cost_nano_usd", BigInteger, nullable=False),
        Index(None, "begin"),
    )


WINDOWS: Final = _windows("utility_windows")
"""Sums by ten seconds, which begin at whole multiples of ten."""

WINDOW_HOURS: Final = _windows("utility_hours")
"""The same by the hour; they stay when the ten seconds go."""


def _histograms(name: str) -> Table:
    return Table(
        name,
        METADATA,
        *key_texts(*OF),
        key_begin(),
        Column("measure", Text, primary_key=True),
        Column("bin", Integer, primary_key=True, autoincrement=False),
        Column("count", BigInteger, nullable=False),
        Index(None, "begin"),
    )


WINDOW_LATENCY: Final = _histograms("utility_latency")
"""Histograms of milliseconds (``duration``, ``ttft``) by ten seconds: four bins to a doubling."""

LATENCY_HOURS: Final = _histograms("utility_latency_hours")
"""The same by the hour; they stay when the ten seconds go."""
