"""Reading windows: over any time on the grid, per Specialist, revision and field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Table, func, select

from tierwise_core.windows import Window
from tierwise_ledger.learning.interactions import GRID_S
from tierwise_ledger.tables.judged import (
    INTERACTIONS,
    LATENCY_HOURS,
    SUMS,
    WINDOW_HOURS,
    WINDOW_LATENCY,
    WINDOWS,
)

__all__ = [
    "Asked",
    "Of",
    "Summed",
    "field_totals",
    "latencies",
    "newest",
    "on_grid",
    "pieces",
    "windows",
]

HOUR_S: Final = 3600


class Of(NamedTuple):
    """Whose a window is."""

    specialist: str
    revision: str
    field: str


@dataclass(frozen=True, slots=True)
class Asked:
    """Which windows: of whom (None: of all), from when, until when; seconds on the grid."""

    since: int
    until: int
    specialist: str | None = None
    revision: str | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Summed:
    """A window and what its calls cost, in billionths of a dollar."""

    window: Window = Window()  # noqa: RUF009 - it is frozen, as whole numbers are
    cost_nano_usd: int = 0

    def __add__(self, other: Summed) -> Summed:
        return Summed(self.window + other.window, self.cost_nano_usd + other.cost_nano_usd)


def on_grid(since: float, until: float) -> tuple[int, int]:
    """Widen a time to the grid of ten seconds, so that windows of everybody begin alike.

    >>> on_grid(1003.2, 1010.0), on_grid(1003.2, 1010.1)
    ((1000, 1010), (1000, 1020))
    """
    return int(since // GRID_S) * GRID_S, int(-(-until // GRID_S)) * GRID_S


def windows(connection: Connection, asked: Asked) -> dict[Of, Summed]:
    """Sum up what was asked for: whole hours from the sums by the hour, the rest by ten seconds."""
    found: dict[Of, Summed] = {}
    for table, begin, end in pieces(asked.since, asked.until):
        for of, summed in _sums(connection, table, replace(asked, since=begin, until=end)):
            found[of] = found.get(of, Summed()) + summed
    return dict(sorted(found.items()))


def pieces(since: int, until: int) -> Iterator[tuple[Table, int, int]]:
    """Cut a time into what the sums by ten seconds and those by the hour have of it.

    >>> for table, begin, end in pieces(3000, 7300):
    ...     print(table.name, begin, end)
    utility_windows 3000 3600
    utility_hours 3600 7200
    utility_windows 7200 7300
    """
    first, last = -(-since // HOUR_S) * HOUR_S, until // HOUR_S * HOUR_S
    if first >= last:
        yield WINDOWS, since, until
        return
    for table, begin, end in (
        (WINDOWS, since, first),
        (WINDOW_HOURS, first, last),
        (WINDOWS, last, until),
    ):
        if begin < end:
            yield table, begin, end


def _sums(connection: Connection, table: Table, asked: Asked) -> Iterator[tuple[Of, Summed]]:
    of = [table.c[name] for name in Of._fields]
    added = [func.sum(table.c[name]).label(name) for name in (*SUMS, "cost_nano_usd")]
    query = select(*of, *added).where(*_where(table, asked)).group_by(*of)
    for row in connection.execute(query).mappings():
        summed = Summed(Window.from_row(row), int(row["cost_nano_usd"] or 0))
        yield Of(*(row[name] for name in Of._fields)), summed


def _where(table: Table, asked: Asked) -> list[Any]:
    given = [
        table.c[name] == value for name in Of._fields if (value := getattr(asked, name)) is not None
    ]
    return [*given, table.c.begin >= asked.since, table.c.begin < asked.until]


def field_totals(connection: Connection, asked: Asked) -> dict[str, int]:
    """Count the judged answers of each field, whoever gave them."""
    totals: dict[str, int] = {}
    for of, summed in windows(connection, replace(asked, specialist=None, revision=None)).items():
        totals[of.field] = totals.get(of.field, 0) + summed.window.judged
    return totals


def latencies(connection: Connection, asked: Asked) -> dict[Of, dict[str, dict[int, int]]]:
    """Give the histograms of ``duration`` and ``ttft``; bins as ``learning.latency`` has them."""
    found: dict[Of, dict[str, dict[int, int]]] = {}
    for sums, begin, end in pieces(asked.since, asked.until):
        table = LATENCY_HOURS if sums is WINDOW_HOURS else WINDOW_LATENCY
        by = (*(table.c[name] for name in Of._fields), table.c.measure, table.c.bin)
        where = _where(table, replace(asked, since=begin, until=end))
        query = select(*by, func.sum(table.c["count"])).where(*where).group_by(*by)
        for *of, measure, number, count in connection.execute(query):
            counts = found.setdefault(Of(*of), {}).setdefault(measure, {})
            counts[number] = counts.get(number, 0) + int(count)
    return found


def newest(connection: Connection) -> float | None:
    """Tell until when anything is known: the latest instant of any record; None without one."""
    return connection.execute(select(func.max(INTERACTIONS.c.at))).scalar_one_or_none()
