"""Columns as most versions have them: never empty, of one type, several in a row."""

from __future__ import annotations

import sqlalchemy as sa

__all__ = ["floats", "numbers", "texts"]


def texts(*names: str) -> list[sa.Column[str]]:
    """Make columns of texts."""
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def numbers(*names: str) -> list[sa.Column[int]]:
    """Make columns of whole numbers of 64 bits, which no database numbers by itself."""
    return [sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False) for name in names]


def floats(*names: str) -> list[sa.Column[float]]:
    """Make columns of numbers with fractions."""
    return [sa.Column(name, sa.Float(), nullable=False) for name in names]
