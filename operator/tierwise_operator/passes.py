"""Passes: what happens when an item's turn comes. Observe, decide, carry out; then the next."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import is_

from tierwise_core.adapter_status import AdaptersSeen
from tierwise_core.admission import with_flavor
from tierwise_core.delivery import Delivery
from tierwise_core.departure import departures
from tierwise_core.errors import TierwiseError
from tierwise_core.fleet import GPUTier, Pod, free_slots
from tierwise_core.fleet_plan import Fleet, FleetPlan, FleetVerdict, changed_keys, plan_fleet
from tierwise_core.model_metadata import ModelMetadata
from tierwise_core.placement import Policy, Running
from tierwise_core.pod_health import serving
from tierwise_core.reconcile import Snapshot, decide, refuse
from tierwise_core.sides import GREEN, Sides, sides
from tierwise_core.sides_observed import holdings_of_sides, pods_of_side, state_of_sides
from tierwise_core.snapshot import GreenView
from tierwise_core.specialist import Reading, Specialist
from tierwise_core.tiers import TierSnapshot, decide_tier
from tierwise_operator.adapters import Adapters
from tierwise_operator.cluster import ClusterError
from tierwise_operator.execute import Executor
from tierwise_operator.extensions import Extensions
from tierwise_operator.kinds import GPU_TIER, SPECIALIST
from tierwise_operator.load import LoadWatch
from tierwise_operator.load_day import LoadDay
from tierwise_operator.performance import Performance
from tierwise_operator.readings import Readings
from tierwise_operator.recorder import Subject
from tierwise_operator.rolling.rollout_pass import RolloutPasses
from tierwise_operator.store import FLEET, Store
from tierwise_operator.workqueue import Item, WorkQueue

FLEET_REST = 4.0  # planning the fleet takes at most a fifth of the time


@dataclass(slots=True)
class Passes:
    """One pass per call of `run`; what it needs is given once.

    ``hf_endpoint`` is handed to the pods of ``hf://`` models.
    """

    store: Store
    queue: WorkQueue
    readings: Readings
    executor: Executor
    clock: Callable[[], datetime]
    load: LoadWatch
    day: LoadDay
    adapters: Adapters
    performance: Performance
    extensions: Extensions
    rollouts: RolloutPasses
    hf_endpoint: str | None = None
    policy: Policy = field(default_factory=Policy)
    delivery: Delivery = field(default_factory=Delivery)
    plan: FleetPlan | None = None
    fleet_ready_at: float = 0.0
    _known_sides: dict[str, tuple[tuple[object, ...], Sides]] = field(default_factory=dict)

    async def run(self, item: Item) -> None:
        """Make one pass.

        Raises:
            ClusterError: a write failed; the pass has to be repeated.
        """
        match item.kind:
            case "Specialist":
                await self._specialist(item)
            case "GPUTier":
                await self._tier(item)
            case "Rollout":
                await self.rollouts.run(item)
            case "Fleet":
                await self._fleet(item)

    async def _specialist(self, item: Item) -> None:
        specialist = self.store.specialists.get(item.key)
        if specialist is None:
            self.adapters.forget(item.key)
            self.adapters.forget(f"{item.key}#{GREEN}")
            self.performance.forget(item.key)
            self.day.forget(item.key)
            self.rollouts.forget_sides(item.key)
            self._known_sides.pop(item.key, None)
            return
        subject = _subject(specialist)
        self.load.notice(specialist)
        self.day.hear(specialist)
        try:
            await self.extensions.prepare(specialist, self.store.pods.of(item.key))
            snapshot = self._snapshot(specialist)
            plan = decide(snapshot, self.clock())
            await self.executor.carry_out(plan, subject)
            if (state := state_of_sides(snapshot)) is not None:
                order = snapshot.sides.order if snapshot.sides else None
                self.rollouts.sides(specialist.key, state, order.name if order else "")
        except ClusterError as error:
            if error.rejected:
                await self._tell(specialist, subject, "ApplyRejected", str(error))
            raise
        except TierwiseError as error:
            await self._tell(specialist, subject, error.reason, str(error))
            raise
        except Exception as error:
            message = f"an error of tierwise itself, please report it: {error!r}"
            await self._tell(specialist, subject, "InternalError", message)
            raise
        if plan.recheck_seconds is not None:
            self.queue.add_after(item, plan.recheck_seconds)

    async def _tell(
        self, specialist: Specialist, subject: Subject, reason: str, message: str
    ) -> None:
        """Put what went wrong into ``Ready``; the pass is repeated with back-off in any case."""
        current = self.store.specialists.get(specialist.key) or specialist
        await self.executor.carry_out(refuse(current, reason, message, self.clock()), subject)

    def _snapshot(self, specialist: Specialist) -> Snapshot:
        key, pods = specialist.key, self.store.pods.of(specialist.key)
        both = self._sides(specialist)
        if self.plan is not None and not all(self.plan.knows(side) for side in both.all):
            self.queue.add(FLEET)
        reading, verdict = self._known(both.blue)
        ours = pods_of_side(both.blue, self.store.workloads(key), pods)
        return Snapshot(
            specialist=both.blue,
            reading=reading,
            fleet=verdict,
            sides=both,
            green=self._green(both.green) if both.green else None,
            deployments=self.store.workloads(key),
            service=next(iter(self.store.services.of(key)), None),
            pods=pods,
            departing=self._departing(pods),
            room=self._room,
            hf_endpoint=self.hf_endpoint,
            delivery=self.delivery,
            observed=self.load.status(specialist)
            | self.day.status(specialist, verdict)
            | self.performance.status(specialist, verdict, ours),
            adapters=self._adapters(both.blue, reading, ours),
            gangs=self.extensions.gangs,
            admission=self.extensions.words(specialist.namespace),
        )

    def _green(self, green: Specialist) -> GreenView:
        reading, verdict = self._known(green)
        name = green.full_name
        pods = pods_of_side(green, self.store.workloads(name), self.store.pods.of(name))
        adapters = self._adapters(green, reading, pods)
        return GreenView(
            reading, verdict, adapters, self.plan.no_room(green.key) if self.plan else ""
        )

    def _known(self, side: Specialist) -> tuple[Reading, FleetVerdict | None]:
        plan = self.plan
        verdict = plan.verdict(side.key) if plan is not None and plan.knows(side) else None
        return self.readings.of(side), verdict

    def _adapters(self, side: Specialist, reading: Reading, pods: Sequence[Pod]) -> AdaptersSeen:
        base = reading if isinstance(reading, ModelMetadata) else None
        return self.adapters.of(side, base, pods)

    def _sides(self, specialist: Specialist) -> Sides:
        """Return both sides; worked out anew only if something of it was observed anew.

        The fleet is planned from those of everybody, and nothing else can run meanwhile.
        """
        key = specialist.key
        workloads, pods = self.store.workloads(key), self.store.pods.of(key)
        orders = self.store.rollouts.of(key)
        observed = (specialist, *workloads, None, *pods, None, *orders)
        before, found = self._known_sides.get(key, ((), None))
        # By identity: what is observed anew is another object, even where it compares equal.
        if found is not None and len(before) == len(observed) and all(map(is_, before, observed)):
            return found
        blue = pods_of_side(specialist, workloads, pods)
        found = sides(specialist, orders, serves=bool(serving(blue)))
        self._known_sides[key] = observed, found
        if found.green is None:
            self.adapters.forget(f"{key}#{GREEN}")
        return found

    def _tiers(self) -> tuple[GPUTier, ...]:
        return tuple(with_flavor(t, self.extensions.flavors) for t in self.store.tiers.all())

    def _departing(self, pods: Iterable[Pod]) -> dict[str, str]:
        return departures(pods, self.store.nodes.get, self.store.use, self.store.tiers.get)

    def _room(self, tier: GPUTier, gpus: int) -> int:
        return free_slots(tier, self.store.nodes.all(), self.store.use, gpus)

    async def _tier(self, item: Item) -> None:
        tier = self.store.tiers.get(item.key)
        if tier is None:
            return
        if await self.extensions.need_flavor(tier):
            self.queue.add(Item("Fleet"))
        tier = with_flavor(tier, self.extensions.flavors)
        others = tuple(other for other in self._tiers() if other.name != tier.name)
        correction = self.performance.correction(tier)
        snapshot = TierSnapshot(tier, self.store.nodes.all(), self.store.use, others, correction)
        snapshot = replace(snapshot, flavors=self.extensions.flavors)
        plan = decide_tier(snapshot, self.clock())
        subject = Subject(GPU_TIER, "", tier.name, tier.uid, tier.generation)
        await self.executor.carry_out(plan, subject)

    async def _fleet(self, item: Item) -> None:
        """Plan the whole fleet, and ask for a pass over everyone for whom something changed."""
        loop = asyncio.get_running_loop()
        if (wait := self.fleet_ready_at - loop.time()) > 0:
            self.queue.add_after(item, wait)
            return
        before = self.plan or FleetPlan()
        after, cpu_seconds = await asyncio.to_thread(_timed, self._observed_fleet(), before)
        self.plan = after
        for key in changed_keys(before, after):
            self.queue.add(Item("Specialist", key.partition("#")[0]))
        self.fleet_ready_at = loop.time() + FLEET_REST * cpu_seconds

    def _observed_fleet(self) -> Fleet:
        both = [self._sides(specialist) for specialist in self.store.specialists.all()]
        every = tuple(side for found in both for side in found.all)
        self.readings.keep_only(every)
        replicas = {found.spec.key: self.load.wanted(found.spec) for found in both}
        return Fleet(
            specialists=every,
            readings={sp.key: self.readings.of(sp) for sp in every if sp.model},
            tiers=self._tiers(),
            nodes=self.store.nodes.all(),
            use={node: dict(held) for node, held in self.store.use.items()},
            holdings=self._holdings(both),
            wanted={sp.key: replicas[sp.full_name] for sp in every},
            corrections={t.name: self.performance.correction(t) for t in self.store.tiers.all()},
            policy=self.policy,
        )

    def _holdings(self, both: Iterable[Sides]) -> dict[str, tuple[Running, ...]]:
        found: dict[str, tuple[Running, ...]] = {}
        for one in both:
            key = one.spec.key
            if deployments := self.store.workloads(key):
                pods = self.store.pods.of(key)
                found |= holdings_of_sides(one, deployments, pods, self._departing(pods))
        return {key: runs for key, runs in found.items() if runs}


def _subject(specialist: Specialist) -> Subject:
    return Subject(
        SPECIALIST,
        specialist.namespace,
        specialist.name,
        specialist.uid,
        specialist.generation,
    )


def _timed(fleet: Fleet, before: FleetPlan) -> tuple[FleetPlan, float]:
    """Return the plan and the CPU time it took; waiting for a busy machine does not count."""
    started = time.thread_time()
    return plan_fleet(fleet, before), time.thread_time() - started
