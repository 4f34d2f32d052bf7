"""Control groups: one root per instance in every hierarchy, of version 1, 2 or both.

They serve three ends: each kubelet gets a root of its own (with a shared one, each would kill
the other's pods), memory is accounted per instance, and every process an instance ever
started, containers included, can be found and ended even when all records are lost.
"""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DAEMONS = "daemons"


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted cgroup hierarchy."""

    mount: Path
    unified: bool
    options: frozenset[str]

    def create(self, group: str) -> Path:
        """Make a group and its parents, ready to take processes and children."""
        current = self.mount
        for part in Path(group).parts:
            if self.unified:
                _enable_controllers(current)
            parent, current = current, current / part
            current.mkdir(exist_ok=True)
            if "cpuset" in self.options and not self.unified:
                _inherit_cpuset(parent, current)
        return current


def hierarchies(mountinfo: str | None = None) -> list[Hierarchy]:
    """The hierarchies mounted on this machine, read from /proc/self/mountinfo."""
    text = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
    found: dict[Path, Hierarchy] = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        kind, _source, options = after.split(" ", 2)
        if kind in {"cgroup", "cgroup2"}:
            mount = Path(before.split()[4])
            found[mount] = Hierarchy(mount, kind == "cgroup2", frozenset(options.split(",")))
    return list(found.values())


def create(group: str) -> None:
    """Make a group in every hierarchy."""
    for hierarchy in hierarchies():
        hierarchy.create(group)


def join_files(group: str) -> list[Path]:
    """The files that take a process into a group, one per hierarchy."""
    return [hierarchy.mount / group / "cgroup.procs" for hierarchy in hierarchies()]


def roots(group: str) -> list[Path]:
    """The folders of a group that exist, one per hierarchy at most."""
    return [path for h in hierarchies() if (path := h.mount / group).is_dir()]


def members(group: str) -> set[int]:
    """Every process in a group or below it, in any hierarchy."""
    return {pid for root in roots(group) for pid in _processes_below(root)}


def memory_bytes(group: str) -> int | None:
    """Memory charged to a group and everything below, page cache included."""
    for root in roots(group):
        for name in ("memory.usage_in_bytes", "memory.current"):
            if (root / name).exists():
                return int((root / name).read_text())
    return None


def kill(group: str, *, patience_seconds: float = 20.0) -> set[int]:
    """Kill every process of a group; return those that would not go.

    Membership is the identity: a process in the group was started by this instance, so no
    stale process id can hit a stranger. New ones may appear while others die, hence the loop.
    """
    deadline = time.monotonic() + patience_seconds
    while left := members(group):
        if time.monotonic() > deadline:
            return left
        for pid in left:
            _kill(pid)
        time.sleep(0.05)
    return set()


def remove(group: str) -> list[Path]:
    """Remove a group, children first, in every hierarchy; return what could not be removed."""
    for root in roots(group):
        for folder, _, _ in os.walk(root, topdown=False):
            _remove_folder(Path(folder))
    return roots(group)


def _remove_folder(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return


def _processes_below(root: Path) -> Iterator[int]:
    for folder, _, _ in os.walk(root):
        try:
            yield from map(int, Path(folder, "cgroup.procs").read_text().split())
        except OSError:
            continue


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _inherit_cpuset(parent: Path, child: Path) -> None:
    """A new version 1 cpuset is empty and takes no process until it has processors and memory."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not (child / name).read_text().strip():
            (child / name).write_text((parent / name).read_text())


def _enable_controllers(folder: Path) -> None:
    """Version 2 lends a controller to children only when the parent says so."""
    available = (folder / "cgroup.controllers").read_text().split()
    for controller in available:
        try:
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError:
            continue
