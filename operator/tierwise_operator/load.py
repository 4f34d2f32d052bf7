"""Watches the load of every Specialist and keeps the number of replicas that it asks for.

Each Specialist is looked at by itself, so that a pod that does not answer holds up nobody else's.
All that is kept here can be lost: after a start the number goes on from the status and from what
runs, and nothing is taken away before a whole window has been seen again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import structlog

from tierwise_core.burst import capped
from tierwise_core.engine_metrics import EngineMetrics
from tierwise_core.fleet import Pod
from tierwise_core.load import Counted, Traffic, loading, look_at, traffic
from tierwise_core.load_history import History, Look
from tierwise_core.pod_health import serving
from tierwise_core.scaling import Current, desired
from tierwise_core.scaling_status import Figures, first_replicas, published, scaling_status
from tierwise_core.specialist import Specialist
from tierwise_operator.metrics import Metrics
from tierwise_operator.store import FLEET, Store
from tierwise_operator.workqueue import Item

LOOK_SECONDS = 2.0
SLOW_LOOK_SECONDS = 30.0
REPORT_SECONDS = 30.0
WAKE_FRESH_SECONDS = 30.0

log = structlog.get_logger("tierwise.load")

Scrape = Callable[[Iterable[Pod]], Awaitable[Mapping[str, EngineMetrics]]]


class Served(Protocol):
    """Who wants to know what a Specialist served since the look before."""

    def __call__(self, specialist: Specialist, served: Traffic, ready: int) -> None:
        """Take note of it."""


@dataclass(slots=True)
class _Watched:
    """What is known of one Specialist's load; ``wake`` is what a router last wrote."""

    replicas: int
    reason: str
    changed_at: datetime | None
    figures: Figures
    history: History = field(default_factory=History)
    counted: Counted | None = None
    reported_at: float = float("-inf")
    due_at: float = float("-inf")
    wake: Mapping[str, Any] = field(default_factory=dict)
    wake_seen_at: float = float("-inf")


class LoadWatch:
    """The load of the fleet, and the replicas it asks for; lives in one event loop."""

    def __init__(
        self,
        store: Store,
        enqueue: Callable[[Item], None],
        scrape: Scrape,
        clock: Callable[[], datetime],
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._enqueue = enqueue
        self.scrape = scrape
        self._clock = clock
        self._metrics = metrics
        self._watched: dict[str, _Watched] = {}
        self.tell: list[Served] = []

    def wanted(self, specialist: Specialist) -> int:
        """Return how many replicas there should be now."""
        policy = capped(specialist)
        if policy.automatic:
            return policy.bounded(self._of(specialist).replicas)
        # What somebody else has chosen is where we begin if the number becomes ours.
        if (known := self._watched.get(specialist.key)) is not None:
            known.replicas = specialist.placement.min_replicas
        return specialist.placement.min_replicas

    def status(self, specialist: Specialist) -> dict[str, Any]:
        """Return ``status.scaling``; nothing where the number is not ours to choose."""
        policy = capped(specialist)
        if not policy.automatic or specialist.model is None:
            return {}
        known = self._of(specialist)
        told = scaling_status(
            self.wanted(specialist), known.reason, known.figures, known.changed_at, policy
        )
        return {"scaling": told}

    def engines(self, key: str) -> Mapping[str, EngineMetrics]:
        """Return what each pod of a Specialist last said, by the pod's key."""
        known = self._watched.get(key)
        return known.counted.engines if known and known.counted else {}

    def notice(self, specialist: Specialist) -> None:
        """React to a change: requests that wait at a router, a pod never asked, another spec."""
        known = self._of(specialist)
        ready = {pod.key for pod in serving(self._store.pods.of(specialist.key))}
        is_ours = capped(specialist).automatic and known.replicas > 0
        if is_ours or ready - self.engines(specialist.key).keys():
            known.due_at = float("-inf")
        if not capped(specialist).sleeps:
            return
        wake = specialist.status.get("wake") or {}
        if wake == known.wake:
            return
        known.wake, known.wake_seen_at = wake, self._now()
        known.due_at = float("-inf")
        if self._held(known) and self.wanted(specialist) == 0:
            self._judge(specialist, known, Look(self._now(), held=self._held(known)))

    async def run(self) -> None:
        """Look at everybody again and again."""
        loop = asyncio.get_running_loop()
        while True:
            began_at = loop.time()
            await self.round()
            await asyncio.sleep(max(LOOK_SECONDS / 4, LOOK_SECONDS - (loop.time() - began_at)))

    async def round(self) -> None:
        """Look at everybody whose turn it is, at all of them at once."""
        specialists = [sp for sp in self._store.specialists.all() if sp.model and not sp.deleting]
        keys = {specialist.key for specialist in specialists}
        for gone in self._watched.keys() - keys:
            del self._watched[gone]
        now = self._now()
        due = [sp for sp in specialists if now >= self._of(sp).due_at]
        await asyncio.gather(*(self._look_safely(specialist) for specialist in due))

    def survey(self) -> None:
        """Bring the gauges up to date."""
        self._metrics.wanted.clear()
        self._metrics.in_flight.clear()
        for key, known in self._watched.items():
            specialist = self._store.specialists.get(key)
            if specialist is not None and capped(specialist).automatic:
                self._metrics.wanted.labels(key).set(self.wanted(specialist))
                load = known.history.latest.load if known.history.latest else 0
                self._metrics.in_flight.labels(key).set(load)

    def _now(self) -> float:
        return self._clock().timestamp()

    def _of(self, specialist: Specialist) -> _Watched:
        known = self._watched.get(specialist.key)
        if known is None:
            known = self._watched[specialist.key] = self._begun(specialist)
        return known

    def _begun(self, specialist: Specialist) -> _Watched:
        policy, status = capped(specialist), specialist.status
        deployments = self._store.blue_deployments(specialist.key)
        said = published(status)
        return _Watched(
            first_replicas(policy, status, deployments), said.reason, said.changed_at, said.figures
        )

    async def _look_safely(self, specialist: Specialist) -> None:
        try:
            await self._look(specialist)
        except Exception:  # whatever is odd about one Specialist, the others are looked at
            log.exception("load not read", specialist=specialist.key)

    async def _look(self, specialist: Specialist) -> None:
        self._metrics.looks.inc()
        ready = serving(self._store.pods.of(specialist.key))
        pages = await self.scrape(ready) if ready else {}
        self._metrics.scrapes.labels("answered").inc(len(pages))
        self._metrics.scrapes.labels("missed").inc(len(ready) - len(pages))
        current = self._store.specialists.get(specialist.key)
        known = self._watched.get(specialist.key)
        if current is not None and known is not None:
            self._take(current, known, pages)

    def _take(
        self, specialist: Specialist, known: _Watched, pages: Mapping[str, EngineMetrics]
    ) -> None:
        pods, fresh = self._store.pods.of(specialist.key), Counted(self._now(), pages)
        served = traffic(known.counted, fresh)
        look = look_at(pods, fresh, served, self._held(known), specialist.engine.image)
        before = known.counted.engines if known.counted else {}
        if pages.keys() - before.keys():
            self._enqueue(Item("Specialist", specialist.key))  # its status may tell the figures
        busy = capped(specialist).automatic and (pods or known.replicas)
        known.due_at = fresh.at_seconds + (0.0 if busy else SLOW_LOOK_SECONDS)
        alive = {pod.key for pod in pods}
        kept = {key: page for key, page in before.items() if key in alive}
        known.counted = Counted(fresh.at_seconds, {**kept, **pages})
        if served is not None:
            for tell in self.tell:
                tell(specialist, served, len(serving(pods)))
        if capped(specialist).automatic:
            self._judge(specialist, known, look)

    def _judge(self, specialist: Specialist, known: _Watched, look: Look) -> None:
        """Decide anew after a look; a changed number is planned and published at once."""
        policy = capped(specialist)
        ready = len(serving(self._store.blue_pods(specialist.key)))
        known.history = known.history.plus(look, policy)
        current = Current(known.replicas, ready, self._loading(specialist))
        scaling = desired(known.history, current, policy, look.at_seconds)
        if scaling.desired != known.replicas:
            self._change(specialist, known, scaling.desired, scaling.reason)
        elif self._is_news(known, look):
            known.figures, known.reported_at = Figures.of(look), look.at_seconds
            known.reason = scaling.reason
            self._enqueue(Item("Specialist", specialist.key))

    def _loading(self, specialist: Specialist) -> int:
        """Count the loaders, those that a Deployment is still about to create included."""
        pods = self._store.blue_pods(specialist.key)
        deployments = self._store.blue_deployments(specialist.key)
        asked = sum(d.replicas for d in deployments if not d.deleting and not d.failure)
        there = sum(not pod.terminating and not pod.finished for pod in pods)
        return loading(pods, specialist.engine.image) + max(0, asked - there)

    @staticmethod
    def _is_news(known: _Watched, look: Look) -> bool:
        due = look.at_seconds - known.reported_at >= REPORT_SECONDS
        return due and Figures.of(look).differs(known.figures)

    def _change(self, specialist: Specialist, known: _Watched, replicas: int, reason: str) -> None:
        direction = "up" if replicas > known.replicas else "down"
        self._metrics.scalings.labels(specialist.key, direction).inc()
        log.info(
            "scaled",
            specialist=specialist.key,
            was=known.replicas,
            replicas=replicas,
            reason=reason,
        )
        known.replicas, known.reason, known.changed_at = replicas, reason, self._clock()
        known.figures = Figures.of(known.history.latest)
        known.reported_at = self._now()
        self._enqueue(FLEET)
        self._enqueue(Item("Specialist", specialist.key))

    def _held(self, known: _Watched) -> int:
        """Return the requests that routers hold; what they said long ago does not count.

        Its age is measured from when it was seen here: the clocks of nodes differ.
        """
        if self._now() - known.wake_seen_at > WAKE_FRESH_SECONDS:
            return 0
        waiting = known.wake.get("waiting")
        return waiting if isinstance(waiting, int) else 0
