"""Replicas that are alike, counted together, so that ten thousand Specialists are a few hundred.

Two replicas are alike if they have the same priority, fit the same tiers at the same size and
price, and run at the same place (or nowhere). Money is counted in whole micro-USD per hour, so
that sums and comparisons are exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

__all__ = ["NOWHERE", "Group", "Option", "Unit"]

NOWHERE: Final = -1

Unit = tuple[str, str]
"""A replica that runs: its request's key, and its node (empty while it has none)."""


@dataclass(frozen=True, slots=True)
class Option:
    """A tier and size that a replica may take.

    Attributes:
        site: the tier's index, or ``NOWHERE``.
        size: GPUs on each node.
        nodes: nodes of each replica.
        cost: micro-USD per hour, with what moving there costs; for ``NOWHERE`` more than anything
            that placing one more replica of that priority could cost, lower priorities included.
    """

    site: int
    size: int
    nodes: int
    cost: int


@dataclass(slots=True)
class Group:
    """Replicas that are alike.

    Attributes:
        priority: of their requests.
        options: where they may go. The first ``calm`` of them are for anybody's gain, cheapest
            first, then by the tier's name; the others only make way for a higher priority.
        calm: how many options are calm.
        origin: the option that is where they run; ``None`` for replicas that run nowhere.
        yields: whether they may be moved or stopped for a higher priority.
        wanted: keys and numbers of replicas that run nowhere, by key.
        units: the replicas that run, by key; those at the end leave first.
        counts: how many replicas have each option.
    """

    priority: int
    options: tuple[Option, ...]
    calm: int
    origin: int | None = None
    yields: bool = False
    wanted: list[tuple[str, int]] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    @property
    def replicas(self) -> int:
        """All of them."""
        return len(self.units) + sum(count for _, count in self.wanted)

    @property
    def first_key(self) -> str:
        """The first request of the group, by name."""
        return self.units[0][0] if self.units else self.wanted[0][0]

    @property
    def largest(self) -> int:
        """The GPUs of the largest option."""
        return max(option.size for option in self.options)
