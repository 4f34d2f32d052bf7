"""The one decision that needs every object at once: who runs on which tier.

A pass over one Specialist reads its verdict from this plan. The plan is made anew when something
that it depends on changed: a spec, a model's metadata, a tier, a node, or the GPUs that are in use.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from tierwise_core.children import Child
from tierwise_core.conditions import FALSE, Verdict
from tierwise_core.fleet import GPUTier, GpuUse, Node, Pod, admits, free_gpus, gpu_use, nodes_of
from tierwise_core.lineage import Lineage, family_of, lineage
from tierwise_core.placed import judge
from tierwise_core.placement import (
    Assignment,
    NodeCapacity,
    PlacementPlan,
    Rejection,
    Request,
    Tier,
    place,
)
from tierwise_core.pod_health import of_revision, serving
from tierwise_core.sized import Sizing, size
from tierwise_core.specialist import Reading, ReadingPending, Specialist


@dataclass(frozen=True, slots=True)
class Holding:
    """What a Specialist runs now: the tier, the GPUs of each replica, and where it holds GPUs."""

    tier: str
    gpus_per_replica: int
    replicas: int
    held: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything that placement looks at; readings and holdings are by Specialist key.

    ``use`` counts the GPUs of all pods that are bound to nodes, ours and others'. ``wanted`` is how
    many replicas a load asks for, where that is not ``replicas.min``.
    """

    specialists: tuple[Specialist, ...] = ()
    readings: Mapping[str, Reading] = field(default_factory=dict)
    tiers: tuple[GPUTier, ...] = ()
    nodes: tuple[Node, ...] = ()
    use: GpuUse = field(default_factory=dict)
    holdings: Mapping[str, Holding] = field(default_factory=dict)
    wanted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FleetVerdict:
    """What the fleet's plan says of one Specialist.

    ``assignment`` is None when no tier was found. ``blocked`` means that nothing new may start,
    because its place in the graph is wrong; what runs stays. ``wanted`` is how many replicas were
    asked for.
    """

    sizing: Sizing
    placed: Verdict
    assignment: Assignment | None = None
    tier: GPUTier | None = None
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
            tier=self.tiers.get(assignment.tier) if assignment else None,
            rejections=tuple(self.placements.rejections.get(key, ())),
            escalation=line.escalation,
            blocked=line.parent is not None,
            wanted=self.wanted[key],
        )

    def knows(self, specialist: Specialist) -> bool:
        """Say whether the plan was made for this spec and no older one."""
        planned = self.specialists.get(specialist.key)
        return planned is not None and planned.generation == specialist.generation

    def essence(self, key: str) -> tuple[object, ...]:
        """Return what decides about one Specialist, to be compared with another plan's.

        The generation is part of it: a pass over a spec newer than the plan waits for the next
        plan, so that plan has to ask for the pass, whatever it says.
        """
        assignment = self.placements.assignments.get(key)
        failure = self.placements.failures.get(key)
        specialist = self.specialists.get(key)
        return (
            specialist.generation if specialist else None,
            self.sizes.get(key),
            self.lines.get(key),
            assignment,
            self.tiers.get(assignment.tier) if assignment else None,
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
    families = family_of(sound.values())
    lines = {key: lineage(sp, families[sp.namespace]) for key, sp in sound.items()}
    tiers = {tier.name: tier for tier in fleet.tiers if tier.invalid is None}
    wanted = {k: fleet.wanted.get(k, sp.placement.min_replicas) for k, sp in sound.items()}
    requests = [
        _request(sp, wanted[key], sizes[key], fleet.holdings.get(key))
        for key, sp in sound.items()
        if sizes[key].memory and (lines[key].parent is None or key in fleet.holdings)
    ]
    placements = place(requests, [_solver_tier(t, fleet.nodes, fleet.use) for t in tiers.values()])
    return FleetPlan(sound, sizes, lines, tiers, placements, wanted)


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


def _request(
    specialist: Specialist, replicas: int, sizing: Sizing, holding: Holding | None
) -> Request:
    return Request(
        key=specialist.key,
        priority=specialist.priority,
        replicas=replicas,
        allowed_tiers=frozenset(specialist.placement.tiers),
        memory=sizing.memory,
        current_tier=holding.tier if holding else None,
        current_tensor_parallel=holding.gpus_per_replica if holding else None,
        current_replicas=holding.replicas if holding else None,
        held=holding.held if holding else {},
    )


def _solver_tier(tier: GPUTier, nodes: Iterable[Node], use: GpuUse) -> Tier:
    return Tier(
        name=tier.name,
        gpu_memory_bytes=tier.memory_bytes or 0,
        usable_fraction=tier.usable_fraction,
        usd_per_gpu_hour=tier.usd_per_gpu_hour,
        escalate_to=tier.escalate_to,
        confidence_floor=tier.confidence_floor,
        nodes=tuple(_capacity(tier, node, use) for node in nodes_of(tier, nodes)),
        resource_name=tier.resource_name,
    )


def _capacity(tier: GPUTier, node: Node, use: GpuUse) -> NodeCapacity:
    return NodeCapacity(
        name=node.name,
        gpus_free=free_gpus(tier, node, use) if admits(tier, node) else 0,
        gpus_total=node.gpus.get(tier.resource_name, 0),
        ready=node.ready,
    )


def holding(
    deployments: Collection[Child], pods: Collection[Pod], last_tier: str | None
) -> Holding | None:
    """Return what a Specialist runs now, or None when it has no Deployment.

    While it moves, the tier it moves to counts (the one published last), so that the next plan
    does not turn back because the new pods have filled that tier.
    """
    live = [child for child in deployments if not child.deleting and child.tier]
    if not live:
        return None

    def weight(child: Child) -> tuple[bool, int, str]:
        return (
            child.tier == last_tier,
            len(serving(of_revision(pods, child.revision))),
            child.name,
        )

    current = max(live, key=weight)
    held = gpu_use(pods)
    return Holding(
        tier=current.tier,
        gpus_per_replica=max(1, current.gpus_per_replica),
        replicas=current.replicas,
        held={node: sum(counts.values()) for node, counts in held.items()},
    )
