"""The running operator: store, queue, workers and timers, put together once."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from tierwise_operator import census
from tierwise_operator.adapters import AdapterMeans
from tierwise_operator.cluster import Cluster, ClusterError
from tierwise_operator.drifting.lessons import PairsClient
from tierwise_operator.drifting.watch import DriftWatch
from tierwise_operator.engine_metrics import EngineScraper
from tierwise_operator.execute import Executor
from tierwise_operator.extensions import Extensions
from tierwise_operator.load import LoadWatch
from tierwise_operator.load_day import LoadDay
from tierwise_operator.metrics import Metrics
from tierwise_operator.passes import Passes
from tierwise_operator.performance import Performance
from tierwise_operator.pruning import Pruner
from tierwise_operator.readings import Read, Readings
from tierwise_operator.recorder import Recorder
from tierwise_operator.rolling.means import ALL, Means, means
from tierwise_operator.rolling.rollout_pass import SHARED, RolloutPasses
from tierwise_operator.settings import Settings
from tierwise_operator.store import FLEET, Store
from tierwise_operator.workqueue import Item, WorkQueue

# What vanished between our first listing and kopf's was told by neither.
FIRST_PRUNE_SECONDS = 15.0

log = structlog.get_logger("tierwise.operator")


class Operator:
    """One operator against one cluster; nothing in it knows about kopf."""

    def __init__(  # noqa: PLR0913 - the cluster, and the means that a test replaces
        self,
        cluster: Cluster,
        settings: Settings,
        read: Read,
        metrics: Metrics | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        adapters: AdapterMeans | None = None,
        rollouts: Callable[[Callable[[str], None]], Means] | None = None,
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self.metrics = metrics or Metrics()
        self.queue = WorkQueue()
        self.store = Store(self.queue.add, settings.leaving_taints)
        self.pruner = Pruner(cluster, self.store, settings.namespaces)
        self.readings = Readings(read, lambda: self.queue.add(FLEET), lambda: clock().timestamp())
        recorder = Recorder(cluster, settings.identity, clock)
        executor = Executor(cluster, self.store, recorder, self.metrics)
        self.scraper = EngineScraper()
        self.load_watch = LoadWatch(
            self.store, self.queue.add, self.scraper.scrape, clock, self.metrics
        )
        self.adapters = (adapters or AdapterMeans()).put_together(
            lambda key: self.queue.add(Item("Specialist", key.partition("#")[0]))
        )
        day = LoadDay(self.store, self.queue.add, clock)
        self.load_watch.tell.append(day.take)
        performance = Performance(self.load_watch.engines, self.queue.add, clock)
        self.load_watch.tell.append(performance.take)
        self.extensions = Extensions(cluster, self.store, clock, settings.namespaces)
        found = (
            rollouts(self._answered)
            if rollouts
            else means(cluster, self.store, settings, self._answered)
        )
        self.rollouts = RolloutPasses(self.store, self.queue, executor, found, clock, self.metrics)
        self.drift_watch: DriftWatch | None = None
        if url := settings.ledger_url:
            lessons = PairsClient(url, settings.ledger_token_file)
            self.drift_watch = DriftWatch(self.store, cluster, recorder, lessons, clock)
        self.passes = Passes(
            self.store,
            self.queue,
            self.readings,
            executor,
            clock,
            self.load_watch,
            day,
            self.adapters,
            performance,
            self.extensions,
            self.rollouts,
            settings.hf_endpoint,
            settings.policy,
            settings.delivery,
        )

    async def load(self) -> None:
        """Take the first picture of the cluster."""
        await census.load(self._cluster, self.store, self._settings.namespaces)
        await self.extensions.look()

    async def work(self) -> None:
        """Make passes for ever, a bounded number at once."""
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._settings.workers):
                    group.create_task(self._worker(), name=f"worker {number}")
                group.create_task(self._resync(), name="resync")
                group.create_task(self.pruner.run(), name="prune")
                group.create_task(self.load_watch.run(), name="load")
                if self.drift_watch is not None:
                    group.create_task(self.drift_watch.run(), name="drift")
        finally:
            await self.adapters.close()
            await self.scraper.close()
            await self.rollouts.means.close()
            if self.drift_watch is not None:
                await self.drift_watch.close()

    async def settle(self) -> None:
        """Make passes until nothing is left to do; retries and rechecks aside."""
        others = (self.readings, self.adapters, self.rollouts.means)
        while not self.queue.idle or any(one.busy for one in others):
            while (item := self.queue.take()) is not None:
                self.passes.fleet_ready_at = 0.0  # nobody else needs the CPU here
                await self._pass(item)
            for one in others:
                await one.settle()

    def _answered(self, key: str) -> None:
        """Look at the Rollout about which somebody has answered, or at all that have a share."""
        if key != ALL:
            self.queue.add(Item("Rollout", key))
            return
        for order in self.store.rollouts.all():
            if order.stage in SHARED:
                self.queue.add(Item("Rollout", order.key))

    async def _worker(self) -> None:
        while True:
            await self._pass(await self.queue.get())
            # A pass that writes nothing never waits: thousands in a row would let nobody else in.
            await asyncio.sleep(0)

    async def _pass(self, item: Item) -> None:
        """Make one pass; whatever goes wrong concerns this item alone."""
        started = time.perf_counter()
        try:
            await self.passes.run(item)
        except Exception as error:  # noqa: BLE001 - the pool must outlive any single object
            self._failed(item, error)
            outcome = "error"
        else:
            self.queue.succeeded(item)
            outcome = "ok"
        finally:
            self.queue.done(item)
        self.metrics.passes.labels(item.kind, outcome).inc()
        self.metrics.duration.labels(item.kind).observe(time.perf_counter() - started)

    def _failed(self, item: Item, error: Exception) -> None:
        delay = self.queue.retry(item)
        known = isinstance(error, ClusterError)
        log.warning(
            "pass failed",
            kind=item.kind,
            key=item.key,
            error=str(error) or repr(error),
            retry_seconds=delay,
            exc_info=None if known else error,
        )

    async def _resync(self) -> None:
        """Look at everything again now and then, in case a change was never told."""
        await asyncio.sleep(min(FIRST_PRUNE_SECONDS, self._settings.resync_seconds))
        while True:
            try:
                await self.resync()
            except ClusterError as error:
                log.warning("resync failed", error=str(error))
            await asyncio.sleep(self._settings.resync_seconds)

    async def resync(self) -> None:
        """Forget what is gone, and ask for a pass over everything that is there."""
        await self.pruner.prune_all()
        await self.extensions.look()
        self.adapters.look()
        self.queue.add(FLEET)
        for name in self.store.tiers:
            self.queue.add(Item("GPUTier", name))
        for key in self.store.specialists:
            self.queue.add(Item("Specialist", key))
        for key in self.store.rollouts:
            self.queue.add(Item("Rollout", key))

    def refresh_metrics(self) -> None:
        """Bring the gauges up to date."""
        self.metrics.queue_depth.set(len(self.queue))
        self.metrics.survey(self.store.specialists.all(), self.store.tiers.all())
        self.load_watch.survey()
        self.rollouts.survey()
