"""Works on one job from wherever it was left to its end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final

import structlog

from tierwise_core.batch import BatchState, Counts, LineProblem, Status
from tierwise_router.batches.checkpoints import DiskCheckpoints
from tierwise_router.batches.finish import write_files
from tierwise_router.batches.inputs import check_input, read_lines, unhurried
from tierwise_router.batches.job import Job, JobStore, Line
from tierwise_router.batches.lease import Lease
from tierwise_router.batches.lines import Asker, answered_well, written
from tierwise_router.batches.recorder import LostRunError, Recorder
from tierwise_router.batches.slots import RANKS, Slots
from tierwise_router.files.store import FileStore

__all__ = ["Bench", "Runner"]

log = structlog.get_logger(__name__)

TICK_S: Final = 0.5
BUNDLE: Final = 32
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
ENDS: Final[dict[str, Status]] = {"cancelled": "cancelled", "expired": "expired"}


@dataclass(frozen=True, slots=True)
class Bench:
    """What a runner works with."""

    asker: Asker
    slots: Slots
    files: FileStore
    jobs: JobStore
    longest_line_bytes: int


@dataclass(slots=True)
class _Progress:
    """What is answered so far, and what was written of that."""

    answered: set[str] = field(default_factory=set)
    completed: int = 0
    failed: int = 0
    saved: tuple[int, int] = (-1, -1)

    def count(self, result: dict[str, Any]) -> None:
        if answered_well(result):
            self.completed += 1
        else:
            self.failed += 1

    def counts(self, total: int) -> Counts:
        return Counts(total, self.completed, self.failed)


class Runner:
    """One run of a job; cancelling :meth:`run` leaves the job to the next one."""

    def __init__(self, lease: Lease, bench: Bench) -> None:
        self._lease = lease
        self._job: Job = lease.job
        self._bench = bench
        self._recorder = Recorder(lease)
        self._progress = _Progress()
        self._state = BatchState()

    async def run(self) -> None:
        """Go on until the job has ended; whatever stops this, the lease is given back."""
        try:
            await self._go_on()
        except LostRunError as error:
            log.warning("run lost", job=self._job.id, error=str(error))
        except OSError as error:
            log.error("a job's storage failed", job=self._job.id, error=str(error))  # noqa: TRY400
            await self._fail(_storage_problem(error))
        except Exception:
            # Begun again it would fail again, and ask every line again that was under way.
            log.exception("a job failed", job=self._job.id)
            await self._fail(LineProblem("internal_error", "internal error; the log has more"))
        finally:
            await asyncio.shield(self._let_go())

    async def _let_go(self) -> None:
        with contextlib.suppress(OSError, LostRunError):
            await self._recorder.close()
        await asyncio.to_thread(self._lease.release)

    async def _go_on(self) -> None:
        self._state = await asyncio.to_thread(self._job.state)
        if self._state.status == "validating" and not self._why_stop():
            await self._check()
        if self._state.status == "in_progress":
            await self._read_progress()
            await self._answer_all()
        if not self._state.ended:
            await self._end()
        await asyncio.to_thread(self._put_away)
        log.info("job ended", job=self._job.id, status=self._state.status)

    def _put_away(self) -> None:
        jobs = self._bench.jobs
        if self._job.deleted:
            jobs.remove(self._job)
        else:
            jobs.ended(self._job)

    async def _check(self) -> None:
        policy = self._bench.asker.policy()
        total, problems = await asyncio.to_thread(
            check_input, self._job, policy, self._bench.longest_line_bytes
        )
        self._state = replace(self._state, problems=problems, counts=Counts(total))
        await self._move("failed" if problems else "in_progress")

    async def _read_progress(self) -> None:
        def read() -> _Progress:
            progress = _Progress()
            for answer in unhurried(self._job.answers()):
                progress.answered.add(answer["custom_id"])
                progress.count(answer)
            return progress

        self._progress = await asyncio.to_thread(read)

    def _why_stop(self) -> str:
        if self._job.cancelled:
            return "cancelled"
        return "expired" if time.time() >= self._job.spec.expires_at else ""

    async def _answer_all(self) -> None:
        """Answer what is left, until all is done or there is a reason to stop."""
        work = asyncio.get_running_loop().create_task(self._lines())
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=TICK_S)
                if await asyncio.to_thread(self._why_stop):
                    break
                await self._save_counts()
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
        await self._save_counts()

    async def _lines(self) -> None:
        bundles = self._left()
        try:
            async with asyncio.TaskGroup() as group:
                while bundle := await asyncio.to_thread(next, bundles, None):
                    for line in bundle:
                        await self._begin(group, line)
        except* LostRunError as lost:
            raise lost.exceptions[0] from None
        except* OSError as failed:
            raise _first_os_error(failed) from None

    async def _begin(self, group: asyncio.TaskGroup, line: Line) -> None:
        latency_class = self._job.spec.latency_class
        if latency_class == "async":  # somebody polls for it: only admission holds it up
            group.create_task(self._one(line))
            return
        slots = self._bench.slots
        await slots.take(RANKS[latency_class])
        # Not in the task itself: one that is cancelled before its first step would keep the slot.
        group.create_task(self._one(line)).add_done_callback(lambda _task: slots.give())

    def _left(self) -> Iterator[list[Line]]:
        answered = self._progress.answered
        left = (line for line in read_lines(self._job) if line.custom_id not in answered)
        while bundle := list(islice(left, BUNDLE)):
            yield bundle

    async def _one(self, line: Line) -> None:
        background = self._job.spec.kind == "background"
        checkpoints = DiskCheckpoints(self._job) if background else None
        told = await self._bench.asker.ask(self._job, line, checkpoints)
        result, raw = written(line, told)
        await self._recorder.record(raw)
        self._progress.count(result)

    async def _save_counts(self) -> None:
        progress = self._progress
        now = (progress.completed, progress.failed)
        if now != progress.saved:
            counts = progress.counts(self._state.counts.total)
            self._state = replace(self._state, counts=counts)
            await self._save()
            progress.saved = now

    async def _end(self) -> None:
        why = self._why_stop() if self._state.status != "finalizing" else ""
        if self._all_answered() or self._state.status == "finalizing":
            await self._move("finalizing")
            await self._write_and_move("completed")
        elif why == "cancelled" or self._state.status == "cancelling":
            await self._move("cancelling")
            await self._write_and_move("cancelled")
        else:
            await self._write_and_move("expired")

    def _all_answered(self) -> bool:
        counts = self._state.counts
        return (
            self._state.status == "in_progress" and counts.completed + counts.failed >= counts.total
        )

    async def _write_and_move(self, status: Status) -> None:
        if self._job.spec.kind == "batch":
            self._state = await asyncio.to_thread(
                write_files, self._job, self._bench.files, self._state, status
            )
        await self._move(status)

    async def _move(self, status: Status) -> None:
        self._state = self._state.moved(status, int(time.time()))
        await self._save()

    async def _save(self) -> None:
        def save() -> None:
            if not self._lease.ours:
                raise LostRunError(f"another process works on {self._job.id} now")
            self._job.save(self._lease.epoch, self._state)

        await asyncio.to_thread(save)

    async def _fail(self, problem: LineProblem) -> None:
        """End a job that cannot go on; what was kept stays on the disk."""
        self._state = replace(self._state, problems=(*self._state.problems, problem))
        with contextlib.suppress(OSError, LostRunError, ValueError):
            await asyncio.to_thread(self._job.free_reserve)
            self._state = replace(
                self._state, counts=self._progress.counts(self._state.counts.total)
            )
            await self._move("failed")
            await asyncio.to_thread(self._bench.jobs.ended, self._job)


def _storage_problem(error: OSError) -> LineProblem:
    code = "storage_full" if error.errno in FULL else "storage_failed"
    message = (
        f"the answers cannot be kept ({error}); free space below TIERWISE_FILES_DIR, or make its "
        "volume larger, and submit what is missing again"
    )
    return LineProblem(code, message)


def _first_os_error(group: BaseExceptionGroup[OSError]) -> OSError:
    first = group.exceptions[0]
    return _first_os_error(first) if isinstance(first, BaseExceptionGroup) else first
