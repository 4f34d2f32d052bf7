"""Daemons: started detached, written down with an identity, stopped only when it still matches.

A process id alone is no identity, since the kernel hands it out again. A record keeps the id
with the time the process was started at, in clock ticks since boot, which no later process
of the same id can have.
"""

import hashlib
import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import cgroups
from .errors import NotReadyError

_TERM_SECONDS = 10.0
_STAT_STATE, _STAT_START = 0, 19


@dataclass(frozen=True, slots=True)
class Record:
    """What is written down of a daemon that was started."""

    pid: int
    started_ticks: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Daemon:
    """A component's command, and where it runs."""

    name: str
    argv: tuple[str, ...]
    log: Path
    records: Path
    cgroup: str | None = None
    enter: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    reads: tuple[Path, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Changes when the command, or a file it reads at its start, does."""
        digest = hashlib.sha256(repr((self.argv, self.enter, sorted(self.env.items()))).encode())
        for path in self.reads:
            digest.update(path.read_bytes())
        return digest.hexdigest()[:16]

    @property
    def record(self) -> Path:
        """The file with this daemon's Record."""
        return self.records / f"{self.name}.json"

    def running(self) -> Record | None:
        """The record of this daemon, if the process that it names is still the same one."""
        found = read_record(self.record)
        return found if found is not None and is_alive(found) else None

    def ensure(self) -> bool:
        """Start it unless it runs with this very command; return whether it was started."""
        found = self.running()
        if found is not None and found.fingerprint == self.fingerprint:
            return False
        if found is not None:
            stop(found)
        self._start()
        return True

    def last_words(self, lines: int = 12) -> str:
        """The end of the log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(f"    {line[:240]}" for line in text.splitlines()[-lines:])

    def check_alive(self) -> None:
        """Raise NotReadyError with the end of the log if the process is gone."""
        if self.running() is None:
            raise NotReadyError(
                f"{self.name} stopped right after its start. Its log, {self.log}, ends with:\n"
                f"{self.last_words()}"
            )

    def _start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.records.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self._launch(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**_clean_environment(), **self.env},
                start_new_session=True,
            )
        written = Record(process.pid, started_ticks(process.pid) or 0, self.fingerprint)
        self.record.write_text(json.dumps(asdict(written)))
        # The daemon outlives this process on purpose; without this, Popen would complain.
        process.returncode = 0

    def _launch(self) -> list[str]:
        """Join the cgroups first, then the namespaces; every hand-over is an exec, one pid."""
        command = [*self.enter, *self.argv]
        if self.cgroup is None:
            return command
        joins = [f"echo $$ > {shlex.quote(str(path))}" for path in cgroups.join_files(self.cgroup)]
        return ["/bin/sh", "-c", "; ".join([*joins, 'exec "$@"']), "sh", *command]


def read_record(path: Path) -> Record | None:
    """The record in a file, None when there is none or it was cut short."""
    try:
        return Record(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def started_ticks(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot; None once it is gone or a zombie."""
    try:
        # The command name, in parentheses, may itself hold spaces and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[_STAT_STATE] in "ZX" else int(fields[_STAT_START])


def is_alive(record: Record) -> bool:
    """Whether the recorded process, and not a later one of the same id, is running."""
    return started_ticks(record.pid) == record.started_ticks


def stop(record: Record, *, patience_seconds: float = _TERM_SECONDS) -> None:
    """End a recorded process: asked first, killed when it does not listen."""
    _signal(record, signal.SIGTERM)
    if not wait_gone([record], patience_seconds):
        _signal(record, signal.SIGKILL)
        wait_gone([record], patience_seconds)


def kill_all(records: Sequence[Record], *, patience_seconds: float = _TERM_SECONDS) -> None:
    """Kill recorded processes at once and wait until they are gone."""
    for record in records:
        _signal(record, signal.SIGKILL)
    wait_gone(records, patience_seconds)


def wait_gone(records: Sequence[Record], seconds: float) -> bool:
    """Wait until none of the processes runs; False when some still do after `seconds`."""
    deadline = time.monotonic() + seconds
    while any(is_alive(record) for record in records):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _signal(record: Record, number: signal.Signals) -> None:
    if is_alive(record):
        try:
            os.kill(record.pid, number)
        except ProcessLookupError:
            return


def _clean_environment() -> dict[str, str]:
    """Only what a daemon needs: a proxy or a KUBECONFIG of the caller must not steer it."""
    keep = ("PATH", "HOME", "LANG", "TZ")
    return {name: os.environ[name] for name in keep if name in os.environ}
