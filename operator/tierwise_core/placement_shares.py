"""From groups back to requests: who of those alike goes where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tierwise_core.placement_demand import Demand
from tierwise_core.placement_groups import NOWHERE, Group, Option
from tierwise_core.placement_plan import Assignment, Share
from tierwise_core.placement_types import Request
from tierwise_core.tier_capacity import TierCapacity

__all__ = ["Departure", "Outcome", "assignment", "outcomes"]


@dataclass(frozen=True, slots=True)
class Departure:
    """Running replicas of a group that go elsewhere; ``after`` is ``None`` if they stop."""

    before: Option
    after: Option | None
    nodes: tuple[str, ...]
    forced: bool


@dataclass(slots=True)
class Outcome:
    """What becomes of one request.

    Attributes:
        kept: replicas that stay, by site and size.
        new: replicas that come, by site and size.
        starting: how many of those kept have no node yet.
        departures: its running replicas that go elsewhere.
    """

    kept: dict[tuple[int, int], int] = field(default_factory=dict)
    new: dict[tuple[int, int], int] = field(default_factory=dict)
    departures: list[Departure] = field(default_factory=list)

    def keep(self, option: Option, count: int) -> None:
        """Count replicas that stay."""
        place = (option.site, option.size)
        self.kept[place] = self.kept.get(place, 0) + count

    def come(self, option: Option, count: int) -> None:
        """Count replicas that come."""
        place = (option.site, option.size)
        self.new[place] = self.new.get(place, 0) + count


def outcomes(demand: Demand) -> dict[str, Outcome]:
    """What becomes of every request that has or gets replicas, by key."""
    found: dict[str, Outcome] = {}
    for key, stayers in demand.stayers.items():
        for stayer in stayers:
            found.setdefault(key, Outcome()).keep(stayer.option, stayer.replicas)
    for group in demand.groups:
        if group.units:
            _share_running(group, found)
        else:
            for key, option, count in _share_out(group.wanted, _new_places(group)):
                found.setdefault(key, Outcome()).come(option, count)
    return found


def _new_places(group: Group) -> list[tuple[Option, int]]:
    """The options taken by those who do not stay, and by how many."""
    return [
        (option, count)
        for choice, (option, count) in enumerate(zip(group.options, group.counts, strict=True))
        if count and choice != group.origin and option.site != NOWHERE
    ]


def _share_running(group: Group, found: dict[str, Outcome]) -> None:
    """Who stays and who goes, of replicas that run."""
    origin = group.origin or 0
    stay = group.options[origin]
    staying, leaving = group.units[: group.counts[origin]], group.units[group.counts[origin] :]
    for key, _ in staying:
        found.setdefault(key, Outcome()).keep(stay, 1)
    nodes: dict[str, list[str]] = {}
    for key, node in leaving:
        nodes.setdefault(key, []).append(node)
    wanted = [(key, len(each)) for key, each in nodes.items()]
    calm = set(group.options[: group.calm])
    for key, option, count in _share_out(wanted, _new_places(group)):
        gone, nodes[key] = nodes[key][:count], nodes[key][count:]
        outcome = found.setdefault(key, Outcome())
        outcome.come(option, count)
        outcome.departures.append(Departure(stay, option, tuple(gone), option not in calm))
    for key, rest in nodes.items():
        if rest:
            outcome = found.setdefault(key, Outcome())
            outcome.departures.append(Departure(stay, None, tuple(rest), forced=True))


def _share_out(
    wanted: Iterable[tuple[str, int]], places: Sequence[tuple[Option, int]]
) -> Iterator[tuple[str, Option, int]]:
    """Give each request in turn the first place with room for all it wants, else several.

    >>> one, two = Option(0, 1, 1, 5), Option(1, 1, 1, 9)
    >>> [(key, option.site, n) for key, option, n
    ...  in _share_out([("a", 2), ("b", 2)], [(one, 3), (two, 1)])]
    [('a', 0, 2), ('b', 0, 1), ('b', 1, 1)]
    """
    left = [count for _, count in places]
    for key, count in wanted:
        rest = count
        whole = next((i for i, room in enumerate(left) if room >= rest), None)
        for i in range(len(left)) if whole is None else (whole,):
            taken = min(rest, left[i])
            if taken:
                left[i] -= taken
                rest -= taken
                yield key, places[i][0], taken


def assignment(
    request: Request, outcome: Outcome, capacities: Sequence[TierCapacity]
) -> Assignment | None:
    """The request's shares, the primary one first; ``None`` if it has none."""
    counts: Mapping[tuple[int, int], int] = outcome.new
    if outcome.kept:
        places = (*outcome.kept, *outcome.new)
        counts = {place: outcome.kept.get(place, 0) + outcome.new.get(place, 0) for place in places}
    shares = [
        share(request, capacities[site], size, count, outcome.kept.get((site, size), 0))
        for (site, size), count in counts.items()
    ]
    if not shares:
        return None
    shares.sort(
        key=lambda each: (-each.replicas, each.usd_per_hour, each.tier, each.tensor_parallel)
    )
    placed = sum(counts.values())
    usd = sum(each.usd_per_hour for each in shares)
    return Assignment(tuple(shares), request.replicas - placed, usd)


def share(request: Request, capacity: TierCapacity, size: int, replicas: int, kept: int) -> Share:
    """So many replicas of a request on a tier."""
    tier, memory = capacity.tier, request.memory_on(capacity.tier.name)[size]
    gpus = size * request.nodes_per_replica
    return Share(
        tier=tier.name,
        tensor_parallel=size,
        gpus_per_replica=gpus,
        replicas=replicas,
        usd_per_hour=gpus * replicas * tier.usd_per_gpu_hour,
        memory=memory,
        usable_bytes_per_gpu=capacity.usable_bytes_per_gpu,
        headroom_bytes=capacity.usable_bytes_per_gpu - memory.total_bytes_per_gpu,
        kept=kept,
    )
