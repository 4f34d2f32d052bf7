"""Chains of moves that make room: how a replica is placed where everything is full.

If a replica finds no room where it would cost least, another may go elsewhere for it, and a third
for that one. The prices of the linear program say what each such step costs beyond the ideal, never
less than nothing, so the cheapest chain is a shortest path (Dijkstra) over tiers. It is carried out
on the real nodes, and undone unless it makes the placement better.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import Final

from tierwise_core.placement_groups import NOWHERE, Option
from tierwise_core.placement_state import State

__all__ = ["Chains"]

STEPS: Final = 6
NEAREST: Final = 10
PLACES: Final = 300
TRIES: Final = 4
TOGETHER: Final = (8, 4, 2, 1)
GAIN: Final = 1e-6
INFINITE: Final = float("inf")

Hop = tuple[int, int, int, int]
"""So many replicas of a group go from one option to another: group, before, after, count."""

Place = tuple[int, int, int]
"""A tier, a size, and how many places of it are needed there."""

Path = tuple[Hop, "Path | None"]
"""A chain, last hop first."""


class _Reached:
    """Places in the order of what it costs to get there.

    Attributes:
        outward: the cheapest way that ends with lower priorities having no place.
    """

    def __init__(self) -> None:
        self._queue: list[tuple[float, int, Place, Path]] = []
        self._best: dict[Place, float] = {}
        self.outward: Path | None = None

    def add(self, surcharge: float, steps: int, option: Option, path: Path) -> None:
        """Note a way to a place, if it is the cheapest so far."""
        place = (option.site, option.size, path[0][3] * option.nodes)
        if surcharge < self._best.get(place, INFINITE):
            self._best[place] = surcharge
            if option.site == NOWHERE:
                self.outward = path
            heappush(self._queue, (surcharge, steps, place, path))

    def pop(self) -> tuple[float, int, Place, Path] | None:
        """The nearest place that was not visited, if there is one."""
        while self._queue:
            nearest = heappop(self._queue)
            if nearest[0] <= self._best[nearest[2]]:
                return nearest
        return None


class Chains:
    """Looks for chains at given surcharges.

    Attributes:
        state: what the chains change.
        surcharges: what each option of each group costs beyond the group's best, room included.
        forced: whether those who run make way for higher priorities.
    """

    def __init__(
        self, state: State, surcharges: Sequence[Sequence[float]], *, forced: bool = False
    ) -> None:
        self.state = state
        self.surcharges = surcharges
        self.forced = forced
        self._nearest: dict[int, list[int]] = {}
        self._vain: set[Hop] = set()
        self._on_site: list[list[tuple[int, int]]] = [[] for _ in state.capacities]
        for index, group in enumerate(state.groups):
            for choice, option in enumerate(group.options):
                if option.site != NOWHERE:
                    self._on_site[option.site].append((index, choice))

    def place(
        self, group: int, before: int | None = None, most: float = INFINITE, count: int = 1
    ) -> bool:
        """Give replicas an option at a surcharge below ``most``; whether that was possible.

        ``before`` is the option they have now, ``None`` if they are nowhere yet. Those who are
        somewhere move, all together, only if that makes the whole placement cheaper.
        """
        state = self.state
        mark, cost = len(state.journal), state.cost
        if before is not None:
            state.take(group, before, count)
        started = len(state.journal)
        self._vain.clear()
        for _ in range(TRIES):
            path = self._shortest(group, before, most, count)
            if path is None:
                break
            if self._carry_out(path) and (before is None or state.cost < cost):
                return True
            state.undo(started)
        state.undo(mark)
        return False

    def _shortest(self, group: int, before: int | None, most: float, count: int) -> Path | None:
        """The cheapest chain that ends where there is room."""
        members = self.state.groups[group]
        reached = _Reached()
        for choice, option in enumerate(members.options[: members.calm]):
            surcharge = self.surcharges[group][choice] * count
            if choice != before and option.site != NOWHERE and surcharge < most:
                hop = (group, -1, choice, count)
                reached.add(surcharge, 1, option, (hop, None))
        for _ in range(PLACES):
            nearest = reached.pop()
            if nearest is None:
                break
            surcharge, steps, place, path = nearest
            site, size, places = place
            if site == NOWHERE or self.state.capacities[site].room(size) >= places:
                return path
            if steps < STEPS:
                for cost, option, hop in self._departures(place, group, count):
                    if surcharge + cost < most:
                        reached.add(surcharge + cost, steps + 1, option, (hop, path))
        return reached.outward

    def _departures(
        self, place: Place, urgent: int, gaining: int
    ) -> Iterator[tuple[float, Option, Hop]]:
        """Who could leave a tier so that the lacking places come free, and where to."""
        site, size, needed = place
        groups, capacity = self.state.groups, self.state.capacities[site]
        for index, choice in self._on_site[site]:
            members = groups[index]
            if not members.counts[choice]:
                continue
            here = members.options[choice]
            places = capacity.must_leave(here.size, size, needed)
            if places is None or members.counts[choice] * here.nodes < places:
                continue
            leaving = -(-places // here.nodes)
            now = self.surcharges[index][choice]
            yields = members.priority < groups[urgent].priority
            fewer = members.priority == groups[urgent].priority and leaving < gaining
            forced = self.forced and yields
            for after in range(len(members.options)) if forced else self._cheapest(index):
                option = members.options[after]
                if option.site == site or (after >= members.calm and not forced):
                    continue
                if option.site == NOWHERE and not (yields or fewer):
                    continue
                hop = (index, choice, after, leaving)
                if hop not in self._vain:
                    yield leaving * max(0.0, self.surcharges[index][after] - now), option, hop

    def _cheapest(self, group: int) -> list[int]:
        """The few options of a group with the least surcharges, and that of having none."""
        if group not in self._nearest:
            mine = self.surcharges[group]
            order = sorted(range(len(mine)), key=mine.__getitem__)
            last = self.state.groups[group].calm - 1
            self._nearest[group] = [*order[:NEAREST], *({last} - {*order[:NEAREST]})]
        return self._nearest[group]

    def _carry_out(self, path: Path) -> bool:
        """Move everybody along the chain, the last one first; whether there was room for all."""
        link: Path | None = path
        while link is not None:
            hop, link = link
            group, before, after, count = hop
            if before >= 0 and self.state.groups[group].counts[before] >= count:
                self.state.take(group, before, count)
            elif before >= 0:
                self._vain.add(hop)
                return False
            if self.state.put(group, after, count) < count:
                self._vain.add(hop)
                return False
        self._vain.add(path[0])
        return True

    def improve(self, rounds: int) -> None:
        """Move replicas to cheaper room that is left, and along chains that pay."""
        for _ in range(rounds):
            mark = self.state.cost
            for index, members in enumerate(self.state.groups):
                for choice in range(len(members.options) - 1, -1, -1):
                    if members.counts[choice]:
                        self._move_down(index, choice)
                    if members.counts[choice] and self.surcharges[index][choice] > GAIN:
                        self._improve(index, choice)
            if self.state.cost == mark:
                return

    def _move_down(self, group: int, choice: int) -> None:
        """Move replicas to cheaper options that have room, whatever the room is worth to others."""
        state, members = self.state, self.state.groups[group]
        now = members.options[choice]
        for after, option in enumerate(members.options[: members.calm]):
            if option.cost >= now.cost:
                return
            room = state.capacities[option.site].room(option.size) // option.nodes
            count = min(members.counts[choice], room)
            if count and option.site != now.site:
                state.take(group, choice, count)
                state.put(group, after, count)

    def _improve(self, group: int, choice: int) -> None:
        """Move as many replicas of a group as pay, several at once before one at a time."""
        members, surcharge = self.state.groups[group], self.surcharges[group][choice]
        for count in TOGETHER:
            while members.counts[choice] >= count:
                if not self.place(group, choice, surcharge * count, count):
                    break
