"""The folder of one running router: sockets, Ray's session, counts. Gone when the router is."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["run_dir"]

# Sockets are made below it, and their paths must stay under 108 bytes: /tmp, and not $TMPDIR.
BASE = Path("/tmp")  # noqa: S108 - mkdtemp makes the folder ours alone
PREFIX = "tierwise-router-"
LOCK = "lock"
NEWBORN_S = 60.0


@contextlib.contextmanager
def run_dir(base: Path = BASE) -> Iterator[Path]:
    """Make the folder, and remove what routers left that were killed.

    A pod's /tmp outlives its container, so that each crash would leave its session behind. A
    folder is in use as long as somebody holds the lock in it.
    """
    _sweep(base)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _sweep(base: Path) -> None:
    for folder in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if _is_left(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    try:
        with (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        # A router has just made it, or a process of Ray that died late has written to it again.
        return time.time() - folder.stat().st_mtime > NEWBORN_S
    return True
