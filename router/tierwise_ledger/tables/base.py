"""What all tables share: one ``MetaData``, its naming rules, and types for both databases."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, MetaData, Text

__all__ = [
    "DAY_S",
    "HOUR_S",
    "METADATA",
    "NANO",
    "OF",
    "Sequence64",
    "day_of",
    "hour_of",
    "key_begin",
    "key_texts",
    "nano_usd",
]

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""All tables of the ledger. Times are seconds since the epoch, in the ledger's clock."""

# SQLite numbers rows by itself in a column of exactly the type INTEGER, which has 64 bits there.
Sequence64: Final = BigInteger().with_variant(Integer, "sqlite")

NANO: Final = 1_000_000_000
HOUR_S: Final = 3600
DAY_S: Final = 86400


OF: Final = ("specialist", "revision", "field")
"""Whose windows are: what sums of utility, latency and claims are kept by."""


def key_texts(*names: str) -> list[Column[str]]:
    """Make columns of a primary key that are texts."""
    return [Column(name, Text, primary_key=True) for name in names]


def key_begin(name: str = "begin") -> Column[int]:
    """Make the column of a primary key that says when a time began, in whole seconds."""
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


def nano_usd(usd: float) -> int:
    """Give dollars as whole billionths: sums of them are exact, in any order.

    >>> nano_usd(0.000833), nano_usd(0.1) + nano_usd(0.2) == nano_usd(0.3)
    (833000, True)
    """
    return round(usd * NANO)


def day_of(at: float) -> int:
    """Give the second in which the day of an instant began, in UTC.

    >>> day_of(86401.5)
    86400
    """
    return int(at // DAY_S) * DAY_S


def hour_of(at: float) -> int:
    """Give the second in which the hour of an instant began.

    >>> hour_of(7201.5)
    7200
    """
    return int(at // HOUR_S) * HOUR_S
