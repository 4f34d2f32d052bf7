"""The process: health first, then leadership, then the operator; and the way back."""

import asyncio
import logging
import signal
from collections.abc import Collection, Coroutine, Sequence
from functools import partial
from typing import Any

import httpx
import structlog

from tierwise_operator import health, watches
from tierwise_operator.adapter_sources import adapter_reader
from tierwise_operator.adapters import AdapterMeans
from tierwise_operator.cluster import Cluster, ClusterError, KubernetesCluster
from tierwise_operator.engine_room import Operator
from tierwise_operator.health import Health
from tierwise_operator.kinds import WATCHED, scopes
from tierwise_operator.leadership import Leadership
from tierwise_operator.metrics import Metrics
from tierwise_operator.model_reading import access, model_reader, secret_credentials
from tierwise_operator.settings import Settings

CRD_RETRY_SECONDS = 5.0

log = structlog.get_logger("tierwise.operator")


class WatchesEndedError(Exception):
    """kopf stopped by itself; without watches the operator is blind, so the process ends."""


async def run(settings: Settings) -> int:
    """Run until told to stop; return the exit code."""
    stop = asyncio.Event()
    _listen_for_signals(stop)
    cluster = await KubernetesCluster.connect()
    state, metrics = Health(), Metrics()
    async with httpx.AsyncClient(timeout=30.0, follow_redirects=True) as http:
        operator = Operator(
            cluster,
            settings,
            model_reader(http, settings, cluster),
            metrics,
            adapters=AdapterMeans(
                read=adapter_reader(access(http, settings), partial(secret_credentials, cluster)),
                fetches=bool(settings.delivery.image),
            ),
        )
        served = health.application(state, metrics, operator.refresh_metrics)
        runner = await health.serve(served, settings.host, settings.port)
        log.info("started", server=cluster.server, identity=settings.identity, port=settings.port)
        try:
            return await _until(stop, _lead(cluster, settings, operator, state, stop))
        finally:
            operator.queue.close()
            await runner.cleanup()
            await cluster.close()
            log.info("stopped")


def _listen_for_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> int:
    """Run the work until it ends by itself, which is a failure, or the stop is set."""
    task = asyncio.create_task(work, name="operator")
    stopper = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({task, stopper}, return_when=asyncio.FIRST_COMPLETED)
    stopper.cancel()
    failed = task.done()
    if not failed:
        # Its requests fail while their connections are closed under them; nobody need hear of it.
        logging.getLogger("kopf").setLevel(logging.CRITICAL)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
    except BaseExceptionGroup as errors:
        for error in errors.exceptions:
            log.error("ended", error=str(error) or repr(error), exc_info=error)  # noqa: TRY400
    return 1 if failed else 0


async def _lead(
    cluster: Cluster, settings: Settings, operator: Operator, state: Health, stop: asyncio.Event
) -> None:
    leadership = Leadership(cluster, settings.lease_namespace, settings.identity)
    if settings.leader_elect:
        state.becomes("standing by", ready=True)
        await leadership.acquire()
    try:
        async with asyncio.TaskGroup() as group:
            if settings.leader_elect:
                group.create_task(leadership.keep(), name="leadership")
            group.create_task(_operate(cluster, settings, operator, state, stop), name="operate")
    finally:
        await asyncio.shield(leadership.give_back())


async def _operate(
    cluster: Cluster, settings: Settings, operator: Operator, state: Health, stop: asyncio.Event
) -> None:
    operator.metrics.leader.set(1)
    state.becomes("waiting for the custom resource definitions", ready=False)
    await wait_for_kinds(cluster, settings.namespaces)
    state.becomes("listing", ready=False)
    await operator.load()
    state.becomes("leading", ready=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(operator.work(), name="work")
        ours = asyncio.all_tasks()
        for tasks in await watches.start(
            operator.store, operator.pruner.listed, settings.namespaces
        ):
            group.create_task(_watch(tasks, ours), name="watch")
        _listen_for_signals(stop)  # kopf has installed its own


async def _watch(tasks: Collection[asyncio.Task[Any]], ours: Collection[asyncio.Task[Any]]) -> None:
    await watches.run(tasks, ours)
    raise WatchesEndedError("kopf stopped watching")


async def wait_for_kinds(cluster: Cluster, namespaces: Sequence[str] = ()) -> None:
    """Wait until the API server serves every kind the operator watches."""
    while True:
        try:
            for kind in WATCHED:
                for namespace in scopes(kind, namespaces):
                    async for _ in cluster.objects(kind, namespace, metadata_only=True):
                        break
        except ClusterError as error:
            log.warning(
                "not served yet; is the chart installed (kubectl apply -f crds/)?", error=str(error)
            )
            await asyncio.sleep(CRD_RETRY_SECONDS)
        else:
            return
