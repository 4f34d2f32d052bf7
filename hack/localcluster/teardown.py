"""Removing an instance: every process, mount, device, namespace, cgroup and file.

A look whether anything is left follows. Both ask the kernel, not our notes, so they also
work after half an `up`, after a reboot and after parts were killed by hand.
"""

from collections.abc import Iterator

from . import cgroups, network
from .console import say, step
from .errors import LeftoverError
from .instance import Instance, Mode, find, forget
from .locks import locked
from .processes import Record, is_alive, kill_all, read_record


def remove_named(name: str) -> None:
    """Remove the instance of that name, written down or not, and say what was found."""
    found = find(name)
    if found is None:
        say(f"there is no local cluster named {name}")
        return
    with step(f"remove the local cluster {name}"), locked(found.state):
        remove(found)
    say(f"nothing of {name} is left: no process, mount, network device, cgroup or folder")


def remove(instance: Instance) -> None:
    """Remove an instance wholly. Raises LeftoverError naming whatever would not go.

    Nothing is asked to stop: all that it could save is about to be deleted.
    """
    started = _recorded(instance)
    kill_all(started)
    if instance.mode is Mode.CLUSTER:
        cgroups.kill(instance.cgroup)
        network.remove(instance)
        cgroups.remove(instance.cgroup)
    forget(instance)
    left = [f"process {record.pid}" for record in started if is_alive(record)]
    left += leftovers(instance)
    if left:
        lines = "\n".join(f"  - {item}" for item in left)
        raise LeftoverError(f"of the local cluster {instance.name} there is still:\n{lines}")


def leftovers(instance: Instance) -> Iterator[str]:
    """What of an instance is still on this machine, in words."""
    yield from (f"process {record.pid}" for record in _recorded(instance))
    if instance.mode is Mode.CLUSTER:
        yield from (
            f"process {pid} in cgroup {instance.cgroup}" for pid in cgroups.members(instance.cgroup)
        )
        yield from (f"cgroup {path}" for path in cgroups.roots(instance.cgroup))
        yield from network.leftovers(instance)
    yield from (f"folder {path}" for path in (instance.state, instance.runtime) if path.exists())


def _recorded(instance: Instance) -> list[Record]:
    paths = (instance.runtime / "processes").glob("*.json")
    found = [read_record(path) for path in paths]
    return [record for record in found if record is not None and is_alive(record)]
