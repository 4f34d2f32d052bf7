"""What one pass over one Specialist looks at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tierwise_core.adapter_status import AdaptersSeen
from tierwise_core.children import Child
from tierwise_core.delivery import Delivery
from tierwise_core.fleet import GPUTier, Pod
from tierwise_core.fleet_plan import FleetVerdict
from tierwise_core.sides import Sides
from tierwise_core.specialist import Reading, Specialist

__all__ = ["GreenView", "Snapshot"]


def _none(_tier: GPUTier, _gpus: int) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class GreenView:
    """What is observed of the candidate alone.

    ``fleet`` is None while the plan of the fleet is being made, and ``no_room`` says why there is
    none beside what serves.
    """

    reading: Reading
    fleet: FleetVerdict | None = None
    adapters: AdaptersSeen = field(default_factory=AdaptersSeen)
    no_room: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything observed about a Specialist.

    Attributes:
        specialist: with the model that serves, be that the spec's or not.
        sides: what serves and what is tried; None where nobody looks at rollouts.
        green: what is observed of the candidate; None where there is none.
        fleet: what the plan of the whole fleet says of it; None while that is being made.
        departing: its pods that cannot stay where they are, by key, and why.
        room: how many more pods of so many GPUs a tier could start now.
        delivery: how models that are fetched come to the pods.
        observed: parts of the status that are measured and not decided, in wire form.
        adapters: what its pods say of the adapters they have loaded.
        gangs: whether LeaderWorkerSet is installed, for replicas over several nodes.
        admission: what Kueue says of pods that wait for it, by their uid.
    """

    specialist: Specialist
    reading: Reading
    fleet: FleetVerdict | None
    sides: Sides | None = None
    green: GreenView | None = None
    deployments: tuple[Child, ...] = ()
    service: Child | None = None
    pods: tuple[Pod, ...] = ()
    departing: Mapping[str, str] = field(default_factory=dict)
    room: Callable[[GPUTier, int], int] = _none
    hf_endpoint: str | None = None
    delivery: Delivery = field(default_factory=Delivery)
    observed: Mapping[str, Any] = field(default_factory=dict)
    adapters: AdaptersSeen = field(default_factory=AdaptersSeen)
    gangs: bool = False
    admission: Mapping[str, str] = field(default_factory=dict)
