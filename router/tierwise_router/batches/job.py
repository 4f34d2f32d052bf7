"""A job on the disk: what was asked, who works on it, and every answer that was reached.

::

    jobs/<id>/job.json        what was asked; written once
    jobs/<id>/input.jsonl     the requests; a second name of the uploaded file
    jobs/<id>/cancel          somebody wants it to stop
    jobs/<id>/runs/1.lease    the first run: who works, and its beat
    jobs/<id>/runs/1.jsonl    the answers of that run, appended
    jobs/<id>/runs/1.state    where the batch is, as that run sees it
    active/<id>               an empty file as long as the job has not ended

Each run writes to files of its own, so that a run that was believed dead and wakes again can
harm nothing: the answers of all runs are put together, and of two for one request the first
counts. A torn last line is no answer.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import orjson

from tierwise_core.batch import BatchState, Counts, LineProblem
from tierwise_router.files.disk import Disk
from tierwise_router.files.store import page

__all__ = ["Job", "JobStore", "Line", "Spec"]

JOB_ID: Final = re.compile(r"(batch|bg|resp)_[0-9a-f]{24}")
RESERVE_BYTES: Final = 32 * 1024
UNBORN_S: Final = 3600.0
Kind = Literal["batch", "background"]


@dataclass(frozen=True, slots=True)
class Spec:
    """What was asked. Moments are seconds since 1970; ``tenant`` alone sees the job."""

    id: str
    kind: Kind
    endpoint: str
    created_at: int
    expires_at: int
    tenant: str = ""
    latency_class: str = "batch"
    input_file: str = ""
    window: str = ""
    metadata: dict[str, str] | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One request of a job, and where it stands in the input (from 1)."""

    number: int
    custom_id: str
    body: dict[str, Any] = field(default_factory=dict)


class Job:
    """One job's folder. Every method blocks: call it in a thread."""

    def __init__(self, folder: Path, spec: Spec, disk: Disk) -> None:
        self.folder = folder
        self.spec = spec
        self.disk = disk

    @property
    def id(self) -> str:
        """The name by which clients know it."""
        return self.spec.id

    @property
    def input(self) -> Path:
        """The requests."""
        return self.folder / "input.jsonl"

    @property
    def runs(self) -> Path:
        """Where the runs are."""
        return self.folder / "runs"

    @property
    def cancelled(self) -> bool:
        """Tell whether somebody wants it to stop."""
        return (self.folder / "cancel").exists()

    def cancel(self, at: int) -> None:
        """Ask whoever runs it to stop."""
        if not self.cancelled:
            self.disk.write_whole(self.folder / "cancel", b"%d" % at)

    def cancel_asked_at(self) -> int | None:
        """Tell when somebody asked for that; None when nobody did."""
        with contextlib.suppress(OSError, ValueError):
            return int((self.folder / "cancel").read_bytes())
        return None

    @property
    def deleted(self) -> bool:
        """Tell whether its client wants to hear of it no more."""
        return (self.folder / "deleted").exists()

    def delete(self, at: int) -> None:
        """Stop it, and have it removed by whoever runs it."""
        self.disk.write_whole(self.folder / "deleted", b"")
        self.cancel(at)

    def free_reserve(self) -> None:
        """Give back the room that was kept to be able to tell of a full disk."""
        self.disk.remove(self.folder / "reserve")

    def epochs(self) -> list[int]:
        """List the numbers of its runs, the first one first."""
        with contextlib.suppress(OSError):
            return sorted(int(path.stem) for path in self.runs.glob("*.lease"))
        return []

    def state(self) -> BatchState:
        """Read where it is: what the newest run that said anything says."""
        for epoch in reversed(self.epochs()):
            with contextlib.suppress(OSError, ValueError, TypeError):
                return _state_from((self.runs / f"{epoch}.state").read_bytes())
        return BatchState()

    def save(self, epoch: int, state: BatchState) -> None:
        """Write where it is, as one run sees it."""
        self.disk.write_whole(self.runs / f"{epoch}.state", orjson.dumps(asdict(state)))

    def answers(self) -> Iterator[dict[str, Any]]:
        """Yield every answer that was reached, once, over all runs."""
        seen: set[str] = set()
        for epoch in self.epochs():
            for answer in _whole_lines(self.runs / f"{epoch}.jsonl"):
                custom_id = answer.get("custom_id")
                if isinstance(custom_id, str) and custom_id not in seen:
                    seen.add(custom_id)
                    yield answer


class JobStore:
    """The jobs below a directory. Every method blocks: call it in a thread."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self._jobs = root / "jobs"
        self._active = root / "active"
        self._disk = disk

    def create(self, spec: Spec, content: Path) -> Job:
        """Begin a job; it exists from its last write on, and not before."""
        folder = self._jobs / spec.id
        self._disk.make_folder(folder / "runs")
        self._disk.make_folder(self._active)
        self._disk.write_whole(self._active / spec.id, b"")
        self._disk.same(content, folder / "input.jsonl")
        self._disk.write_whole(folder / "reserve", bytes(RESERVE_BYTES))
        self._disk.write_whole(folder / "job.json", orjson.dumps(asdict(spec)))
        return Job(folder, spec, self._disk)

    def find(self, job_id: str) -> Job | None:
        """Find a job; None when there is none of that name."""
        if not JOB_ID.fullmatch(job_id):
            return None
        folder = self._jobs / job_id
        try:
            read = orjson.loads((folder / "job.json").read_bytes())
            headers = tuple((name, value) for name, value in read.pop("headers"))
            return Job(folder, Spec(**read, headers=headers), self._disk)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def get(self, job_id: str, kind: Kind, tenant: str) -> Job | None:
        """Find a tenant's job; None when there is none, or another tenant's."""
        job = self.find(job_id)
        right = job is not None and job.spec.kind == kind and job.spec.tenant == tenant
        return job if job is not None and right and not job.deleted else None

    def listed(self, kind: Kind, tenant: str, after: str = "") -> Iterator[Job]:
        """Yield a tenant's jobs, the newest first, behind the one that is named."""
        for name in page(self._names(self._jobs), after, oldest_first=False):
            if (job := self.get(name, kind, tenant)) is not None:
                yield job

    def active(self) -> list[str]:
        """List the jobs that have not ended, the oldest first."""
        return sorted(self._names(self._active))

    def ended(self, job: Job) -> None:
        """Take a job off the list of those that somebody has to work on."""
        self._disk.remove(self._active / job.id)

    def remove(self, job: Job) -> None:
        """Forget a job with everything it reached."""
        self.ended(job)
        self._disk.remove(job.folder)

    def sweep(self, now: float, kept_s: dict[str, float]) -> int:
        """Remove jobs that ended longer ago than their kind is kept; says how many."""
        return sum(self._sweep(name, now, kept_s) for name in self._names(self._jobs))

    def _sweep(self, name: str, now: float, kept_s: dict[str, float]) -> bool:
        job = self.find(name)
        if job is None:  # its creation broke off, unless it is just going on
            born_at = (self._jobs / name).stat().st_mtime
            if gone := born_at + UNBORN_S < now:
                self._disk.remove(self._active / name)
                self._disk.remove(self._jobs / name)
            return gone
        state = job.state()
        ended_at = max(state.at.values(), default=job.spec.created_at)
        if gone := state.ended and ended_at + kept_s[job.spec.kind] < now:
            self.remove(job)
        return gone

    @staticmethod
    def _names(folder: Path) -> list[str]:
        with contextlib.suppress(OSError):
            return [path.name for path in folder.iterdir() if JOB_ID.fullmatch(path.name)]
        return []


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                answer = orjson.loads(line) if line.endswith(b"\n") else None
                if isinstance(answer, dict):
                    yield answer


def _state_from(data: bytes) -> BatchState:
    read = orjson.loads(data)
    problems = tuple(LineProblem(**problem) for problem in read.pop("problems"))
    return replace(
        BatchState(**{**read, "counts": Counts(**read["counts"])}),
        problems=problems,
    )
