"""What a machine must have before anything on it is changed."""

import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import cgroups, packages, tools
from .archive import architecture
from .errors import PreflightError, Problem
from .paths import cache_root, state_root

NEEDED_MEMORY_BYTES = 12 << 30
NEEDED_DISK_BYTES = 20 * 10**9


def check(
    wanted: Sequence[packages.Package] = packages.NODE_PACKAGES,
    programs: tuple[str, ...] = tools.CLUSTER_PROGRAMS,
) -> None:
    """Raise PreflightError with every problem at once, each with its fix."""
    found = list(problems(wanted, programs))
    if found:
        raise PreflightError(found)


def problems(
    wanted: Sequence[packages.Package] = packages.NODE_PACKAGES,
    programs: tuple[str, ...] = tools.CLUSTER_PROGRAMS,
) -> Iterator[Problem]:
    """Everything that stands in the way of a cluster on this machine."""
    yield from _system_problems()
    yield from _privilege_problems()
    yield from _package_problems(packages.missing(wanted))
    go = tools.go_problem(programs)
    if go is not None:
        yield go
    yield from _memory_problems(memory_bytes())
    yield from _disk_problems(free_disk_bytes(), cached=not tools.missing(programs))


def memory_bytes() -> int:
    """All memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def free_disk_bytes() -> dict[Path, int]:
    """Free space where the cache and the state go, by the folder that exists there."""
    folders = {_existing(cache_root()), _existing(state_root())}
    return {folder: shutil.disk_usage(folder).free for folder in folders}


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _system_problems() -> Iterator[Problem]:
    if platform.system() != "Linux":
        yield Problem(
            f"the local cluster needs Linux, and this is {platform.system()}",
            "use a Linux machine or a virtual machine with 12 GiB of memory",
        )
    elif architecture() not in {"amd64", "arm64"}:
        yield Problem(
            f"the engine's packages exist for x86_64 and aarch64, and this is {platform.machine()}",
            "use a machine of one of these two kinds",
        )
    elif not cgroups.hierarchies():
        yield Problem(
            "no cgroup hierarchy is mounted, and containers need one",
            "mount -t cgroup2 none /sys/fs/cgroup",
        )


def _privilege_problems() -> Iterator[Problem]:
    if os.geteuid() != 0:
        yield Problem(
            f"containers, namespaces and cgroups need root, and this is user {os.geteuid()}",
            "run the same command with sudo, or point KUBECONFIG at a cluster you have",
        )


def _package_problems(missing: Sequence[str]) -> Iterator[Problem]:
    if missing and shutil.which("apt-get") is None:
        yield Problem(
            f"missing: {', '.join(missing)}, and there is no apt-get to install them",
            "install them with this system's package manager, or use Debian 12, Ubuntu 22.04 "
            "or newer",
        )


def _memory_problems(total: int) -> Iterator[Problem]:
    if total < NEEDED_MEMORY_BYTES:
        yield Problem(
            f"{total / 2**30:.1f} GiB of memory, and the cluster needs "
            f"{NEEDED_MEMORY_BYTES >> 30} GiB: each vLLM pod takes about 2",
            "use a larger machine",
        )


def _disk_problems(free: dict[Path, int], *, cached: bool) -> Iterator[Problem]:
    """Once the tools are built, the rest fits in half of the room."""
    needed = NEEDED_DISK_BYTES // 2 if cached else NEEDED_DISK_BYTES
    for folder, available in free.items():
        if available < needed:
            yield Problem(
                f"{available / 10**9:.1f} GB free at {folder}, and {needed / 10**9:.0f} GB are "
                "needed for tools, engine and images",
                "free some, or set TIERWISE_CACHE and TIERWISE_STATE to folders on a larger disk",
            )
