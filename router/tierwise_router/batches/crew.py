"""What a dispatcher does for jobs: takes those nobody works on, and minds them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from tierwise_core.policy_batch import BatchPolicy
from tierwise_router.batches.lease import BEAT_S, Lease, Watchman
from tierwise_router.batches.runner import Bench, Runner

__all__ = ["Crew"]

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 1.0
SWEEP_EVERY_S: Final = 600.0
MOST_JOBS: Final = 256
MOST_BATCHES: Final = 16


@dataclass(slots=True)
class _Running:
    lease: Lease
    task: asyncio.Task[None]


class Crew:
    """Runs the jobs that this dispatcher has taken; lives in one event loop.

    Args:
        bench: what they are worked on with.
        policy: the policy of the moment.
        serving: whether new work may begin; when not, what runs is left to others.
        watchman: who knows which jobs nobody works on.
    """

    def __init__(
        self,
        bench: Bench,
        policy: Callable[[], BatchPolicy],
        serving: Callable[[], bool],
        watchman: Watchman | None = None,
    ) -> None:
        self._bench = bench
        self._policy = policy
        self._serving = serving
        self._watchman = watchman or Watchman()
        self._running: dict[str, _Running] = {}
        self._hurry = asyncio.Event()
        self._beat_at = 0.0
        self._swept_at = time.monotonic()

    @property
    def running(self) -> int:
        """Count the jobs this dispatcher works on."""
        return len(self._running)

    def nudge(self) -> None:
        """Look for jobs at once: one was created, or is to be cancelled."""
        self._hurry.set()

    async def run(self) -> None:
        """Look after jobs until cancelled; what was running is left to others then."""
        try:
            while True:
                try:
                    await self._look()
                except OSError as error:
                    log.warning("jobs cannot be looked after now", error=str(error))
                except Exception:  # one odd job must not end what looks after all of them
                    log.exception("jobs cannot be looked after now")
                self._hurry.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await self._hurry.wait()
        finally:
            await self._leave_all()

    async def _look(self) -> None:
        if not self._serving():
            await self._leave_all()
            return
        self._forget_ended()
        await self._beat()
        for job_id in await asyncio.to_thread(self._bench.jobs.active):
            if job_id not in self._running and len(self._running) < MOST_JOBS:
                await self._take(job_id)
        if time.monotonic() - self._swept_at > SWEEP_EVERY_S:
            await self._sweep()

    async def _take(self, job_id: str) -> None:
        job = await asyncio.to_thread(self._bench.jobs.find, job_id)
        if job is None or (job.spec.kind == "batch" and self._batches() >= MOST_BATCHES):
            return
        lease = await asyncio.to_thread(self._watchman.claim, job)
        if lease is not None:
            log.info("working on job", job=job_id, run=lease.epoch)
            runner = Runner(lease, self._bench)
            task = asyncio.get_running_loop().create_task(runner.run(), name=job_id)
            task.add_done_callback(lambda _task: self.nudge())
            self._running[job_id] = _Running(lease, task)

    def _batches(self) -> int:
        return sum(one.lease.job.spec.kind == "batch" for one in self._running.values())

    def _forget_ended(self) -> None:
        for job_id, one in list(self._running.items()):
            if one.task.done():
                del self._running[job_id]
                if not one.task.cancelled() and (error := one.task.exception()) is not None:
                    log.error("a job's run broke off", job=job_id, exc_info=error)

    async def _beat(self) -> None:
        now = time.monotonic()
        if now - self._beat_at < BEAT_S:
            return
        self._beat_at = now
        leases = [one.lease for one in self._running.values() if not one.task.done()]

        def beat() -> None:
            for lease in leases:
                with contextlib.suppress(OSError):  # others may take over then, as they should
                    lease.beat()

        await asyncio.to_thread(beat)

    async def _sweep(self) -> None:
        self._swept_at = time.monotonic()
        policy, now = self._policy(), time.time()
        kept_s = {"batch": policy.files_kept_s, "background": policy.results_kept_s}
        count = await asyncio.to_thread(self._bench.jobs.sweep, now, kept_s)
        count += await asyncio.to_thread(self._bench.files.sweep, now - policy.files_kept_s)
        if count:
            log.info("old files and jobs removed", count=count)

    async def _leave_all(self) -> None:
        tasks = [one.task for one in self._running.values()]
        self._running.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
