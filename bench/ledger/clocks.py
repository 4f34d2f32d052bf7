"""Wall and processor time of a question, the database server's included."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

__all__ = ["Took", "timed"]

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
OWN, OF_ENDED_CHILDREN = slice(11, 13), slice(13, 15)


@dataclass(frozen=True, slots=True)
class Took:
    """How long a question took, in milliseconds: by the clock at best, and of processors."""

    name: str
    wall_ms: float
    worst_ms: float
    cpu_ms: float


def timed(
    name: str, connection: Connection, question: Callable[[Connection], object], times: int
) -> Took:
    """Ask so often, and tell the best and the worst time by the clock, and the mean of the rest."""
    walls = []
    before = _cpu_s(connection)
    for _ in range(times):
        began_at = time.perf_counter()
        question(connection)
        walls.append(1000 * (time.perf_counter() - began_at))
    cpu_ms = 1000 * (_cpu_s(connection) - before) / times
    return Took(name, min(walls), max(walls), cpu_ms)


def _cpu_s(connection: Connection) -> float:
    """Add up our own time and that of the server's process for us, its workers included."""
    own = time.process_time()
    if connection.dialect.name != "postgresql":
        return own
    server = int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
    parent = int(_stat(server)[1])
    return own + _ticks(server, OWN) + _ticks(parent, OF_ENDED_CHILDREN)


def _ticks(process: int, which: slice) -> float:
    return sum(map(int, _stat(process)[which])) * TICK_S


def _stat(process: int) -> list[str]:
    """Give what the kernel tells of a process, from its state on."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
