"""Who works on a job: one run at a time, over all dispatchers of all pods.

A run is claimed by creating its lease file, which only one can. It is over when it says so, when
its process is gone (a lock that the system gives back, known at once on the same host), or when
its beat has stood still for long, watched on one's own clock, so that clocks need not agree.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import orjson

from tierwise_router.batches.job import Job

__all__ = ["BEAT_S", "STILL_S", "Lease", "Watchman", "host_name"]

BEAT_S: Final = 3.0
STILL_S: Final = 15.0
LEASE_BYTES: Final = 512


def host_name() -> str:
    """Name this pod: its host and the boot of the machine below it."""
    boot = ""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{socket.gethostname()}/{boot}"


class Lease:
    """One run of a job, ours as long as nobody claims the next one. Its methods block."""

    def __init__(self, job: Job, epoch: int, descriptor: int, host: str) -> None:
        self.job = job
        self.epoch = epoch
        self._descriptor = descriptor
        self._host = host
        self._beats = 0
        self._segment = -1

    @property
    def ours(self) -> bool:
        """Tell whether nobody has claimed the next run."""
        return not (self.job.runs / f"{self.epoch + 1}.lease").exists()

    def beat(self) -> None:
        """Show that we are alive."""
        self._beats += 1
        self._write(released=False)

    def release(self) -> None:
        """Let somebody else go on, at once."""
        with contextlib.suppress(OSError):
            self._write(released=True)
        os.close(self._descriptor)
        if self._segment >= 0:
            os.close(self._segment)

    def record(self, lines: bytes) -> None:
        """Append answers; they are durable when this returns."""
        if self._segment < 0:
            self._segment = self.job.disk.create_new(self.job.runs / f"{self.epoch}.jsonl")
        self.job.disk.append(self._segment, lines)

    def _write(self, *, released: bool) -> None:
        told = {"host": self._host, "beat": self._beats, "released": released}
        os.pwrite(self._descriptor, orjson.dumps(told).ljust(LEASE_BYTES), 0)


class Watchman:
    """Claims jobs that nobody works on.

    Args:
        host: the name of this pod; a process of the same pod is known to be gone at once.
        clock: seconds, monotonic.
        still_s: how long a beat must stand still until its run counts as dead.
    """

    def __init__(
        self,
        host: str = "",
        clock: Callable[[], float] = time.monotonic,
        still_s: float = STILL_S,
    ) -> None:
        self._host = host or host_name()
        self._clock = clock
        self._still_s = still_s
        self._seen: dict[tuple[str, int], tuple[bytes, float]] = {}

    def claim(self, job: Job) -> Lease | None:
        """Begin the next run of a job; None while somebody works on it."""
        epochs = job.epochs()
        if epochs and not self._is_over(job, epochs[-1]):
            return None
        epoch = epochs[-1] + 1 if epochs else 1
        try:
            path = job.runs / f"{epoch}.lease"
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        except FileExistsError:
            return None
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # another may just be trying it, for a moment
        lease = Lease(job, epoch, descriptor, self._host)
        try:
            lease.beat()
        except OSError:
            lease.release()
            path.unlink(missing_ok=True)
            raise
        self._seen.pop((job.id, epoch - 1), None)
        return lease

    def _is_over(self, job: Job, epoch: int) -> bool:
        path = job.runs / f"{epoch}.lease"
        try:
            told = path.read_bytes()
        except FileNotFoundError:
            return True
        host, released = _read(told)
        if released:
            return True
        if host == self._host and _is_unlocked(path):
            return True
        return self._stands_still(job, epoch, told)

    def _stands_still(self, job: Job, epoch: int, told: bytes) -> bool:
        now = self._clock()
        before, since = self._seen.get((job.id, epoch), (b"", now))
        if told != before:
            since = now
        self._seen[job.id, epoch] = told, since
        return now - since >= self._still_s


def _read(told: bytes) -> tuple[str, bool]:
    try:
        lease = orjson.loads(told)
        return str(lease["host"]), bool(lease["released"])
    except (ValueError, KeyError, TypeError):  # it is just being written
        return "", False


def _is_unlocked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
