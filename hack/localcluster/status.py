"""What of an instance runs, what it takes and how to reach it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import cgroups
from .instance import Instance, Mode
from .processes import is_alive, read_record


@dataclass(frozen=True, slots=True)
class Component:
    """One daemon of an instance."""

    name: str
    pid: int
    running: bool
    memory_bytes: int
    log: Path

    def __str__(self) -> str:
        if self.running:
            return f"pid {self.pid:<10} {self.memory_bytes / 2**20:.0f} MiB"
        return f"DEAD           see {self.log}"


def components(instance: Instance) -> Iterator[Component]:
    """Every daemon that was started, running or not."""
    for path in sorted((instance.runtime / "processes").glob("*.json")):
        record = read_record(path)
        if record is not None:
            running = is_alive(record)
            memory = _resident_bytes(record.pid) if running else 0
            log = instance.logs / f"{path.stem}.log"
            yield Component(path.stem, record.pid, running, memory, log)


def report(instance: Instance) -> Mapping[str, Any]:
    """Everything about an instance, ready for JSON."""
    found = list(components(instance))
    network = instance.network
    addresses = {
        "apiServer": instance.server,
        "block": str(network.block),
        "services": str(network.services),
        "pods": str(network.pods),
        "dns": str(network.dns),
    }
    return {
        "name": instance.name,
        "mode": str(instance.mode),
        "running": bool(found) and all(component.running for component in found),
        "kubeconfig": str(instance.kubeconfig),
        "state": str(instance.state),
        "addresses": addresses if instance.mode is Mode.CLUSTER else {"apiServer": instance.server},
        "memoryBytes": _memory_bytes(instance, found),
        "components": [
            {
                "name": component.name,
                "pid": component.pid,
                "running": component.running,
                "memoryBytes": component.memory_bytes,
                "log": str(component.log),
            }
            for component in found
        ],
    }


def lines(instance: Instance) -> Iterator[str]:
    """The same for a person."""
    found = report(instance)
    yield f"{found['name']} ({found['mode']}): {'running' if found['running'] else 'NOT running'}"
    yield f"  API server   {found['addresses']['apiServer']}"
    yield f"  kubeconfig   {found['kubeconfig']}"
    yield f"  memory       {found['memoryBytes'] / 2**20:.0f} MiB, pods included"
    for part in found["components"]:
        state = f"pid {part['pid']}" if part["running"] else "DEAD"
        memory = (
            f"{part['memoryBytes'] / 2**20:.0f} MiB" if part["running"] else f"see {part['log']}"
        )
        yield f"  {part['name']:<32} {state:<12} {memory}"


def _memory_bytes(instance: Instance, found: list[Component]) -> int:
    charged = cgroups.memory_bytes(instance.cgroup) if instance.mode is Mode.CLUSTER else None
    return sum(component.memory_bytes for component in found) if charged is None else charged


def _resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    return 0
