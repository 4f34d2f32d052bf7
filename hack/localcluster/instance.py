"""An instance of the local cluster: a name and the index that everything else follows from.

The index picks the addresses or ports, the name picks paths, namespaces and cgroups, so
two instances share nothing. The index is handed out under a lock and written down.
"""

import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from .errors import InvalidNameError, UnknownInstanceError
from .locks import locked
from .paths import runtime_root, state_root

DEFAULT_NAME = "tierwise"
MAX_INSTANCES = 32

# 198.18.0.0/15 is set aside for tests of network devices (RFC 2544): no site routes it.
_RANGE = IPv4Network("198.18.0.0/15")
_BLOCK_PREFIX = 20
_FIRST_LOOPBACK_PORT = 26000
_PORTS_PER_INSTANCE = 10
_NAME = re.compile(r"[a-z][a-z0-9-]{0,18}[a-z0-9]|[a-z]")


class Mode(StrEnum):
    """How much of a cluster an instance is."""

    CLUSTER = "cluster"
    CONTROL_PLANE = "control-plane"


@dataclass(frozen=True, slots=True)
class Network:
    """The addresses of one instance: a /20 block cut into a fabric, Services and pods.

    >>> net = Network(IPv4Network("198.18.16.0/20"))
    >>> str(net.host), str(net.control_plane), str(net.node(0)), str(net.dns)
    ('198.18.16.1', '198.18.16.10', '198.18.16.20', '198.18.20.10')
    >>> str(net.services), str(net.pods), str(net.node_pods(1))
    ('198.18.20.0/22', '198.18.24.0/21', '198.18.25.0/24')
    """

    block: IPv4Network

    @property
    def fabric(self) -> IPv4Network:
        """The link between the host, the control plane and the nodes."""
        return next(self.block.subnets(new_prefix=24))

    @property
    def host(self) -> IPv4Address:
        """This machine's own address on the fabric."""
        return self.fabric[1]

    @property
    def control_plane(self) -> IPv4Address:
        """Where the API server listens."""
        return self.fabric[10]

    def node(self, position: int) -> IPv4Address:
        """The address of the node at a position, counted from 0."""
        return self.fabric[20 + position]

    @property
    def services(self) -> IPv4Network:
        """Cluster IPs."""
        return list(self.block.subnets(new_prefix=22))[1]

    @property
    def kubernetes_service(self) -> IPv4Address:
        """The cluster IP of the API server: the first of the range, by convention."""
        return self.services[1]

    @property
    def dns(self) -> IPv4Address:
        """The cluster IP of CoreDNS."""
        return self.services[10]

    @property
    def pods(self) -> IPv4Network:
        """All pods of the instance."""
        return list(self.block.subnets(new_prefix=21))[1]

    def node_pods(self, position: int) -> IPv4Network:
        """The pods of the node at a position."""
        return list(self.pods.subnets(new_prefix=24))[position]


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the control plane's servers listen."""

    api_server: int = 6443
    etcd: int = 2379
    etcd_peer: int = 2380
    controller_manager: int = 10257
    scheduler: int = 10259
    kwok: int = 10247


@dataclass(frozen=True, slots=True)
class Instance:
    """One local cluster, by name."""

    name: str
    index: int
    mode: Mode = Mode.CLUSTER

    @property
    def state(self) -> Path:
        """Certificates, etcd's data, images, logs: survives a reboot."""
        return state_root() / self.name

    @property
    def runtime(self) -> Path:
        """Process records, sockets, namespaces."""
        return runtime_root() / self.name

    @property
    def logs(self) -> Path:
        """One file per component."""
        return self.state / "logs"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.state / "pki"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.state / "kubeconfig"

    @property
    def cgroup(self) -> str:
        """Root of the instance's cgroups, in every hierarchy."""
        return f"tierwise-{self.name}"

    @property
    def namespace(self) -> str:
        """Name of the control plane's network namespace."""
        return f"tierwise-{self.name}"

    @property
    def host_link(self) -> str:
        """Name of this machine's network device on the instance's fabric."""
        return f"tierwise{self.index}"

    @property
    def network(self) -> Network:
        """The block of addresses that the index picks."""
        blocks = list(_RANGE.subnets(new_prefix=_BLOCK_PREFIX))
        return Network(blocks[self.index])

    @property
    def api_address(self) -> IPv4Address:
        """Where the API server listens: in a namespace of its own, or on the loopback."""
        if self.mode is Mode.CLUSTER:
            return self.network.control_plane
        return IPv4Address("127.0.0.1")

    @property
    def ports(self) -> Ports:
        """The usual ports in a namespace of its own, ports by index on the loopback."""
        if self.mode is Mode.CLUSTER:
            return Ports()
        first = _FIRST_LOOPBACK_PORT + _PORTS_PER_INSTANCE * self.index
        return Ports(*range(first, first + 6))

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://{self.api_address}:{self.ports.api_server}"


def check_name(name: str) -> str:
    """Return a name that is fit for host names, cgroups and paths, or raise InvalidNameError."""
    if _NAME.fullmatch(name):
        return name
    raise InvalidNameError(
        f"instance name {name!r} will not do: use 1 to 20 lower-case letters, digits and "
        "dashes, starting with a letter and not ending with a dash, for example ci-7"
    )


def chosen_name(name: str | None = None) -> str:
    """The name asked for, else TIERWISE_CLUSTER, else `tierwise`."""
    return check_name(name or os.environ.get("TIERWISE_CLUSTER") or DEFAULT_NAME)


def instances() -> Iterator[Instance]:
    """Every instance that is written down on this machine, by name."""
    written = [*state_root().glob("*/instance.json"), *runtime_root().glob("*/instance.json")]
    for name in sorted({path.parent.name for path in written}):
        found = find(name)
        if found is not None:
            yield found


def find(name: str) -> Instance | None:
    """The instance of that name, if there is one, even when somebody deleted its state."""
    for root in (state_root(), runtime_root()):
        path = root / name / "instance.json"
        if path.exists():
            return _read(path)
    return None


def get(name: str) -> Instance:
    """The instance of that name, or UnknownInstanceError with the names that exist."""
    found = find(name)
    if found is None:
        known = ", ".join(instance.name for instance in instances()) or "none"
        raise UnknownInstanceError(f"no local cluster is named {name!r}; there is: {known}")
    return found


def allocate(name: str, mode: Mode) -> Instance:
    """Return the instance of that name, written down with a free index when it is new."""
    check_name(name)
    with locked(state_root()):
        found = find(name)
        if found is not None and found.mode is mode:
            return _write_down(found)
        if found is not None:
            raise InvalidNameError(
                f"instance {name!r} exists as a {found.mode}: choose another name for a {mode}, "
                f"or remove it with `down --name {name}`"
            )
        return _write_down(Instance(name, _free_index(mode), mode))


def forget(instance: Instance) -> None:
    """Remove what the instance kept on disk; its index is free again at the very end."""
    for folder in (instance.runtime, instance.state):
        for path in folder.iterdir() if folder.exists() else ():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
    with locked(state_root()):
        for folder in (instance.runtime, instance.state):
            shutil.rmtree(folder, ignore_errors=True)
            _remove_if_empty(folder.parent)


def _remove_if_empty(folder: Path) -> None:
    """Best effort: a root that holds other instances, or is not ours to remove, stays."""
    with suppress(OSError):
        folder.rmdir()


def _write_down(instance: Instance) -> Instance:
    fields = {"name": instance.name, "index": instance.index, "mode": instance.mode}
    for folder in (instance.state, instance.runtime):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "instance.json").write_text(json.dumps(fields))
    return instance


def _read(path: Path) -> Instance:
    found = json.loads(path.read_text())
    return Instance(found["name"], found["index"], Mode(found["mode"]))


def _free_index(mode: Mode) -> int:
    taken = {instance.index for instance in instances()}
    for index in range(MAX_INSTANCES):
        if index not in taken and _is_unused(Instance("probe", index, mode)):
            return index
    names = ", ".join(instance.name for instance in instances())
    raise UnknownInstanceError(
        f"all {MAX_INSTANCES} instances are taken ({names}): remove one with `down --name NAME`"
    )


def _is_unused(instance: Instance) -> bool:
    """Whether somebody else (another user's instance) sits where this one would."""
    if instance.mode is Mode.CLUSTER:
        return not Path("/sys/class/net", instance.host_link).exists()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", instance.ports.api_server))
        except OSError:
            return False
    return True
