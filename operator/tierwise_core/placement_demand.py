"""What the solver has to decide, and what is decided already: who stays, who leaves, who is new."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from tierwise_core.placement_groups import NOWHERE, Group, Option, Unit
from tierwise_core.placement_options import OptionBook, moving
from tierwise_core.placement_types import Policy, Request, Running
from tierwise_core.tier_capacity import TierCapacity

__all__ = ["Demand", "Leaver", "Stayer", "demand"]


@dataclass(frozen=True, slots=True)
class Stayer:
    """Replicas that stay where they run, whatever happens to the others."""

    option: Option
    replicas: int


@dataclass(frozen=True, slots=True)
class Leaver:
    """Replicas that cannot stay, or are not wanted any more, and the GPUs they hold until then.

    Attributes:
        running: where they run.
        replicas: how many.
        nodes: their nodes, one entry a replica, as far as they have any.
        why: why they cannot stay, in words; empty if they are only too many.
    """

    running: Running
    replicas: int
    nodes: tuple[str, ...]
    why: str = ""


@dataclass(slots=True)
class Demand:
    """The fleet's replicas, sorted out.

    Attributes:
        groups: those to be placed, and those that might move.
        stayers: the others, by key.
        leavers: who leaves, by key.
    """

    groups: list[Group] = field(default_factory=list)
    stayers: dict[str, list[Stayer]] = field(default_factory=dict)
    leavers: dict[str, list[Leaver]] = field(default_factory=dict)


def demand(
    requests: Sequence[Request],
    book: OptionBook,
    policy: Policy,
    pinned: Collection[str] = frozenset(),
) -> Demand:
    """Sort the replicas of requests, which come in the order they are served.

    Afterwards the book's capacities hold what the stayers and the groups' units take. ``pinned``
    names requests whose running replicas stay for certain.
    """
    runs = {request.key: _settle(request, book) for request in requests if request.running}
    for request in requests:
        for run in runs.get(request.key, ()):
            run.release(book)
    sorting = _Sorting(book, policy, pinned)
    for request in requests:
        sorting.add(request, runs.get(request.key, ()))
    return sorting.finish()


@dataclass(slots=True)
class _Run:
    """Replicas on one tier: where they may stay as an option, and the nodes they stay on."""

    running: Running
    option: Option | None
    nodes: list[str] = field(default_factory=list)
    leaving: dict[str, int] = field(default_factory=dict)

    @property
    def bound(self) -> int:
        """Replicas whose nodes still have room for them."""
        return len(self.nodes) // self.option.nodes if self.option else 0

    def release(self, book: OptionBook) -> None:
        """Free the GPUs of pods that leave, or are leaving already."""
        site = book.site(self.running.tier)
        for node, gpus in self.leaving.items():
            sites = book.capacities if site is None else [book.capacities[site]]
            if gpus:
                any(capacity.release(node, gpus) for capacity in sites)

    def keep(self, count: int, capacity: TierCapacity) -> list[str]:
        """Let only so many stay; the nodes of those who do not."""
        assert self.option is not None  # noqa: S101 - only what may stay is kept
        places = count * self.option.nodes
        leaving, self.nodes = self.nodes[places:], self.nodes[:places]
        for node in leaving:
            capacity.vacate(node, self.option.size)
        return leaving


def _settle(request: Request, book: OptionBook) -> list[_Run]:
    """Let what runs stay on its nodes, as far as it may and they still have the GPUs."""
    runs = []
    for running in request.running:
        run = _Run(running, book.place_of(request, running), leaving=dict(running.held))
        if run.option is not None:
            capacity = book.capacities[run.option.site]
            size, most = run.option.size, running.replicas * run.option.nodes
            for node, gpus in sorted(running.held.items()):
                staying = capacity.settle(node, size, min(gpus // size, most - len(run.nodes)))
                run.nodes += [node] * staying
                run.leaving[node] = gpus - staying * size
        runs.append(run)
    return runs


class _Sorting:
    """Sorts requests one after the other, by priority."""

    def __init__(self, book: OptionBook, policy: Policy, pinned: Collection[str]) -> None:
        self._book, self._policy, self._pinned = book, policy, pinned
        self._demand = Demand()
        self._new: dict[tuple[int, int], tuple[tuple[Option, ...], list[tuple[str, int]]]] = {}
        self._running: dict[tuple[int, int, Option], tuple[tuple[Option, ...], list[Unit]]] = {}
        self._kept: list[tuple[Request, Option, list[Unit]]] = []
        self._gain: dict[tuple[int, Option], bool] = {}

    def add(self, request: Request, runs: Iterable[_Run]) -> None:
        """Sort one request's replicas."""
        missing = request.replicas
        for run in runs:
            missing -= self._stay(request, run, missing)
        options = self._book.options(request) if missing else ()
        if options:
            key = (request.priority, id(options))
            self._new.setdefault(key, (options, []))[1].append((request.key, missing))

    def _stay(self, request: Request, run: _Run, wanted: int) -> int:
        """Keep replicas that run, bound ones first; how many."""
        leavers = self._demand.leavers.setdefault(request.key, [])
        if run.option is None:
            why = self._why_not(request, run.running)
            nodes = tuple(sorted(node for node, gpus in run.running.held.items() if gpus))
            leavers.append(Leaver(run.running, run.running.replicas, nodes, why))
            return 0
        capacity = self._book.capacities[run.option.site]
        bound = min(wanted, run.bound)
        too_many = run.bound - bound
        left = run.keep(bound, capacity)
        if too_many:
            leavers.append(Leaver(run.running, too_many, tuple(left)))
        places = capacity.room(run.option.size) // run.option.nodes
        starting = min(wanted - bound, max(0, run.running.replicas - bound - too_many), places)
        capacity.take(run.option.size, starting * run.option.nodes)
        units = [(request.key, node) for node in run.nodes[:bound]]
        units += [(request.key, "")] * starting
        if units:
            self._kept.append((request, run.option, units))
        return bound + starting

    def _why_not(self, request: Request, running: Running) -> str:
        """Why replicas cannot stay where they run."""
        site = self._book.site(running.tier)
        if site is None:
            return f"there is no GPUTier {running.tier} any more"
        tier = self._book.capacities[site].tier
        if not request.allows(tier):
            return f"{running.tier} is not in spec.placement.tiers any more"
        if not any(node.ready for node in tier.nodes):
            return f"{running.tier} has no node any more that is ready"
        gpus = f"{running.tensor_parallel} GPU{'s' if running.tensor_parallel > 1 else ''}"
        return f"it does not fit {running.tier} on {gpus} any more"

    def finish(self) -> Demand:
        """What is to be decided, by priority and name."""
        groups = [
            Group(priority, options, calm=len(options), wanted=wanted)
            for (priority, _), (options, wanted) in self._new.items()
        ]
        urgent = max((group.priority for group in groups), default=None)
        movable: dict[tuple[int, int, Option, bool], Group] = {}
        for request, stay, units in self._kept:
            calm = request.key not in self._pinned and self._gains(request, stay)
            yields = self._policy.preempt and urgent is not None and request.priority < urgent
            if stay.nodes > 1 or not (calm or yields):
                self._demand.stayers.setdefault(request.key, []).append(Stayer(stay, len(units)))
                continue
            key = (request.priority, id(self._book.options(request)), stay, calm)
            if key not in movable:
                movable[key] = self._movable(request, stay, calm=calm, yields=yields)
            movable[key].units += units
        groups += movable.values()
        groups.sort(key=lambda group: (-group.priority, group.first_key, bool(group.units)))
        self._demand.groups = _with_nowhere(groups)
        return self._demand

    def _gains(self, request: Request, stay: Option) -> bool:
        """Whether some other place would be worth moving to, if it had room."""
        options = self._book.options(request)
        key = (id(options), stay)
        if key not in self._gain:
            cheapest = moving(stay, options[:1], self._policy)
            self._gain[key] = any(option.cost < stay.cost for option in cheapest)
        return self._gain[key]

    def _movable(self, request: Request, stay: Option, *, calm: bool, yields: bool) -> Group:
        """A group of running replicas: to move for their gain, and to make way."""
        away = moving(stay, self._book.options(request), self._policy)
        gains = [option for option in away if calm and option.cost < stay.cost]
        forced = [option for option in away if option not in gains] if yields else []
        options = (*gains, stay, *forced)
        return Group(
            request.priority, options, calm=len(gains) + 1, origin=len(gains), yields=yields
        )


def _with_nowhere(groups: list[Group]) -> list[Group]:
    """Give groups that may have no place the option of none, at a cost beyond all others.

    One more replica of a priority counts more than whatever placing it costs, all replicas of lower
    priorities included.
    """
    replicas = 1 + sum(group.replicas for group in groups)
    dear = 1 + replicas * max((o.cost for group in groups for o in group.options), default=0)
    costs = {}
    for priority in sorted({group.priority for group in groups}):
        costs[priority] = dear
        dear *= replicas
    for group in groups:
        nowhere = Option(NOWHERE, 0, 1, costs[group.priority])
        if group.origin is None:
            group.options = (*group.options, nowhere)
            group.calm += 1
        elif group.yields:
            group.options = (*group.options, nowhere)
    return groups
