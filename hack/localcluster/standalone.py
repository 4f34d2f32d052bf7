"""A control plane alone, for tests of what an API server accepts: no root, no nodes, seconds.

with control_plane() as kubeconfig:
    subprocess.run(["kubectl", "--kubeconfig", kubeconfig, "apply", "-f", "crds/"])
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from . import tools
from .console import step
from .controlplane import ControlPlane
from .errors import InvalidNameError
from .instance import Instance, Mode, allocate, find, instances
from .processes import Record, is_alive, read_record, started_ticks
from .teardown import remove


@contextmanager
def control_plane(name: str | None = None) -> Iterator[Path]:
    """Run etcd and an API server on the loopback; yield the kubeconfig, remove both at the end.

    Missing binaries are built first. Without a name, one is made from this process's id, so
    that any number may run at once. What a killed test run left behind is removed first.
    Raises InvalidNameError when there is an instance of that name.
    """
    sweep()
    instance = _claim(name or f"test-{os.getpid()}")
    try:
        start(instance)
        yield instance.kubeconfig
    finally:
        remove(instance)


def start(instance: Instance) -> ControlPlane:
    """Start what does not run of a control plane on the loopback, and wait until it is ready."""
    tools.ensure(tools.CONTROL_PLANE_PROGRAMS)
    plane = ControlPlane(instance)
    with step(f"start the control plane of {instance.name} at {instance.server}"):
        plane.start()
    return plane


def sweep() -> None:
    """Remove the control planes whose test run is gone."""
    for instance in instances():
        owner = _owner(instance)
        if instance.mode is Mode.CONTROL_PLANE and owner is not None and not is_alive(owner):
            remove(instance)


def _claim(name: str) -> Instance:
    if find(name) is not None:
        raise InvalidNameError(
            f"there is an instance {name!r} already: choose another name, or remove it first "
            f"with `down --name {name}`"
        )
    instance = allocate(name, Mode.CONTROL_PLANE)
    me = Record(os.getpid(), started_ticks(os.getpid()) or 0, "owner")
    (instance.state / "owner.json").write_text(json.dumps(asdict(me)))
    return instance


def _owner(instance: Instance) -> Record | None:
    return read_record(instance.state / "owner.json")
