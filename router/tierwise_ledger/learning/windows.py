"""Reading windows: over any time on the grid, per Specialist, revision and field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Table, func, literal_column, select

from tierwise_core.windows import Window
from tierwise_ledger.learning.interactions import GRID_S
from tierwise_ledger.tables.base import HOUR_S
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
    "judged_by_field",
    "latencies",
    "newest",
    "on_grid",
    "pieces",
    "windows",
]


class Of(NamedTuple):
    """Whose a window is."""

    specialist: str
    revision: str
    field: str


@dataclass(frozen=True, slots=True)
class Asked:
    """Which windows: of whom (None: of all), from when, until when; seconds on the grid.

    ``every`` is how long each window of a series is; 0 asks for one over the whole time. A series
    begins on a multiple of it, so that everybody's windows have the same borders.
    """

    since: int
    until: int
    specialist: str | None = None
    revision: str | None = None
    field: str | None = None
    every: int = 0

    @property
    def begins(self) -> range:
        """When the windows begin.

        >>> list(Asked(70, 130, every=60).begins), list(Asked(70, 130).begins)
        ([60, 120], [70])
        """
        if not self.every:
            return range(self.since, self.since + 1)
        return range(self.since // self.every * self.every, self.until, self.every)


@dataclass(frozen=True, slots=True)
class Summed:
    """A window and what its calls cost, in billionths of a dollar."""

    window: Window = Window()  # noqa: RUF009 - it is frozen, as whole numbers are
    cost_nano_usd: int = 0

    def __add__(self, other: Summed) -> Summed:
        return Summed(self.window + other.window, self.cost_nano_usd + other.cost_nano_usd)


Series = dict[int, dict[Of, Summed]]
Histograms = dict[str, dict[int, int]]


def on_grid(since: float, until: float) -> tuple[int, int]:
    """Widen a time to the grid of ten seconds, so that windows of everybody begin alike.

    >>> on_grid(1003.2, 1010.0), on_grid(1003.2, 1010.1)
    ((1000, 1010), (1000, 1020))
    """
    return int(since // GRID_S) * GRID_S, int(-(-until // GRID_S)) * GRID_S


def windows(connection: Connection, asked: Asked) -> Series:
    """Sum up what was asked for, by when each window begins and whose it is."""
    found: Series = {}
    for table, begin, end in _tables(asked, WINDOWS, WINDOW_HOURS):
        of = [table.c[name] for name in Of._fields]
        added = [func.sum(table.c[name]).label(name) for name in (*SUMS, "cost_nano_usd")]
        query = _chosen(table, asked, begin, end, *of).add_columns(*added)
        for row in connection.execute(query).mappings().all():
            whose = found.setdefault(row["of_window"], {})
            name = Of(*(row[one] for one in Of._fields))
            summed = Summed(Window.from_row(row), int(row["cost_nano_usd"] or 0))
            whose[name] = whose.get(name, Summed()) + summed
    return {begin: dict(sorted(whose.items())) for begin, whose in sorted(found.items())}


def latencies(connection: Connection, asked: Asked) -> dict[int, dict[Of, Histograms]]:
    """Give the histograms of ``duration`` and ``ttft``; bins as ``learning.latency`` has them."""
    found: dict[int, dict[Of, Histograms]] = {}
    for table, begin, end in _tables(asked, WINDOW_LATENCY, LATENCY_HOURS):
        by = (*(table.c[name] for name in Of._fields), table.c.measure, table.c.bin)
        query = _chosen(table, asked, begin, end, *by).add_columns(func.sum(table.c["count"]))
        for window, *of, measure, number, count in connection.execute(query).all():
            counts = found.setdefault(window, {}).setdefault(Of(*of), {}).setdefault(measure, {})
            counts[number] = counts.get(number, 0) + int(count)
    return found


def judged_by_field(connection: Connection, asked: Asked) -> dict[tuple[int, str], int]:
    """Count the judged answers of each window and field, whoever gave them."""
    everybody = replace(asked, specialist=None, revision=None)
    totals: Counter[tuple[int, str]] = Counter()
    for table, begin, end in _tables(asked, WINDOWS, WINDOW_HOURS):
        query = _chosen(table, everybody, begin, end, table.c.field)
        for window, field, judged in connection.execute(
            query.add_columns(func.sum(table.c.judged))
        ):
            totals[window, field] += int(judged)
    return totals


def _tables(asked: Asked, short: Table, hours: Table) -> Iterator[tuple[Table, int, int]]:
    """Choose the tables: a window of a series is of whole hours, or shorter than one."""
    begins = asked.begins
    if not asked.every:
        for table, begin, end in pieces(asked.since, asked.until):
            yield hours if table is WINDOW_HOURS else short, begin, end
    elif begins:
        yield short if asked.every % HOUR_S else hours, begins[0], begins[-1] + asked.every


def _chosen(table: Table, asked: Asked, begin: int, end: int, *by: Any) -> Select[Any]:
    """Choose the rows of a time, grouped by the window that they are in and more."""
    # Written out: PostgreSQL takes two parameters, though of one value, for two expressions.
    first: Any = literal_column(str(asked.since))
    if asked.every:
        first = table.c.begin - table.c.begin % literal_column(str(asked.every))
    window = first.label("of_window")
    given = [
        table.c[name] == value for name in Of._fields if (value := getattr(asked, name)) is not None
    ]
    query = select(window, *by).where(*given, table.c.begin >= begin, table.c.begin < end)
    return query.group_by(*([window] if asked.every else []), *by)


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


def newest(connection: Connection) -> float | None:
    """Tell until when anything is known: the latest instant of any record; None without one."""
    return connection.execute(select(func.max(INTERACTIONS.c.at))).scalar_one_or_none()
