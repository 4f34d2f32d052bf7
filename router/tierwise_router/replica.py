"""What Ray runs for a pod: the watcher's actor, and the dispatchers as Serve replicas."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from tierwise_core.router_policy import POLICY_NAME
from tierwise_router.app import App
from tierwise_router.bursting import Sent
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.exposition import leave_tally
from tierwise_router.follow import Follower
from tierwise_router.journal import Journal
from tierwise_router.learning.learner import Learner
from tierwise_router.listener import Listener, shared_socket
from tierwise_router.logs import Logs
from tierwise_router.overflow_report import OverflowReport
from tierwise_router.rayhost import keep_serve_private
from tierwise_router.settings import MIB, Settings
from tierwise_router.shipping import LedgerAddress, Shipper
from tierwise_router.sources import Source
from tierwise_router.sources.files import FileSource
from tierwise_router.sources.kubeconfig import find_access
from tierwise_router.sources.kubernetes import KubernetesSource
from tierwise_router.spool import Heir
from tierwise_router.tracing.answering import app_of
from tierwise_router.waker import Waker
from tierwise_router.watch import DRAINED, RouteWatch

__all__ = ["DispatcherReplica", "SourceChoice", "WatchActor"]

log = structlog.get_logger(__name__)

TALLY_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class SourceChoice:
    """Where the resources come from: some files, or else a cluster (one namespace, or all).

    ``policy`` names the RouterPolicy among them that counts.
    """

    files: tuple[str, ...] = ()
    namespace: str = ""
    policy: str = POLICY_NAME

    def make(self) -> Source:
        """Make the source; raises KubeconfigError when there is no API server to be found."""
        if self.files:
            return FileSource([Path(name) for name in self.files])
        return KubernetesSource(find_access(), self.namespace)

    def waker(self) -> Callable[[], Waker] | None:
        """Tell how to make what wakes Specialists; nothing sleeps in files."""
        return None if self.files else (lambda: Waker(find_access()))

    def report(self) -> Callable[[], OverflowReport] | None:
        """Tell how to make what tells of requests sent to alternatives; in files nobody asks."""
        return None if self.files else (lambda: OverflowReport(find_access()))


class WatchActor(RouteWatch):
    """The pod's watcher as a Ray actor.

    It learns from the journal in ``journal_dir``, and ships it to the ``ledger`` if there is one;
    where ``inherits``, what gone pods left beside it as well.
    """

    def __init__(
        self,
        choice: SourceChoice,
        logs: Logs,
        journal_dir: str,
        ledger: LedgerAddress | None = None,
        *,
        inherits: bool = False,
    ) -> None:
        logs.configure()
        self._shipper = Shipper(Path(journal_dir), ledger) if ledger is not None else None
        if self._shipper is not None:
            self._shipper.start()
        if ledger is not None and inherits:
            Heir(Path(journal_dir), partial(Shipper, address=ledger)).start()
        learner = Learner(Path(journal_dir))
        super().__init__(
            choice.make,
            choice.waker(),
            policy=choice.policy,
            learner=learner,
            make_report=choice.report(),
        )

    async def ship_rest(self, within_s: float) -> bool:
        """Ship what is left when the dispatchers have ended; tells whether that was all of it."""
        if self._shipper is None:
            return True
        return await asyncio.to_thread(self._shipper.finish, within_s)


class DispatcherReplica:
    """A Serve replica that answers on a listener of its own, in Serve's event loop.

    Serve starts it, places it, checks it and starts it again; requests never pass through Serve.
    The port is shared by all replicas of the pod.
    """

    def __init__(self, watch: Any, settings: Settings, run_dir: str, logs: Logs) -> None:
        logs.configure()
        keep_serve_private()
        self._watch = watch
        self._settings = settings
        self._run_dir = run_dir
        self._dispatcher: Dispatcher | None = None
        self._listener: Listener | None = None
        self._app: App | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def reconfigure(self, _config: dict[str, Any]) -> None:
        """Open the listener and begin to follow; Serve awaits this before it calls us running."""
        if self._listener is not None:
            return
        settings = self._settings
        dispatcher = self._dispatcher = Dispatcher.create(settings)
        dispatcher.tally_files = self._run_dir
        dispatcher.journal = self._journal(dispatcher.ids.process)
        dispatcher.admission.share(self._run_dir)
        dispatcher.bursts.share(self._run_dir)
        shared = shared_socket(settings.host, settings.port)
        app = self._app = app_of(dispatcher)
        self._listener = await Listener.open(app, shared, settings.drain_s)
        follower = Follower(dispatcher, self._ask, self._begin_drain)
        self._run(follower.run())
        self._run(self._leave_tallies(dispatcher))
        self._run(dispatcher.holds.run(self._tell_held))
        self._run(dispatcher.bursts.run(self._tell_sent))
        self._run(dispatcher.books.run())
        self._run(app.desk.run())
        await self._report("serving")
        gc.freeze()
        log.info(
            "dispatcher listening",
            port=settings.port,
            process=os.getpid(),
            loop=type(asyncio.get_running_loop()).__module__,
        )

    def _journal(self, process: str) -> Journal:
        settings = self._settings
        journal = Journal(Path(settings.journal_dir), process, settings.journal_mib * MIB)
        journal.start(in_turn=True)
        return journal

    async def check_health(self) -> None:
        """Let Serve replace a replica that no longer listens, unless that is on purpose."""
        dispatcher, listener = self._dispatcher, self._listener
        if dispatcher is None or listener is None:
            return
        if dispatcher.phase != "drain" and not listener.alive:
            raise RuntimeError("the HTTP listener has ended")
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def _run(self, work: Any) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    async def _ask(self, seen: str) -> Any:
        return await self._watch.wait_for.remote(seen)

    async def _report(self, state: str) -> None:
        with contextlib.suppress(Exception):  # a watcher that is away is asked again when draining
            await self._watch.report.remote(os.getpid(), state)

    async def _tell_held(self, waiting: Mapping[str, int]) -> None:
        with contextlib.suppress(Exception):  # told again in a second, to a watcher that is back
            await self._watch.held.remote(os.getpid(), dict(waiting))

    async def _tell_sent(self, sent: Mapping[str, Sent]) -> None:
        with contextlib.suppress(Exception):  # told again with what is sent next
            await self._watch.overflowed.remote(os.getpid(), dict(sent))

    def _begin_drain(self) -> None:
        self._run(self._drain())

    async def _drain(self) -> None:
        if self._listener is not None and self._dispatcher is not None:
            await self._listener.drain()
            if self._app is not None:
                self._app.unseen.cancel()
                await asyncio.to_thread(self._app.close)
            leave_tally(self._dispatcher)
            if self._dispatcher.journal is not None:
                await asyncio.to_thread(self._dispatcher.journal.close)
            await self._dispatcher.opinion.close()
            await self._dispatcher.books.close()
        await self._report(DRAINED)
        log.info("dispatcher drained", process=os.getpid())

    async def _leave_tallies(self, dispatcher: Dispatcher) -> None:
        while True:
            await asyncio.sleep(TALLY_EVERY_S)
            await asyncio.to_thread(leave_tally, dispatcher)
            await asyncio.to_thread(dispatcher.contents.refresh)
            dispatcher.admission.meet()
            dispatcher.bursts.meet()
