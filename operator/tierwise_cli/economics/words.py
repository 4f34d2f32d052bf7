"""Figures as people read them in the tables of `tierwise economics`."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rich.console import Console

from tierwise_cli.printing import bullets

__all__ = ["months", "notes", "percent", "unit_usd", "usd", "verdict"]


def usd(value: float | None) -> str:
    """Whole dollars, with cents below a hundred.

    >>> usd(2664.0), usd(38.5), usd(None), usd(float("inf"))
    ('2,664', '38.50', '-', 'never')
    """
    if value is None:
        return "-"
    if not math.isfinite(value):
        return "never"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"  # noqa: PLR2004


def unit_usd(value: float | None) -> str:
    """The price of one output or of a thousand tokens: three figures that count.

    >>> unit_usd(0.041), unit_usd(0.000138888), unit_usd(None)
    ('0.0410', '0.000139', '-')
    """
    if value is None:
        return "-"
    if value <= 0 or not math.isfinite(value):
        return usd(value)
    return f"{value:.{max(2, 2 - math.floor(math.log10(value)))}f}"


def percent(value: float) -> str:
    """A share with one decimal.

    >>> percent(0.3854), percent(float("inf"))
    ('38.5%', 'never')
    """
    return f"{value:.1%}" if math.isfinite(value) else "never"


def months(value: float, unit: str = "months") -> str:
    """A time, or that it never comes.

    >>> months(2.2), months(0.857, "days"), months(float("inf"))
    ('2.2 months', '0.86 days', 'never')
    """
    if not math.isfinite(value):
        return "never"
    return f"{value:.1f} {unit}" if value >= 1 else f"{value:.2f} {unit}"


def verdict(out: Console, word: str, reasons: Iterable[str]) -> None:
    """Print the word in bold and its reasons below it."""
    out.print(f"\n{word}", style="bold")
    bullets(out, reasons)


def notes(out: Console, lines: Iterable[str]) -> None:
    """Print what a person should look at, if there is anything."""
    lines = list(lines)
    if lines:
        out.print()
        bullets(out, lines)
