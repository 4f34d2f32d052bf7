"""The one watcher of a pod: it follows the resources and hands out route tables by long-poll.

Its dispatchers wait here for the next table, and for the word that the pod is to be withdrawn and
drained. A new table reaches them a few milliseconds after its event.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from tierwise_core.conditions import FALSE
from tierwise_core.deprecation import provider_verdict
from tierwise_core.policy_learning import LearningPolicy
from tierwise_core.route_table import RouteTable
from tierwise_core.router_policy import POLICY_NAME
from tierwise_router.bursting import Sent
from tierwise_router.dispatcher import Phase
from tierwise_router.learning.learner import Learner, packed_model
from tierwise_router.overflow_report import OverflowReport
from tierwise_router.problem import Problem
from tierwise_router.resources import Parsed
from tierwise_router.sources import Resources, Source
from tierwise_router.table import build_table
from tierwise_router.waker import Waker
from tierwise_router.wire import pack

__all__ = ["DRAINED", "Notice", "RouteWatch"]

log = structlog.get_logger(__name__)

LONGEST_POLL_S = 30.0
DRAINED = "drained"
# A burst of events (an operator's restart touches everything) becomes a few tables, not thousands:
# the watcher spends at most a third of its time on building them.
REST_PER_BUILD = 2.0
RETRY_S = 1.0
LEARN_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Notice:
    """What a dispatcher is told: ``table`` is packed, and ``seen`` is what to ask with next.

    ``learned`` is the packed model of what was learned from outcomes, empty while there is none.
    """

    seen: str
    phase: str
    version: str
    table: bytes
    learned_version: str = ""
    learned: bytes = b""


class RouteWatch:
    """Follows a source; any number of dispatchers wait on it. Lives in one event loop.

    Args:
        make_source: makes the source, in the loop it will be followed in.
        make_waker: makes what wakes Specialists that sleep; None where nobody does.
        poll_s: how long an unanswered :meth:`wait_for` is held.
        policy: the name of the RouterPolicy that counts.
        learner: learns from the pod's journal; None where nobody keeps one.
        make_report: makes what tells of requests sent to alternatives; None where nobody asks.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - its parts
        self,
        make_source: Callable[[], Source],
        make_waker: Callable[[], Waker] | None = None,
        poll_s: float = LONGEST_POLL_S,
        policy: str = POLICY_NAME,
        learner: Learner | None = None,
        make_report: Callable[[], OverflowReport] | None = None,
    ) -> None:
        self._learner = learner
        self._learning: LearningPolicy | None = None
        self._learned_version = ""
        self._learned = b""
        self._make_source = make_source
        self._make_waker = make_waker
        self._make_report = make_report
        self._report: OverflowReport | None = None
        self._waker: Waker | None = None
        self._poll_s = poll_s
        self._policy = policy
        # A watcher that was restarted starts to count anew; the name of its process keeps its
        # numbers apart from its predecessor's.
        self._epoch = f"{os.getpid()}-{time.time_ns()}"
        self._count = 0
        self._phase = Phase.SERVE
        self._version = ""
        self._packed = b""
        self._parsed = Parsed()
        self._members: dict[int, str] = {}
        self._changed = asyncio.Condition()
        self._following: list[asyncio.Task[None]] = []

    async def wait_for(self, seen: str) -> Notice | None:
        """Wait until there is something newer than ``seen``; None when nothing came for long.

        The first answer comes with the first table, not before.
        """
        self._follow()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._poll_s), self._changed:
                await self._changed.wait_for(lambda: self._packed and self._seen != seen)
                return self._notice()
        return None

    async def set_phase(self, phase: str) -> None:
        """Tell every dispatcher to serve, to withdraw or to drain."""
        self._follow()
        self._phase = Phase(phase)
        await self._tell()

    async def report(self, process: int, state: str) -> None:
        """Take note of the state of a dispatcher, by its process id."""
        self._members[process] = state

    async def held(self, process: int, waiting: dict[str, int]) -> None:
        """Take note of how many requests a dispatcher holds for whom, and have them woken."""
        if self._waker is None and self._make_waker is not None:
            self._waker = self._make_waker()
        if self._waker is not None:
            self._waker.hear(process, waiting)

    async def overflowed(self, process: int, sent: dict[str, Sent]) -> None:
        """Take note of what a dispatcher has sent to alternatives since it began."""
        if self._report is None and self._make_report is not None:
            self._report = self._make_report()
        if self._report is not None:
            self._report.hear(process, sent)

    async def members(self) -> dict[int, str]:
        """Tell the state of each dispatcher."""
        return dict(self._members)

    async def table_version(self) -> str:
        """Tell the version of the table; empty while there is none."""
        self._follow()
        return self._version

    def _notice(self) -> Notice:
        return Notice(
            self._seen,
            self._phase,
            self._version,
            self._packed,
            self._learned_version,
            self._learned,
        )

    @property
    def _seen(self) -> str:
        return f"{self._epoch}:{self._count}"

    def _follow(self) -> None:
        if not self._following:
            loop = asyncio.get_running_loop()
            self._following.append(loop.create_task(self._run()))
            if self._learner is not None:
                self._following.append(loop.create_task(self._learn(self._learner)))

    async def _learn(self, learner: Learner) -> None:
        """Follow the journal from the first table on; reading and fitting run in a thread."""
        while True:
            await asyncio.sleep(LEARN_EVERY_S)
            if self._learning is None:
                continue
            try:
                model = await asyncio.to_thread(learner.poll, self._learning)
            except Exception:  # what is odd in a journal must not end what follows the resources
                log.exception("learning from outcomes failed; what is known stays")
                continue
            if model is not None:
                self._learned_version = f"{self._epoch}:{model.version}"
                self._learned = packed_model(model)
                await self._tell()

    async def _run(self) -> None:
        while True:
            try:
                async for resources in self._make_source().snapshots():
                    began_at = time.perf_counter()
                    await self._take(resources)
                    await asyncio.sleep(REST_PER_BUILD * (time.perf_counter() - began_at))
            except Exception:  # a source that ends, however, is made anew: requests live off it
                log.exception("the resources cannot be read; trying again in a moment")
                await asyncio.sleep(RETRY_S)

    async def _take(self, resources: Resources) -> None:
        wakes = self._make_waker is not None
        table, problems = await asyncio.to_thread(
            build_table, resources, wakes=wakes, policy=self._policy, parsed=self._parsed
        )
        if table.version == self._version:
            return
        _log_problems(problems)
        _log_endings(table)
        self._version, self._packed = table.version, pack(table)
        self._learning = table.policy.learning
        log.info(
            "route table",
            version=table.version,
            specialists=len(table.routes),
            ready=sum(route.ready for route in table.routes.values()),
            tiers=len(table.tiers),
        )
        await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._count += 1
            self._changed.notify_all()


def _log_problems(problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        log.warning("resource left out or corrected", problem=str(problem))


def _log_endings(table: RouteTable) -> None:
    today = datetime.now(tz=UTC).date()
    for key, route in table.routes.items():
        terms = route.provider
        verdict = provider_verdict(route.upstream_model, terms, today) if terms else None
        if verdict is not None and verdict.status == FALSE:
            log.warning("provider ends a model", specialist=key, reason=verdict.message)
