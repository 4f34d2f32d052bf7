"""The placement as a linear program, whose answer tells the solver where nearly everybody goes.

Variables are how many replicas of each group have each option; rows are what there is too little
of. A tier has a row for each size ``t`` that replicas take there: a replica of ``s >= t`` GPUs
takes ``floor(s / t)`` of the ``sum over nodes of floor(free / t)`` places (``tier_capacity`` tells
why that is exact for powers of two). Each priority has a row too: no more replicas than are known
to find room at best. A group's own number of replicas is no row: ``placement_simplex`` sees to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tierwise_core.placement_groups import NOWHERE, Group, Option
from tierwise_core.placement_options import MICRO
from tierwise_core.placement_state import State

__all__ = ["Program", "program"]

MISSING: Final = 20.0
STEP: Final = 64.0
SPREAD: Final = 1e7


@dataclass(frozen=True, slots=True)
class Program:
    """What the simplex method works on; lists by group, column and row.

    Attributes:
        costs: USD per hour of each group's calm options and, last, of having none, which is more
            than any rearrangement would cost that gives it one.
        columns_of: the column of each group's options.
        columns: which rows a replica takes how much of; column 0 takes nothing.
        room: what there is of each row.
        demand: replicas of each group.
        priority_rows: the row of each priority, highest first.
    """

    costs: list[list[float]]
    columns_of: list[list[int]]
    columns: list[tuple[tuple[int, float], ...]]
    room: list[float]
    demand: list[float]
    priority_rows: dict[int, int]

    def missing(
        self, values: Sequence[Sequence[float]], groups: Sequence[Group]
    ) -> dict[int, float]:
        """How many replicas of each priority have no place."""
        missing = dict.fromkeys(self.priority_rows, 0.0)
        for group, shares, columns in zip(groups, values, self.columns_of, strict=True):
            missing[group.priority] += sum(
                value for value, column in zip(shares, columns, strict=True) if not column
            )
        return missing


def program(state: State) -> Program:
    """The program of a state in which nobody is anywhere."""
    groups = state.groups
    priorities = sorted({group.priority for group in groups}, reverse=True)
    sizes: dict[int, set[int]] = {}
    for option in {option for group in groups for option in group.options[: group.calm]}:
        if option.site != NOWHERE:
            sizes.setdefault(option.site, set()).add(option.size)
    places = [(site, size) for site in sorted(sizes) for size in sorted(sizes[site])]
    rows = {place: row for row, place in enumerate(places)}
    priority_rows = {priority: len(rows) + i for i, priority in enumerate(priorities)}
    book = _Columns(sizes, rows, priority_rows)
    replicas = [sum(g.replicas for g in groups if g.priority == each) for each in priorities]
    return Program(
        costs=_costs(groups, priorities),
        columns_of=[[book.of(group, option) for option in _choices(group)] for group in groups],
        columns=book.columns,
        room=[float(state.capacities[site].slack(size)) for site, size in places]
        + [float(count) for count in replicas],
        demand=[float(group.replicas) for group in groups],
        priority_rows=priority_rows,
    )


class _Columns:
    """Each way of taking room once, numbered as it comes up."""

    def __init__(
        self,
        sizes: Mapping[int, Iterable[int]],
        rows: Mapping[tuple[int, int], int],
        priority_rows: Mapping[int, int],
    ) -> None:
        self.columns: list[tuple[tuple[int, float], ...]] = [()]
        self._numbers: dict[tuple[int, int, int, int], int] = {}
        self._sizes, self._rows, self._priority_rows = sizes, rows, priority_rows

    def of(self, group: Group, option: Option) -> int:
        """The number of the column for that option."""
        if option.site == NOWHERE:
            return 0
        key = (group.priority, option.site, option.size, option.nodes)
        if key not in self._numbers:
            self._numbers[key] = len(self.columns)
            takes = [
                (self._rows[option.site, size], float(option.size // size * option.nodes))
                for size in sorted(self._sizes[option.site])
                if size <= option.size
            ]
            self.columns.append((*takes, (self._priority_rows[group.priority], 1.0)))
        return self._numbers[key]


def _costs(groups: Sequence[Group], priorities: Sequence[int]) -> list[list[float]]:
    """USD per hour of every option, and what a missing replica of each priority counts."""
    real = [o.cost for group in groups for o in group.options[: group.calm] if o.site != NOWHERE]
    least = MISSING * (1.0 + max(real, default=0) / MICRO)
    step = min(STEP, SPREAD ** (1 / max(1, len(priorities) - 1)))
    missing = {each: least * step**i for i, each in enumerate(reversed(priorities))}
    stopped = missing[priorities[0]] * step
    return [
        [
            option.cost / MICRO
            if option.site != NOWHERE
            else missing[group.priority]
            if group.origin is None
            else stopped
            for option in _choices(group)
        ]
        for group in groups
    ]


def _choices(group: Group) -> tuple[Option, ...]:
    """The calm options and, last, to have none, which for those who run is only a way to start."""
    calm = group.options[: group.calm]
    return calm if group.origin is None else (*calm, Option(NOWHERE, 0, 1, 0))
