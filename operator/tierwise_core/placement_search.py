"""From fractions to whole replicas: branch and bound over the linear program.

The linear program of a placement is nearly always whole already. Where a group is split, one of its
replicas is given to one option after the other, the program is solved again for the rest, and a
branch is left as soon as its bound is no better than the best placement found. Each program's
solution is also rounded to a placement, so there is a good one from the first moment, and the work
may end at any time: it is bounded by a count, never by a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from tierwise_core.placement_chains import Chains
from tierwise_core.placement_groups import NOWHERE
from tierwise_core.placement_program import Program, program
from tierwise_core.placement_simplex import FORBIDDEN, Simplex
from tierwise_core.placement_state import State

__all__ = ["Search"]

WHOLE: Final = 1e-6
ROOT_WORK: Final = 8_000_000
WORK: Final = 1_000_000
DEPTH: Final = 200
RELAXED: Final = 4
Counts = tuple[tuple[int, ...], ...]


@dataclass(slots=True)
class _Node:
    """A part of the search: what is fixed, and the program of the rest."""

    fixed: list[list[int]]
    costs: list[list[float]]
    room: list[float]
    demand: list[float]
    hint: list[list[float]] | None = None


class Search:
    """Finds the best placement of a state in which nobody is anywhere.

    Attributes:
        state: where the groups are put.
        best: the best placement so far.
        bound: USD per hour, missing replicas included, that none can be below.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.program: Program = program(state)
        self.best: Counts | None = None
        self.bound = 0.0
        self.surcharges: list[list[float]] = []
        self._best_cost = 0
        self._best_value = float("inf")
        self._work = 0
        self._missing: dict[int, int] = {}
        groups = state.groups
        self._by_difficulty = sorted(
            range(len(groups)), key=lambda i: (-groups[i].priority, -groups[i].largest, i)
        )

    def run(self) -> None:
        """Search, and put everybody where the best placement found says."""
        node, solved = self._root()
        for _ in range(RELAXED):
            self._visit(node, solved, 0)
            worse = self._short_of()
            if worse is None or self._work >= WORK:
                break
            self._missing[worse] += 1
            node.room[self.program.priority_rows[worse]] -= 1
            solved = self._solve(node, WORK)
        if self.best is not None:
            self.state.undo()
            self.state.load(self.best)
            Chains(self.state, self.surcharges).improve(2)

    def _root(self) -> tuple[_Node, Simplex]:
        """The whole program, with as many replicas of each priority as can have room at best."""
        given = self.program
        node = _Node(
            fixed=[[0] * len(costs) for costs in given.costs],
            costs=given.costs,
            room=list(given.room),
            demand=given.demand,
        )
        solved = self._solve(node, ROOT_WORK)
        for priority, row in given.priority_rows.items():
            short = given.missing(node.hint or [], self.state.groups)[priority]
            self._missing[priority] = ceil(short - WHOLE)
            node.room[row] -= self._missing[priority]
            if self._missing[priority] - short > WHOLE and self._work < WORK:
                solved = self._solve(node, ROOT_WORK)
        self.bound = solved.bound()
        self.surcharges = self._surcharges(solved)
        return node, solved

    def _surcharges(self, solved: Simplex) -> list[list[float]]:
        """For every option, forced ones by their cost alone."""
        surcharges = []
        for index, group in enumerate(self.state.groups):
            least = group.options[group.calm - 1].cost
            forced = [max(0.0, (o.cost - least) / 1e6) for o in group.options[group.calm :]]
            surcharges.append([*solved.surcharges(index)[: group.calm], *forced])
        return surcharges

    def _solve(self, node: _Node, work: int) -> Simplex:
        """Solve a node's program; its solution is the next one's hint."""
        unit = len(node.room) + len(node.demand)
        solved = Simplex(self.program, node.costs, node.room, node.demand, node.hint)
        solved.solve(max(1, work // unit))
        node.hint = solved.values()
        self._work += (solved.pivots + 4) * unit
        return solved

    def _short_of(self) -> int | None:
        """The lowest priority with more replicas missing than was thought possible."""
        worse = None
        if self.best is not None:
            for priority, known in self._missing.items():
                if self._count_missing(priority) > known:
                    worse = priority
        return worse

    def _count_missing(self, priority: int) -> int:
        missing = 0
        for group, counts in zip(self.state.groups, self.best or (), strict=True):
            if group.priority == priority:
                missing += sum(
                    count
                    for option, count in zip(group.options, counts, strict=True)
                    if option.site == NOWHERE
                )
        return missing

    def _visit(self, node: _Node, solved: Simplex, depth: int) -> None:
        """Round a node's solution off, and branch if the node may hide a better placement."""
        values = node.hint or []
        spent = sum(
            count * cost
            for counts, costs in zip(node.fixed, self.program.costs, strict=True)
            for count, cost in zip(counts, costs, strict=True)
            if count
        )
        bound = spent + solved.bound()
        if bound > self._best_value - WHOLE or self._hopeless(node, values):
            return
        self._round_off(node, values)
        split = self._split(values)
        if split is None or bound > self._best_value - WHOLE or depth >= DEPTH:
            return
        surcharges = solved.surcharges(split)
        shares = values[split]
        order = sorted(
            (choice for choice, cost in enumerate(node.costs[split]) if cost < FORBIDDEN),
            key=lambda choice: (int(shares[choice] + WHOLE) - shares[choice], surcharges[choice]),
        )
        costs = list(node.costs)
        for choice in order:
            if self._work >= WORK:
                return
            if bound + surcharges[choice] > self._best_value - WHOLE:
                continue
            child = self._child(node, costs, split, choice)
            if child is not None:
                child.hint = values
                self._visit(child, self._solve(child, WORK), depth + 1)
            costs[split] = list(costs[split])
            costs[split][choice] = 2 * FORBIDDEN

    def _hopeless(self, node: _Node, values: list[list[float]]) -> bool:
        """Whether a node has more replicas missing than the search is looking for."""
        if self.best is None:
            return False
        missing = self.program.missing(values, self.state.groups)
        already = self.program.missing(node.fixed, self.state.groups)
        return any(
            missing[priority] + already[priority] > known + WHOLE
            for priority, known in self._missing.items()
        )

    def _child(
        self, node: _Node, costs: Sequence[list[float]], group: int, choice: int
    ) -> _Node | None:
        """The node with one more replica fixed; ``None`` if there is no room for it."""
        room = list(node.room)
        for row, weight in self.program.columns[self.program.columns_of[group][choice]]:
            room[row] -= weight
            if room[row] < 0:
                return None
        demand, fixed = list(node.demand), list(node.fixed)
        demand[group] -= 1
        fixed[group] = list(fixed[group])
        fixed[group][choice] += 1
        return _Node(fixed, list(costs), room, demand)

    def _split(self, values: Sequence[Sequence[float]]) -> int | None:
        """The split group of the highest priority, the largest GPUs among those, to branch on."""
        split = [
            index
            for index, shares in enumerate(values)
            if any(WHOLE < share % 1 < 1 - WHOLE for share in shares)
        ]
        groups = self.state.groups
        return max(
            split,
            key=lambda each: (groups[each].priority, groups[each].largest, -each),
            default=None,
        )

    def _round_off(self, node: _Node, values: Sequence[Sequence[float]]) -> None:
        """Make a placement of whole replicas, and remember it if it is the best so far."""
        state = self.state
        state.undo()
        state.load(
            [
                [count + int(share + WHOLE) for count, share in zip(counts, shares, strict=True)]
                for counts, shares in zip(node.fixed, values, strict=True)
            ]
        )
        chains = Chains(state, self.surcharges)
        for index in self._by_difficulty:
            self._place_rest(chains, index)
        if self.best is None or state.cost < self._best_cost:
            self.best, self._best_cost = state.snapshot(), state.cost
            self._best_value = sum(
                count * cost
                for counts, costs in zip(self.best, self.program.costs, strict=True)
                for count, cost in zip(counts, costs, strict=False)
            )

    def _place_rest(self, chains: Chains, index: int) -> None:
        """Place what rounding off left of a group."""
        group = self.state.groups[index]
        rest = group.replicas - sum(group.counts)
        while rest and chains.place(index):
            rest -= 1
        if rest:
            self.state.put(index, group.calm - 1, rest)
