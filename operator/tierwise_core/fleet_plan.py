"""The one decision that needs every object at once: who runs on which tier.

A pass over one Specialist reads its verdict from this plan. The plan is made anew when something
that it depends on changed: a spec, a model's metadata, a tier, a node, or the GPUs that are in use.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tierwise_core.conditions import FALSE, Verdict
from tierwise_core.correction import Correction, corrected
from tierwise_core.errors import NoCapacityError
from tierwise_core.fleet import GPUTier, GpuUse, Node
from tierwise_core.fleet_offers import solver_tiers
from tierwise_core.lineage import Lineage, family_of, lineage
from tierwise_core.model_metadata import MemoryBreakdown
from tierwise_core.placed import judge
from tierwise_core.placement import (
    Assignment,
    Move,
    PlacementPlan,
    Policy,
    Rejection,
    Request,
    Running,
    Tier,
    place,
)
from tierwise_core.rollout.ways_out import ways_out
from tierwise_core.sized import Sizing, size
from tierwise_core.specialist import Reading, ReadingPending, Specialist


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything that placement looks at; readings and holdings are by Specialist key.

    Attributes:
        use: the GPUs of all pods that are bound to nodes, ours and others'.
        holdings: what each Specialist runs now.
        wanted: how many replicas a load asks for, where that is not ``replicas.min``.
        corrections: what each tier's own loads taught about the memory estimate.
        usd_per_accepted: the measured cost of an accepted answer, by Specialist and tier.
        policy: what a move must bring, and who may be pushed out.
    """

    specialists: tuple[Specialist, ...] = ()
    readings: Mapping[str, Reading] = field(default_factory=dict)
    tiers: tuple[GPUTier, ...] = ()
    nodes: tuple[Node, ...] = ()
    use: GpuUse = field(default_factory=dict)
    holdings: Mapping[str, tuple[Running, ...]] = field(default_factory=dict)
    wanted: Mapping[str, int] = field(default_factory=dict)
    corrections: Mapping[str, Correction] = field(default_factory=dict)
    usd_per_accepted: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True, slots=True)
class FleetVerdict:
    """What the fleet's plan says of one Specialist.

    ``assignment`` is None when no tier was found. ``blocked`` means that nothing new may start,
    because its place in the graph is wrong; what runs stays. ``wanted`` is how many replicas were
    asked for. ``tiers`` are those of the assignment's shares, by name.
    """

    sizing: Sizing
    placed: Verdict
    assignment: Assignment | None = None
    tiers: Mapping[str, GPUTier] = field(default_factory=dict)
    moves: tuple[Move, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    escalation: Verdict | None = None
    blocked: bool = False
    wanted: int = 1


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """The placement of the whole fleet; verdicts are put into words when they are asked for."""

    specialists: Mapping[str, Specialist] = field(default_factory=dict)
    sizes: Mapping[str, Sizing] = field(default_factory=dict)
    lines: Mapping[str, Lineage] = field(default_factory=dict)
    tiers: Mapping[str, GPUTier] = field(default_factory=dict)
    placements: PlacementPlan = field(default_factory=lambda: PlacementPlan({}, {}, {}))
    wanted: Mapping[str, int] = field(default_factory=dict)
    moves: Mapping[str, tuple[Move, ...]] = field(default_factory=dict)
    requests: Mapping[str, Request] = field(default_factory=dict)
    offers: tuple[Tier, ...] = ()

    def verdict(self, key: str) -> FleetVerdict | None:
        """Return the verdict on one Specialist; None if the plan was made without it."""
        specialist = self.specialists.get(key)
        if specialist is None:
            return None
        line, assignment = self.lines[key], self.placements.assignments.get(key)
        return FleetVerdict(
            sizing=self.sizes[key],
            placed=judge(
                specialist, self.sizes[key], line, assignment, self.placements.failures.get(key)
            ),
            assignment=assignment,
            tiers=self._tiers_of(assignment),
            moves=self.moves.get(key, ()),
            rejections=tuple(self.placements.rejections.get(key, ())),
            escalation=line.escalation,
            blocked=line.parent is not None,
            wanted=self.wanted[key],
        )

    def _tiers_of(self, assignment: Assignment | None) -> dict[str, GPUTier]:
        shares = assignment.shares if assignment else ()
        return {share.tier: self.tiers[share.tier] for share in shares}

    def knows(self, specialist: Specialist) -> bool:
        """Say whether the plan was made for this spec and model and no older one."""
        planned = self.specialists.get(specialist.key)
        if planned is None or planned.generation != specialist.generation:
            return False
        return (planned.model, planned.mark) == (specialist.model, specialist.mark)

    def no_room(self, key: str) -> str:
        """Return why a candidate has no room beside what runs, with the ways out; empty if it has.

        Its numbers are those of the plan: what is free now, and what others are about to take.
        """
        request, assignment = self.requests.get(key), self.placements.assignments.get(key)
        if request is None or (assignment is not None and not assignment.missing_replicas):
            return ""
        if assignment is None and not isinstance(
            self.placements.failures.get(key), NoCapacityError
        ):
            return ""
        blue = self.requests.get(key.partition("#")[0])
        return ways_out(request, blue, self.offers)

    def essence(self, key: str) -> tuple[object, ...]:
        """Return what decides about one Specialist, to be compared with another plan's.

        The generation is part of it: a pass over a spec newer than the plan waits for the next
        plan, so that plan has to ask for the pass, whatever it says.
        """
        assignment = self.placements.assignments.get(key)
        failure = self.placements.failures.get(key)
        specialist = self.specialists.get(key)
        return (
            (specialist.generation, specialist.model) if specialist else None,
            self.sizes.get(key),
            self.lines.get(key),
            assignment,
            self._tiers_of(assignment),
            self.moves.get(key),
            str(failure) if failure else None,
            self.wanted.get(key),
        )


def changed_keys(old: FleetPlan, new: FleetPlan) -> frozenset[str]:
    """Return the Specialists for whom the new plan says something else than the old one."""
    keys = old.specialists.keys() | new.specialists.keys()
    return frozenset(key for key in keys if old.essence(key) != new.essence(key))


def plan_fleet(fleet: Fleet, previous: FleetPlan | None = None) -> FleetPlan:
    """Return who runs where; ``previous`` only saves sizing what has not changed."""
    sound = {sp.key: sp for sp in fleet.specialists if sp.invalid is None and not sp.deleting}
    sizes = {key: _size(sp, fleet, previous) for key, sp in sound.items()}
    families = family_of(sp for sp in sound.values() if not sp.side)
    lines = {key: lineage(sp, families[sp.namespace]) for key, sp in sound.items()}
    tiers = {tier.name: tier for tier in fleet.tiers if tier.invalid is None}
    wanted = {k: fleet.wanted.get(k, sp.placement.min_replicas) for k, sp in sound.items()}
    requests = [
        _request(sp, wanted[key], sizes[key], fleet)
        for key, sp in sound.items()
        if sizes[key].memory and (lines[key].parent is None or key in fleet.holdings)
    ]
    offers = solver_tiers(tiers.values(), fleet.nodes, fleet.use)
    placements = place(requests, offers, fleet.policy)
    moves: dict[str, tuple[Move, ...]] = {}
    for move in placements.moves:
        moves[move.key] = (*moves.get(move.key, ()), move)
    by_key = {request.key: request for request in requests}
    known = FleetPlan(sound, sizes, lines, tiers, placements, wanted, moves)
    return replace(known, requests=by_key, offers=tuple(offers))


def _size(specialist: Specialist, fleet: Fleet, previous: FleetPlan | None) -> Sizing:
    reading = fleet.readings.get(specialist.key)
    if reading is None or isinstance(reading, ReadingPending):
        reading = ReadingPending()  # how long it has been pending decides nothing here
    known = previous.sizes.get(specialist.key) if previous else None
    if known is not None and previous is not None and known.reading == reading:
        before = previous.specialists[specialist.key]
        if _sized_alike(before, specialist):
            return known
    try:
        return size(specialist, reading)
    except Exception as error:  # noqa: BLE001 - one odd model must not stop the others' placement
        message = f"an error of tierwise itself, please report it: {error!r}"
        return Sizing(Verdict("Sized", FALSE, "InternalError", message), {}, reading=reading)


def _sized_alike(before: Specialist, now: Specialist) -> bool:
    return (before.model, before.placement, before.engine.args) == (
        now.model,
        now.placement,
        now.engine.args,
    )


def _request(specialist: Specialist, replicas: int, sizing: Sizing, fleet: Fleet) -> Request:
    key = specialist.key
    runs = fleet.holdings.get(key, ())
    return Request(
        key=key,
        priority=specialist.priority,
        replicas=replicas,
        allowed_tiers=frozenset(specialist.placement.tiers),
        memory=sizing.memory,
        memory_by_tier=_corrected(sizing, fleet, runs),
        nodes_per_replica=specialist.placement.nodes_per_replica,
        running=runs,
        usd_per_accepted=fleet.usd_per_accepted.get(key, {}),
    )


def _corrected(
    sizing: Sizing, fleet: Fleet, runs: tuple[Running, ...]
) -> dict[str, dict[int, MemoryBreakdown]]:
    """Return what the model needs on the tiers that know better than the estimate.

    Where it runs already it fits, whatever others taught: nothing that serves goes for an estimate.
    """
    usable = {tier.name: (tier.memory_bytes or 0) * tier.usable_fraction for tier in fleet.tiers}
    here = {(place.tier, place.tensor_parallel) for place in runs if place.replicas}
    found: dict[str, dict[int, MemoryBreakdown]] = {}
    for tier, learned in fleet.corrections.items():
        if learned.samples:
            found[tier] = dict(sizing.memory)
            for size, need in sizing.memory.items():
                better = corrected(need, learned)
                fits = better.total_bytes_per_gpu <= usable.get(tier, 0)
                if fits or (tier, size) not in here:
                    found[tier][size] = better
    return found
