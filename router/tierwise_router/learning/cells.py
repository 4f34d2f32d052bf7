"""The table of one Specialist's outcomes, each level shrunk towards the one above."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tierwise_core.acceptance import Cell
from tierwise_core.confidence import GENERALIST_PRIOR, SPECIALIST_PRIOR
from tierwise_router.learning.outcomes import Outcome

__all__ = ["STRENGTH", "Weighed", "table_of"]

INHERITED: Final = 10.0
STRENGTH: Final = 10.0
QUESTION_STRENGTH: Final = 2.0
LEAST_IN_CELL: Final = 3.0
LEAST_IN_QUESTION: Final = 2.0
MOST_NAMED: Final = 4000

Cells = dict[object, Cell]


@dataclass(frozen=True, slots=True)
class Weighed:
    """An outcome and what it counts."""

    outcome: Outcome
    weight: float

    @property
    def of(self) -> tuple[str, str]:
        """Whose it is: the Specialist and its revision."""
        return self.outcome.specialist, self.outcome.revision

    @property
    def counted(self) -> float:
        """What it says of the Specialist: less, the less the question was of its field."""
        return self.weight * self.outcome.share

    def cell(self, whole: Cell, beyond: Cell, cells: Mapping[object, Cell]) -> Cell:
        """Find the cell that predicts a question like this one, as the frozen model does."""
        outcome = self.outcome
        for key in reversed(list(_keys(outcome))):
            if (found := cells.get(key)) is not None:
                return found
        return whole if outcome.own else beyond


def table_of(mine: Sequence[Weighed], revision: str) -> tuple[Cell, Cell, Cells]:
    """Make a revision's table: its whole, what holds where it takes over, and the cells.

    What other revisions did is worth ten outcomes at the most.
    """
    own = [one for one in mine if one.outcome.revision == revision]
    others = [one for one in mine if one.outcome.revision != revision]
    sides = {}
    for inside in (True, False):
        prior = SPECIALIST_PRIOR if inside else GENERALIST_PRIOR
        strength = prior.accepted + prior.rejected
        start = Cell(prior.accepted / strength, 0.0)
        inherited = _counted([one for one in others if one.outcome.own is inside])
        scaled = min(1.0, INHERITED / inherited[1]) if inherited[1] > 0.0 else 0.0
        start = _shrunk(start, strength, inherited[0] * scaled, inherited[1] * scaled)
        side = [one for one in own if one.outcome.own is inside]
        found = _shrunk(start, strength + inherited[1] * scaled, *_counted(side))
        sides[inside] = found
    cells: Cells = {}
    for inside in (True, False):
        side = [one for one in own if one.outcome.own is inside]
        cells.update(_cells(side, sides[inside]))
    return sides[True], sides[False], cells


def _cells(side: Sequence[Weighed], whole: Cell) -> Iterator[tuple[object, Cell]]:
    """Go down the levels: the field, then in it the shape, the opening and the question."""
    groups: defaultdict[Any, list[Weighed]] = defaultdict(list)
    for one in side:
        for key in _keys(one.outcome):
            groups[key].append(one)
    made: Cells = {}
    named = 0
    for key, group in sorted(groups.items(), key=lambda item: (_level(item[0]), -len(item[1]))):
        accepted, count = _counted(group)
        level = _level(key)
        if level and count < (LEAST_IN_QUESTION if level == QUESTION else LEAST_IN_CELL):
            continue
        if level >= OPENING:
            named += 1
            if named > MOST_NAMED:
                continue
        if level == FIELD and group[0].outcome.own:
            # In its own field a Specialist's whole is the field's cell.
            made[key] = whole
            continue
        parent, strength = _parent(key, group, made, whole)
        made[key] = _shrunk(parent, strength, accepted, count)
    yield from made.items()


FIELD, SHAPE, OPENING, QUESTION = range(4)


def _keys(outcome: Outcome) -> Iterator[Any]:
    """Name the cells of an outcome, from the coarsest to the finest, as the frozen model does."""
    yield outcome.field
    features = outcome.features
    if features is not None:
        yield (outcome.field, features.shape)
        yield (outcome.field, features.opening, "opening")
        yield (outcome.field, features.question, "question")


def _level(key: Any) -> int:
    if not isinstance(key, tuple):
        return FIELD
    if len(key) == 2:  # noqa: PLR2004
        return SHAPE
    return OPENING if key[2] == "opening" else QUESTION


def _parent(key: Any, group: Sequence[Weighed], made: Cells, whole: Cell) -> tuple[Cell, float]:
    """Find what a cell shrinks to: the next coarser one that is there."""
    level = _level(key)
    if level == FIELD:
        return whole, STRENGTH
    if level == QUESTION:
        opening = next(reversed(list(_keys(group[0].outcome))[:-1]))
        return made.get(opening) or made.get(key[0]) or whole, QUESTION_STRENGTH
    return made.get(key[0]) or whole, STRENGTH


def _shrunk(parent: Cell, strength: float, accepted: float, count: float) -> Cell:
    total = strength + count
    return Cell((parent.mean * strength + accepted) / total, count)


def _counted(group: Iterable[Weighed]) -> tuple[float, float]:
    accepted = count = 0.0
    for one in group:
        accepted += one.counted * one.outcome.accepted
        count += one.counted
    return accepted, count
