"""The fleet while the solver works: how many of each group are where, undoable step by step."""

from __future__ import annotations

from collections.abc import Sequence

from tierwise_core.placement_groups import NOWHERE, Group, Option
from tierwise_core.tier_capacity import TierCapacity

__all__ = ["State"]


class State:
    """Groups on tiers, with the room that leaves. Starts with nobody anywhere.

    Every change is noted, so that an attempt that fails leaves nothing behind.

    Attributes:
        groups: the groups; ``counts`` says where their replicas are.
        capacities: the tiers, without what the groups take.
        cost: micro-USD per hour of all that is somewhere.
        journal: what was done, for ``undo``.
    """

    def __init__(self, groups: Sequence[Group], capacities: Sequence[TierCapacity]) -> None:
        self.groups = groups
        self.capacities = capacities
        self.cost = 0
        self.journal: list[tuple[int, int, int]] = []
        for group in groups:
            group.counts = [0] * len(group.options)
            for _, node in group.units:
                self._leave(group.options[group.origin or 0], node)

    def put(self, group: int, choice: int, count: int) -> int:
        """Give as many of ``count`` replicas as fit that option; how many those are."""
        members = self.groups[group]
        option = members.options[choice]
        if option.site != NOWHERE:
            if choice == members.origin:
                count = self._stay(members, option, count)
            else:
                capacity = self.capacities[option.site]
                count = min(count, capacity.room(option.size) // option.nodes)
                capacity.take(option.size, count * option.nodes)
        if count:
            self._note(group, choice, count)
        return count

    def take(self, group: int, choice: int, count: int) -> None:
        """Take replicas that are there away from an option."""
        members = self.groups[group]
        option, now = members.options[choice], members.counts[choice]
        if choice == members.origin:
            for _, node in reversed(members.units[now - count : now]):
                self._leave(option, node)
        elif option.site != NOWHERE:
            self.capacities[option.site].take(option.size, -count * option.nodes)
        self._note(group, choice, -count)

    def _note(self, group: int, choice: int, count: int) -> None:
        members = self.groups[group]
        members.counts[choice] += count
        self.cost += count * members.options[choice].cost
        self.journal.append((group, choice, count))

    def _stay(self, members: Group, option: Option, count: int) -> int:
        """Let running replicas be where they run, in the order of the group's units."""
        capacity, now = self.capacities[option.site], members.counts[members.origin or 0]
        for done, (_, node) in enumerate(members.units[now : now + count]):
            if node:
                capacity.occupy(node, option.size)
                if not capacity.sound():
                    capacity.vacate(node, option.size)
                    return done
            elif capacity.room(option.size):
                capacity.take(option.size, 1)
            else:
                return done
        return count

    def _leave(self, option: Option, node: str) -> None:
        capacity = self.capacities[option.site]
        if node:
            capacity.vacate(node, option.size)
        else:
            capacity.take(option.size, -1)

    def undo(self, mark: int = 0) -> None:
        """Go back to where the journal was that long."""
        while len(self.journal) > mark:
            group, choice, count = self.journal.pop()
            members = self.groups[group]
            if count > 0:
                self.take(group, choice, count)
            elif choice == members.origin:
                now = members.counts[choice]
                for _, node in members.units[now : now - count]:
                    self._return(members.options[choice], node)
                self._note(group, choice, -count)
            else:
                option = members.options[choice]
                if option.site != NOWHERE:
                    self.capacities[option.site].take(option.size, -count * option.nodes)
                self._note(group, choice, -count)
            self.journal.pop()

    def _return(self, option: Option, node: str) -> None:
        capacity = self.capacities[option.site]
        if node:
            capacity.occupy(node, option.size)
        else:
            capacity.take(option.size, 1)

    def load(self, counts: Sequence[Sequence[int]]) -> None:
        """Put replicas where ``counts`` says, as far as they fit, from nobody anywhere.

        Those who stay come first, then those who move and, if they cannot, stay; then the rest.
        """
        runs = [index for index, group in enumerate(self.groups) if group.units]
        for index in runs:
            origin = self.groups[index].origin or 0
            self.put(index, origin, counts[index][origin])
        for index in runs:
            group = self.groups[index]
            self._load_moves(index, counts[index])
            self.put(index, group.origin or 0, group.replicas - sum(group.counts))
        for index, group in enumerate(self.groups):
            if not group.units:
                self._load_moves(index, counts[index])

    def _load_moves(self, index: int, counts: Sequence[int]) -> None:
        group = self.groups[index]
        for choice, count in enumerate(counts[: len(group.options)]):
            if count and choice != group.origin:
                self.put(index, choice, count)

    def snapshot(self) -> tuple[tuple[int, ...], ...]:
        """Where everybody is."""
        return tuple(tuple(group.counts) for group in self.groups)
