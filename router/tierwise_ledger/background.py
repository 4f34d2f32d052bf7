"""Work that is nobody's request: it runs in a thread of its own while the ledger serves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import structlog

from tierwise_ledger import contents, erasing, statistics
from tierwise_ledger.auditing import checkpoints, watching
from tierwise_ledger.learning import calibrating
from tierwise_ledger.money import days as money_days
from tierwise_ledger.money import jobs as money_jobs
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store

__all__ = ["JOBS", "Background", "Job"]

log = structlog.get_logger(__name__)

TICK_S = 1.0


Did = Callable[[str, str, float], None]


@dataclass(frozen=True, slots=True)
class Job:
    """Something that is done every ``every_s`` seconds, the first time after as long.

    ``run`` gets the store, the settings and the time (seconds since the epoch). What it raises is
    logged, and it is tried again the next time.
    """

    name: str
    every_s: float
    run: Callable[[Store, Settings, float], None]


JOBS: Sequence[Job] = (
    Job("forget-old", erasing.EVERY_S, erasing.forget_old),
    Job("renew-seals", contents.EVERY_S, contents.renew_seals),
    Job("audit-changes", watching.EVERY_S, watching.watch),
    Job("audit-checkpoints", checkpoints.EVERY_S, checkpoints.keep_sealed),
    Job("fleet", money_jobs.LOOK_EVERY_S, money_jobs.look),
    Job("cost-days", money_days.EVERY_S, money_days.keep),
    Job("budget-alerts", money_jobs.ALERT_EVERY_S, money_jobs.alert),
    Job("forget-budgets", money_jobs.FORGET_EVERY_S, money_jobs.forget),
    Job("calibration", calibrating.EVERY_S, calibrating.calibrate),
    Job("statistics", statistics.EVERY_S, statistics.gather),
)
"""All jobs: one line per area."""


class Background:
    """Runs the jobs, one after the other; a context manager.

    Args:
        store: what they work on.
        settings: the ledger's.
        clock: seconds since the epoch.
        jobs: what is to be done.
        did: is told of each job that ran: its name, ``done`` or ``failed``, and when.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        jobs: Sequence[Job] = JOBS,
        did: Did = lambda _job, _outcome, _now: None,
    ) -> None:
        self._store, self._settings, self._clock, self._did = store, settings, clock, did
        now = clock()
        self._due = {job: now + job.every_s for job in jobs}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="background", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(TICK_S):
            self.work()

    def work(self) -> None:
        """Do what is due; each job at most once."""
        for job, due_at in self._due.items():
            now = self._clock()
            if now < due_at or self._ended.is_set():
                continue
            self._due[job] = now + job.every_s
            try:
                job.run(self._store, self._settings, now)
                self._did(job.name, "done", now)
            except Exception:  # one job that fails must not keep the others from their turn
                self._did(job.name, "failed", now)
                log.exception("a job failed; it is tried again", job=job.name)
