"""Both sides of a rollout: what each has done since it began, in one look at the tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import Connection, Select, Table, func, select

from tierwise_core.decision_record import StepRecord
from tierwise_core.windows import Window, unheard
from tierwise_ledger.learning.interactions import GRID_S, interaction_in
from tierwise_ledger.learning.latency import quantile_ms
from tierwise_ledger.learning.windows import Summed, pieces
from tierwise_ledger.tables.base import NANO, hour_of
from tierwise_ledger.tables.calls import CALLS
from tierwise_ledger.tables.judged import INTERACTIONS, SUMS, WINDOW_HOURS, WINDOW_LATENCY

__all__ = ["SideSums", "Sides", "fields_of", "side_sums"]

FOREVER: Final = 3600 * 10**8
"""A second that no record has reached, at the end of an hour: what came until now has no end."""

MILLI: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Sides:
    """Which revisions of a Specialist are on which side, and the time that counts.

    ``since`` and ``until`` are in seconds; without an end all that has come counts. Latency is of
    ``latency_since`` to ``latency_until``, because quantiles cannot be taken apart as sums can: who
    goes on where the last answer ended hears of each latency once. Without ``feedback``
    answers are judged by verifiers and the gate alone: nobody can say anything of an answer that
    was only made to be compared.
    """

    specialist: str
    revisions: Mapping[str, tuple[str, ...]]
    since: float
    latency_since: float
    until: float | None = None
    field: str | None = None
    feedback: bool = True
    latency_until: float | None = None

    @property
    def latency(self) -> tuple[int, int]:
        """From when to when latencies count, in whole windows of the grid."""
        end = self.end if self.latency_until is None else min(self.end, _down(self.latency_until))
        return max(_down(self.latency_since), self.begin), end

    @property
    def begin(self) -> int:
        """Where the windows begin: on the grid, and not before the rollout did."""
        return _up(self.since)

    @property
    def end(self) -> int:
        """Where they end; so windows that follow each other neither overlap nor leave a gap."""
        return FOREVER if self.until is None else _up(self.until)


@dataclass(slots=True)
class SideSums:
    """One side: its sums, what its calls cost, its answers by field and how long they took."""

    summed: Summed = field(default_factory=Summed)
    asked: Counter[str] = field(default_factory=Counter)
    milliseconds: Counter[int] = field(default_factory=Counter)

    def to_row(self) -> dict[str, Any]:
        """Give it in JSON's types."""
        return {
            **self.summed.window.to_row(),
            "cost_usd": self.summed.cost_nano_usd / NANO,
            "p50_s": self._quantile_s(0.50),
            "p99_s": self._quantile_s(0.99),
        }

    def _quantile_s(self, share: float) -> float | None:
        found = quantile_ms(self.milliseconds, share)
        return None if found is None else found / MILLI


def side_sums(connection: Connection, sides: Sides) -> dict[str, SideSums]:
    """Sum up each side, by its name."""
    found = {name: SideSums() for name in sides.revisions}
    side_of = {one: name for name, some in sides.revisions.items() for one in some}
    fields = fields_of(connection, sides.specialist, sides.since, side_of)
    fields = [one for one in fields if sides.field in {None, one}]
    if not fields:
        return found
    for table, begin, end in pieces(sides.begin, sides.end):
        for row in connection.execute(_sums(table, sides, side_of, fields, begin, end)).mappings():
            side = found[side_of[row["revision"]]]
            summed = Summed(Window.from_row(row), int(row["cost_nano_usd"] or 0))
            side.summed += summed
            side.asked[row["field"]] += summed.window.asked
    if not sides.feedback:
        for revision, difference in _unheard(connection, sides, side_of, fields):
            found[side_of[revision]].summed += Summed(difference)
    for revision, number, count in connection.execute(_latency(sides, side_of, fields)):
        found[side_of[revision]].milliseconds[number] += int(count)
    return found


def _up(at: float) -> int:
    return int(-(-at // GRID_S)) * GRID_S


def _down(at: float) -> int:
    """Give the beginning of the window of the grid that an instant is in.

    >>> _down(29.9)
    20
    """
    return int(at // GRID_S) * GRID_S


def fields_of(
    connection: Connection,
    specialist: str,
    since: float,
    revisions: Iterable[str] | None = None,
) -> list[str]:
    """List the fields that it was asked in since then, or that some revisions of it were.

    With them rows are found by their key.
    """
    hours = WINDOW_HOURS.c
    query = select(hours.field).where(hours.specialist == specialist, hours.begin >= hour_of(since))
    if revisions is not None:
        query = query.where(hours.revision.in_(list(revisions)))
    return sorted(connection.execute(query.distinct()).scalars())


def _unheard(
    connection: Connection, sides: Sides, revisions: Iterable[str], fields: list[str]
) -> Iterator[tuple[str, Window]]:
    """Give what has to be added to the sums so that they have nothing of people's words."""
    one, call = INTERACTIONS, CALLS.c
    joined = one.join(CALLS, (call.outcome == one.c.decision) & (call.position == one.c.position))
    query = (
        select(one, call.verdict, call.verified)
        .select_from(joined)
        .where(
            one.c.specialist == sides.specialist,
            one.c.revision.in_(list(revisions)),
            one.c.field.in_(fields),
            one.c.source == "feedback",
            one.c.at >= sides.begin,
            one.c.at < sides.end,
        )
    )
    for row in connection.execute(query).mappings():
        step = StepRecord(row["specialist"], verdict=row["verdict"], verified=row["verified"])
        accepted, source = unheard(step)
        heard = interaction_in(dict(row))
        yield (
            row["revision"],
            Window.of(replace(heard, accepted=accepted, source=source)) - Window.of(heard),
        )


def _sums(  # noqa: PLR0913, PLR0917 - the pieces of one question
    table: Table,
    sides: Sides,
    revisions: Iterable[str],
    fields: list[str],
    begin: int,
    end: int,
) -> Select[Any]:
    added = [func.sum(table.c[name]).label(name) for name in (*SUMS, "cost_nano_usd")]
    by = (table.c.revision, table.c.field)
    where = _where(table, sides, revisions, fields, begin, end)
    return select(*by, *added).where(*where).group_by(*by)


def _latency(sides: Sides, revisions: Iterable[str], fields: list[str]) -> Select[Any]:
    table = WINDOW_LATENCY
    by = (table.c.revision, table.c.bin)
    where = _where(table, sides, revisions, fields, *sides.latency)
    return (
        select(*by, func.sum(table.c["count"]))
        .where(*where, table.c.measure == "duration")
        .group_by(*by)
    )


def _where(  # noqa: PLR0913, PLR0917 - the pieces of one question
    table: Table,
    sides: Sides,
    revisions: Iterable[str],
    fields: list[str],
    begin: int,
    end: int,
) -> list[Any]:
    return [
        table.c.specialist == sides.specialist,
        table.c.revision.in_(list(revisions)),
        table.c.field.in_(fields),
        table.c.begin >= begin,
        table.c.begin < end,
    ]
