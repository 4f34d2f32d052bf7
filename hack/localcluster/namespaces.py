"""Namespaces that make one machine look like several.

Each machine of an instance has a network of its own, and each node the folders that node
software insists on: kubelet's device plugins, containerd's shims and the CNI cache use fixed
paths. In a mount namespace of its own each node sees private folders there, and every mount
made for a pod vanishes with the last process of the node.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .instance import Instance, instances
from .paths import state_root
from .shell import run

# Fixed paths of node software -> folder of the node's own, under state or runtime.
NODE_FOLDERS = {
    "/var/lib/kubelet": "kubelet",
    "/var/lib/containerd": "containerd",
    "/var/lib/cni": "cni",
    "/var/log/pods": "pod-logs",
    "/var/log/containers": "container-logs",
}
NODE_RUNTIME_FOLDERS = {"/run/containerd": "containerd", "/run/netns": "netns"}


@dataclass(frozen=True, slots=True)
class Namespace:
    """One pinned network namespace, with a mount namespace when it is a node's."""

    instance: Instance
    name: str

    @property
    def net(self) -> Path:
        """The file that pins the network namespace."""
        return pins(self.instance) / f"{self.name}.net"

    @property
    def mnt(self) -> Path:
        """The file that pins the mount namespace."""
        return pins(self.instance) / f"{self.name}.mnt"

    @property
    def enter(self) -> tuple[str, ...]:
        """The words that run a command in here; the command keeps the process id."""
        mount = (f"--mount={self.mnt}",) if str(self.mnt) in mount_points() else ()
        return ("nsenter", f"--net={self.net}", *mount, "--")

    def run(self, *argv: str) -> str:
        """Run a command in here and return what it wrote."""
        return run([*self.enter, *argv])

    def ensure_network(self) -> None:
        """Make and pin the network namespace unless it is."""
        _ensure_pins(self.instance)
        if str(self.net) not in mount_points():
            self.net.touch()
            run(["unshare", f"--net={self.net}", "true"])
        run([*self.enter, "ip", "link", "set", "lo", "up"])

    def ensure_mounts(self, binds: dict[Path, Path]) -> None:
        """Make and pin the mount namespace with each key mounted over by its value."""
        if str(self.mnt) in mount_points():
            return
        _create_mount_points(binds)
        for source in binds.values():
            source.mkdir(parents=True, exist_ok=True)
        self.mnt.touch()
        # Slave: mounts made on the host later appear here, never the other way. Shared
        # below that: what kubelet mounts is seen in pods that ask for propagation.
        script = "mount --make-rslave / && mount --make-rshared /"
        script += "".join(f" && mount --bind '{own}' '{seen}'" for seen, own in binds.items())
        run(["unshare", f"--mount={self.mnt}", "--propagation", "unchanged", "sh", "-c", script])


def pins(instance: Instance) -> Path:
    """The folder with the files that pin an instance's namespaces."""
    return instance.runtime / "namespaces"


def remove_all(instance: Instance) -> None:
    """Let go of every namespace of an instance; the kernel frees those without a process."""
    folder = str(pins(instance))
    for point in sorted(mount_points(), reverse=True):
        if point == folder or point.startswith(f"{folder}/"):
            run(["umount", "--lazy", point])
    _remove_mount_points(instance)


def leftovers(instance: Instance) -> Iterator[str]:
    """Mounts of an instance that this machine still has."""
    for point in mount_points():
        if point.startswith((f"{instance.runtime}/", f"{instance.state}/")):
            yield f"mount {point}"


def mount_points() -> set[str]:
    """Every mount point this process sees."""
    return {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}


def node_binds(instance: Instance, node: str) -> dict[Path, Path]:
    """The fixed paths of node software and the node's own folders that take their place."""
    state, runtime = instance.state / "nodes" / node, instance.runtime / "nodes" / node
    binds = {Path(seen): state / own for seen, own in NODE_FOLDERS.items()}
    return binds | {Path(seen): runtime / own for seen, own in NODE_RUNTIME_FOLDERS.items()}


def _ensure_pins(instance: Instance) -> None:
    """A mount namespace can be pinned only below a mount that is private."""
    folder = pins(instance)
    if str(folder) not in mount_points():
        folder.mkdir(parents=True, exist_ok=True)
        run(["mount", "--bind", folder, folder])
        run(["mount", "--make-private", folder])


def _made_note() -> Path:
    return state_root() / "mount-points.json"


def _create_mount_points(binds: dict[Path, Path]) -> None:
    """Something can be mounted only over a folder that exists; remember those made for it."""
    note = _made_note()
    made = set(json.loads(note.read_text())) if note.exists() else set()
    for seen in binds:
        if not seen.exists():
            seen.mkdir(parents=True)
            made.add(str(seen))
    note.write_text(json.dumps(sorted(made)))


def _remove_mount_points(instance: Instance) -> None:
    """The last instance takes the empty folders with it that the first one made."""
    others = [other for other in instances() if other.name != instance.name]
    if others or not _made_note().exists():
        return
    for seen in json.loads(_made_note().read_text()):
        folder = Path(seen)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    _made_note().unlink()
