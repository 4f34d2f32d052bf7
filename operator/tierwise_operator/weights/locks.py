"""Locks between the pods of a node: flock, which the kernel drops when their process dies.

A shared lock on an entry is a lease: while a pod has it, nobody evicts the entry.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

__all__ = ["exclusive", "lease", "try_exclusive"]

POLL_SECONDS: Final = 1.0

Wait = Callable[[float], Awaitable[None]]


def lease(path: Path) -> int:
    """Take a shared lock; returns the descriptor that holds it.

    It waits for an eviction that is just taking place, which is a matter of milliseconds.
    """
    descriptor = _open(path)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def try_exclusive(path: Path) -> int | None:
    """Take the lock alone, or return ``None`` at once if somebody has it."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@asynccontextmanager
async def exclusive(path: Path, wait: Wait, waiting: Callable[[], None]) -> AsyncIterator[None]:
    """Hold the lock alone; ``waiting`` is called now and then while somebody else has it."""
    while (descriptor := try_exclusive(path)) is None:
        waiting()
        await wait(POLL_SECONDS)
    try:
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
