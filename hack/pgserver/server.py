"""A server of one's own: a folder, a socket in it, and nobody else's."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pgserver.programs import Programs, ensure

__all__ = ["Server", "serve"]

# PostgreSQL refuses to run as root.
UNPRIVILEGED = "nobody"
USER = "tierwise"
START_S = 30.0
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
SETTINGS = ("listen_addresses=", "shared_buffers=64MB", "max_connections=60", "jit=off")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; only who may open its folder can reach it."""

    programs: Programs
    folder: Path
    process: subprocess.Popen[bytes]

    def url(self, database: str = "postgres") -> str:
        """Give the address of a database, as the ledger's settings take it."""
        return f"postgresql://{USER}@/{database}?host={quote(str(self.folder), safe='')}"


@contextmanager
def serve(
    *, durable: bool = False, settings: tuple[str, ...] = (), keep: Path | None = None
) -> Iterator[Server]:
    """Run a server until the block ends; what is in it is thrown away, unless ``keep`` is a folder.

    ``durable`` makes it wait for the disk at each commit, as it does for users; tests do not care.
    """
    programs = ensure()
    with nullcontext(keep) if keep else _thrown_away() as folder:
        folder.mkdir(exist_ok=True)
        _give_away(folder)
        if not (folder / "data" / "PG_VERSION").exists():
            _initdb(programs, folder)
        with _running(programs, folder, (*(() if durable else QUICK), *settings)) as process:
            yield Server(programs, folder, process)


@contextmanager
def _thrown_away() -> Iterator[Path]:
    # Sockets need short paths: /tmp, and not $TMPDIR.
    folder = Path(tempfile.mkdtemp(prefix="tierwise-pg-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _give_away(folder: Path) -> None:
    if os.geteuid() == 0:
        owner = pwd.getpwnam(UNPRIVILEGED)
        os.chown(folder, owner.pw_uid, owner.pw_gid)


def _as_user(command: list[str]) -> list[str]:
    """Run it as somebody without rights, and not longer than we live ourselves."""
    drop = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        owner = pwd.getpwnam(UNPRIVILEGED)
        drop += ["--reuid", str(owner.pw_uid), "--regid", str(owner.pw_gid), "--clear-groups"]
    return [*drop, *command]


def _initdb(programs: Programs, folder: Path) -> None:
    command = [
        str(programs.folder / "initdb"), "-D", str(folder / "data"), "-U", USER, "-A", "trust",
        "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions",
    ]  # fmt: skip
    told = subprocess.run(
        _as_user(command), env=programs.environment(), cwd=folder, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if told.returncode:
        raise SystemExit(f"initdb failed: {told.stderr or told.stdout}")


@contextmanager
def _running(
    programs: Programs, folder: Path, settings: tuple[str, ...]
) -> Iterator[subprocess.Popen[bytes]]:
    options = [word for setting in (*SETTINGS, *settings) for word in ("-c", setting)]
    command = [
        str(programs.folder / "postgres"), "-D", str(folder / "data"), "-k", str(folder), *options,
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            _as_user(command), env=programs.environment(), cwd=folder, stdout=log, stderr=log
        )
    try:
        _wait(folder, process)
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def _wait(folder: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    pid_file = folder / "data" / "postmaster.pid"
    while not (pid_file.exists() and "ready" in pid_file.read_text()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"PostgreSQL did not start:\n{(folder / 'log').read_text()}")
        time.sleep(0.02)
