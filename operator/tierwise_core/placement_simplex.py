"""The simplex method for placements: fractions of replicas, at the least cost there is.

Groups are many and rows few, so the groups' own equations (every replica has one option) are kept
out of the basis, by generalised upper bounding (Dantzig and Van Slyke, J. Computer and System
Sciences 1, 1967): each group has a *key* option that takes whatever its other options do not, and
the basis has one column per row of the program, its inverse in :mod:`.placement_inverse`.

The prices of the rows that come out are what one more place on a tier would be worth. They prove
how good a placement can be at most (``bound``) and guide the search for one of whole replicas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import add
from typing import Final

from tierwise_core.placement_inverse import Inverse, change_key, exchange
from tierwise_core.placement_program import Program

__all__ = ["FORBIDDEN", "Simplex"]

FORBIDDEN: Final = 1e15
TINY: Final = 1e-9
GAIN: Final = 1e-7
BLOCKS: Final = 12

Basic = tuple[int, int] | None
"""What is basic in a row: a group's option, or ``None`` for the slack of a row."""


@dataclass(frozen=True, slots=True)
class _Entering:
    """What is to grow: a group's option or, without a group, the slack of row ``choice``."""

    group: int | None
    choice: int
    gain: float


class Simplex:
    """One program being solved. It starts from a simple placement of whole groups.

    Attributes:
        prices: what each column's room is worth, in USD per hour.
        pivots: steps made so far.
    """

    def __init__(
        self,
        program: Program,
        costs: Sequence[list[float]],
        room: Sequence[float],
        demand: Sequence[float],
        hint: Sequence[Sequence[float]] | None = None,
    ) -> None:
        """``hint`` is the solution of a program much like this one."""
        self._costs, self._room, self._demand = costs, room, demand
        self._columns, self._columns_of = program.columns, program.columns_of
        self._touching: list[list[tuple[int, float]]] = [[] for _ in room]
        for column, takes in enumerate(self._columns):
            for row, weight in takes:
                self._touching[row].append((column, weight))
        size = len(room)
        self._inverse: Inverse = [{row: 1.0} for row in range(size)]
        self._basic: list[Basic] = [None] * size
        self._level = list(room)
        self._duals = [0.0] * size
        self._others: list[list[int]] = [[] for _ in costs]
        self._key = [len(each) - 1 for each in costs]
        self._key_level = list(demand)
        self.prices = [0.0] * len(self._columns)
        self.pivots = 0
        self._next = 0
        self._promising: list[int] = []
        for group in range(len(costs)):
            self._crash(group, hint[group] if hint else None)

    def _crash(self, group: int, hint: Sequence[float] | None) -> None:
        """Start a group on the first option with room for all of it (with a hint: on that one)."""
        demand, costs = self._demand[group], self._costs[group]
        choices: Sequence[int] = range(len(costs))
        if hint is not None:
            most = max(range(len(hint)), key=hint.__getitem__)
            choices = [most] if hint[most] >= demand - GAIN else []
        for choice in choices:
            takes = self._columns[self._columns_of[group][choice]]
            fits = all(self._level[row] >= weight * demand for row, weight in takes)
            if fits and costs[choice] < FORBIDDEN:
                for row, weight in takes:
                    self._level[row] -= weight * demand
                self._key[group] = choice
                return

    def solve(self, pivots: int) -> bool:
        """Improve until nothing does, or for so many steps; whether the optimum was reached."""
        while self.pivots < pivots:
            entering = self._entering()
            dual = min(self._duals, default=0.0)
            if dual < -GAIN and (entering is None or dual < entering.gain):
                entering = _Entering(None, self._duals.index(dual), dual)
            if entering is None:
                return True
            if not self._step(entering):
                return False
        return False

    def _entering(self) -> _Entering | None:
        """The option that gains most, of groups known to gain or else of the next ones."""
        self._promising, best = self._gaining(self._promising)
        groups = len(self._costs)
        block = max(8, groups // BLOCKS)
        scanned = 0
        while best is None and scanned < groups:
            ahead = [(self._next + i) % groups for i in range(min(block, groups - scanned))]
            self._next = (self._next + len(ahead)) % groups
            scanned += len(ahead)
            self._promising, best = self._gaining(ahead)
        return best

    def _gaining(self, groups: Sequence[int]) -> tuple[list[int], _Entering | None]:
        """Which of the groups could gain, and the one that gains most."""
        price, found = self.prices.__getitem__, []
        best: _Entering | None = None
        least = -GAIN
        for group in groups:
            row = list(map(add, self._costs[group], map(price, self._columns_of[group])))
            cheapest = min(row)
            gain = cheapest - row[self._key[group]]
            if gain < -GAIN:
                found.append(group)
                if gain < least:
                    least = gain
                    best = _Entering(group, row.index(cheapest), gain)
        return found, best

    def _direction(self, entering: _Entering) -> dict[int, float]:
        """How much each basic variable gives way for a unit of what enters."""
        if entering.group is None:
            return dict(self._inverse[entering.choice])
        columns = self._columns_of[entering.group]
        takes: dict[int, float] = dict(self._columns[columns[entering.choice]])
        for row, weight in self._columns[columns[self._key[entering.group]]]:
            takes[row] = takes.get(row, 0.0) - weight
        change: dict[int, float] = {}
        for row, weight in takes.items():
            if weight:
                for i, value in self._inverse[row].items():
                    change[i] = change.get(i, 0.0) + weight * value
        return {i: value for i, value in change.items() if abs(value) > TINY}

    def _step(self, entering: _Entering) -> bool:
        """Let something grow as far as it can; whether arithmetic allowed that."""
        change = self._direction(entering)
        keys = self._key_changes(entering.group, change)
        leaving, keyed, growth = self._blocking(change, keys)
        if leaving is None and keyed is None:
            return False
        self.pivots += 1
        for i, each in change.items():
            self._level[i] = _clean(self._level[i] - growth * each)
        for other, each in keys.items():
            self._key_level[other] = _clean(self._key_level[other] - growth * each)
        if keyed is not None:
            if keyed == entering.group and not self._others[keyed]:
                self._key[keyed], self._key_level[keyed] = entering.choice, growth
                return True
            leaving = self._replace_key(keyed, change)
            change = self._direction(entering)
            entering = replace(entering, gain=self._gain(entering))
        if leaving not in change:
            return False
        self._pivot(entering, leaving, change)
        self._level[leaving] = growth
        return True

    def _key_changes(self, group: int | None, change: Mapping[int, float]) -> dict[int, float]:
        """How much the key of each group gives way."""
        keys: dict[int, float] = {} if group is None else {group: 1.0}
        for i, each in change.items():
            basic = self._basic[i]
            if basic is not None:
                keys[basic[0]] = keys.get(basic[0], 0.0) - each
        return keys

    def _blocking(
        self, change: Mapping[int, float], keys: Mapping[int, float]
    ) -> tuple[int | None, int | None, float]:
        """What reaches zero first: a basic variable or a group's key; and at which growth."""
        growth, pivot = float("inf"), 0.0
        leaving: int | None = None
        keyed: int | None = None
        for i, each in change.items():
            if each > TINY:
                limit = max(0.0, self._level[i] / each)
                if limit < growth - TINY or (limit <= growth and each > pivot):
                    growth, pivot, leaving = limit, each, i
        for group, each in keys.items():
            if each > TINY:
                limit = max(0.0, self._key_level[group] / each)
                if limit < growth - TINY or (limit <= growth and each > pivot):
                    growth, pivot, leaving, keyed = limit, each, None, group
        return leaving, keyed, growth

    def _replace_key(self, group: int, change: Mapping[int, float]) -> int:
        """Make another basic option the group's key; the old key is basic in its row, returned."""
        mine = self._others[group]
        row = max(mine, key=lambda i: abs(change.get(i, 0.0)))
        basic = self._basic[row]
        assert basic is not None  # noqa: S101 - ``_others`` lists rows of options only
        change_key(self._inverse, mine, row)
        self._basic[row] = (group, self._key[group])
        self._key[group] = basic[1]
        self._level[row], self._key_level[group] = self._key_level[group], self._level[row]
        return row

    def _gain(self, entering: _Entering) -> float:
        """What an option costs less than its group's key, room included (below zero if it does)."""
        if entering.group is None:
            return entering.gain
        columns, costs = self._columns_of[entering.group], self._costs[entering.group]
        choice, key = entering.choice, self._key[entering.group]
        return (costs[choice] + self.prices[columns[choice]]) - (
            costs[key] + self.prices[columns[key]]
        )

    def _pivot(self, entering: _Entering, leaving: int, change: Mapping[int, float]) -> None:
        """Exchange a basic variable for the one that grew."""
        old = self._basic[leaving]
        if old is not None:
            self._others[old[0]].remove(leaving)
        entries = exchange(self._inverse, leaving, change)
        self._basic[leaving] = None
        if entering.group is not None:
            self._basic[leaving] = (entering.group, entering.choice)
            self._others[entering.group].append(leaving)
        self._reprice(entries, entering.gain)

    def _reprice(self, entries: Sequence[tuple[int, float]], gain: float) -> None:
        """Bring the prices up to date."""
        prices = self.prices
        for row, value in entries:
            change = gain * value
            self._duals[row] -= change
            for column, weight in self._touching[row]:
                prices[column] -= change * weight

    def values(self) -> list[list[float]]:
        """How many replicas of each group have each option; fractions of some."""
        values = [[0.0] * len(costs) for costs in self._costs]
        for group, key in enumerate(self._key):
            values[group][key] = self._key_level[group]
        for basic, level in zip(self._basic, self._level, strict=True):
            if basic is not None:
                values[basic[0]][basic[1]] = level
        return values

    def surcharges(self, group: int) -> list[float]:
        """What each option costs a replica beyond its group's best, room included."""
        costs = list(
            map(add, self._costs[group], map(self.prices.__getitem__, self._columns_of[group]))
        )
        least = min(costs)
        return [each - least for each in costs]

    def bound(self) -> float:
        """USD per hour that no placement can be below, whether or not the optimum was reached."""
        duals = [max(0.0, dual) for dual in self._duals]
        prices = [sum(duals[row] * weight for row, weight in takes) for takes in self._columns]
        least: float = sum(
            demand * min(map(add, costs, map(prices.__getitem__, columns)))
            for demand, costs, columns in zip(
                self._demand, self._costs, self._columns_of, strict=True
            )
        )
        return least - sum(dual * room for dual, room in zip(duals, self._room, strict=True))


def _clean(level: float) -> float:
    """A level without the dust of arithmetic below zero."""
    return 0.0 if -GAIN < level < 0 else level
