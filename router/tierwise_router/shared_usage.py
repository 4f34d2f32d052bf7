"""What each tenant uses of a pod, counted by its dispatchers in memory that they share.

A pod has several dispatcher processes behind one port, and a client's connections land on any of
them. A limit that each kept for itself would be as many times too large, and one that was divided
would refuse a client whose connections all landed on the same one. So each dispatcher writes a file
of its own, mapped into memory, and reads the others': no lock, no message, some microseconds.

Two dispatchers that look at the very same moment may both see the last free place. So a limit is
overstepped by at most one request for each dispatcher beyond the first, and only for that moment.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tierwise_core.rate_ring import RING_CELLS

__all__ = ["SharedUsage", "Usage"]

ROWS: Final = 4096
ROW_CELLS: Final = 1 + RING_CELLS
FILE_BYTES: Final = 4 * ROWS * ROW_CELLS
NAMES: Final = "tenants.names"
SUFFIX: Final = ".usage"


class Usage:
    """One tenant's numbers: our own row, and those of the other dispatchers.

    A row is the number of requests in progress, and then the ring of the last minute's.
    """

    __slots__ = ("others", "own")

    def __init__(self, own: memoryview, others: list[memoryview]) -> None:
        self.own = own
        self.others = others

    def in_flight_elsewhere(self) -> int:
        """Count the requests that the other dispatchers have in progress."""
        return sum(row[0] for row in self.others)

    def rings(self) -> list[memoryview]:
        """Give the rings of all dispatchers, our own first."""
        return [row[1:] for row in (self.own, *self.others)]


class SharedUsage:
    """The usage of all tenants that have limits, in the directory of a pod.

    An empty directory means that there is one dispatcher: then nothing is shared, nor written.
    ``process`` tells dispatchers apart.
    """

    def __init__(self, directory: str = "", process: int | None = None) -> None:
        self._directory = Path(directory) if directory else None
        self._process = os.getpid() if process is None else process
        self._own = memoryview(_mapped(self._file(self._process))).cast("I")
        self._others: dict[int, memoryview] = {}
        self._places: dict[str, int] = {}
        self._used: dict[str, Usage] = {}

    @property
    def shared(self) -> bool:
        """Whether there are other dispatchers."""
        return bool(self._others)

    def of(self, tenant: str) -> Usage | None:
        """Give the usage of a tenant; None for one that :meth:`know` was not told of."""
        return self._used.get(tenant)

    def know(self, tenants: Iterable[str]) -> None:
        """Give every tenant its row, the same in all dispatchers, and keep it for good."""
        unknown = sorted(set(tenants) - self._places.keys())
        if unknown:
            self._places |= self._numbered(unknown)
        self.meet()

    def meet(self) -> None:
        """Find dispatchers that came, and forget those that are gone."""
        if self._directory is not None:
            found = {int(path.stem) for path in self._directory.glob(f"*{SUFFIX}")}
            for process in found - {self._process} - self._others.keys():
                if _alive(process):
                    mapped = _mapped(self._file(process))
                    self._others[process] = memoryview(mapped).cast("I")
            for process in [one for one in self._others if not _alive(one)]:
                del self._others[process]
        others = list(self._others.values())
        for tenant, place in self._places.items():
            start = place * ROW_CELLS
            rows = [cells[start : start + ROW_CELLS] for cells in others]
            known = self._used.get(tenant)
            if known is None:
                own = self._own[start : start + ROW_CELLS]
                self._used[tenant] = Usage(own, rows)
            else:
                known.others = rows

    def _file(self, process: int) -> Path | None:
        return None if self._directory is None else self._directory / f"{process}{SUFFIX}"

    def _numbered(self, tenants: list[str]) -> dict[str, int]:
        """Number tenants by their line in a file that the pod's dispatchers append to in turn."""
        if self._directory is None:
            first = len(self._places)
            return {name: (first + at) % ROWS for at, name in enumerate(tenants)}
        with (self._directory / NAMES).open("a+") as names:
            fcntl.flock(names, fcntl.LOCK_EX)
            names.seek(0)
            lines = names.read().split()
            new = [name for name in tenants if name not in lines]
            names.writelines(f"{name}\n" for name in new)
        # Beyond the last row tenants would share one; a pod that met 4,096 of them restarts first.
        return {name: at % ROWS for at, name in enumerate([*lines, *new])}


def _mapped(path: Path | None) -> mmap.mmap:
    if path is None:
        return mmap.mmap(-1, FILE_BYTES)
    with path.open("a+b") as file:
        if path.stat().st_size < FILE_BYTES:
            file.truncate(FILE_BYTES)
        return mmap.mmap(file.fileno(), FILE_BYTES)


def _alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()
