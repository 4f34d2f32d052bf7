"""Removing an instance: every process, mount, device, namespace, cgroup and file.

A look whether anything is left follows. Both ask the kernel, not our notes, so they also
work after half an `up`, after a reboot and after parts were killed by hand.
"""

from collections.abc import Iterator
from pathlib import Path

from . import cgroups, network
from .console import say, step
from .errors import LeftoverError
from .instance import Instance, Mode, find, forget
from .processes import is_alive, read_record, stop


def remove_named(name: str) -> None:
    """Remove the instance of that name, written down or not, and say what was found."""
    found = find(name)
    if found is None:
        say(f"there is no local cluster named {name}")
        return
    with step(f"remove the local cluster {name}"):
        remove(found)
    say(f"nothing of {name} is left: no process, mount, network device, cgroup or folder")


def remove(instance: Instance) -> None:
    """Remove an instance wholly. Raises LeftoverError naming whatever would not go."""
    _stop_recorded(instance)
    if instance.mode is Mode.CLUSTER:
        cgroups.kill(instance.cgroup)
        network.remove(instance)
        cgroups.remove(instance.cgroup)
    forget(instance)
    left = list(leftovers(instance))
    if left:
        lines = "\n".join(f"  - {item}" for item in left)
        raise LeftoverError(f"of the local cluster {instance.name} there is still:\n{lines}")


def leftovers(instance: Instance) -> Iterator[str]:
    """What of an instance is still on this machine, in words."""
    yield from (f"process {pid}" for pid in _recorded_pids(instance))
    if instance.mode is Mode.CLUSTER:
        yield from (
            f"process {pid} in cgroup {instance.cgroup}" for pid in cgroups.members(instance.cgroup)
        )
        yield from (f"cgroup {path}" for path in cgroups.roots(instance.cgroup))
        yield from network.leftovers(instance)
    yield from (f"folder {path}" for path in (instance.state, instance.runtime) if path.exists())


def _records(instance: Instance) -> list[Path]:
    return sorted((instance.runtime / "processes").glob("*.json"))


def _recorded_pids(instance: Instance) -> Iterator[int]:
    for path in _records(instance):
        record = read_record(path)
        if record is not None and is_alive(record):
            yield record.pid


def _stop_recorded(instance: Instance) -> None:
    """Clients before servers, so that nothing logs the loss of what it talks to."""
    late = ("kube-apiserver", "etcd")
    paths = _records(instance)
    for path in sorted(paths, key=lambda path: late.index(path.stem) if path.stem in late else -1):
        record = read_record(path)
        if record is not None:
            stop(record)
