"""What a Specialist reports: where it runs and why there, what it takes, where it answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from tierwise_api.base import Status
from tierwise_api.common import Conditions, Timestamp
from tierwise_api.drift_status import DriftStatus, TrainingStatus
from tierwise_api.placement_status import (
    MemoryStatus,
    PerformanceStatus,
    PlacementStatus,
    RejectedTier,
)
from tierwise_api.scaling import (
    BurstStatus,
    DedicatedStatus,
    OverflowStatus,
    ScalingStatus,
    WakeStatus,
)

__all__ = [
    "AdapterStatus",
    "Endpoint",
    "MemoryStatus",
    "ModelStatus",
    "PlacementStatus",
    "RejectedTier",
    "SpecialistRollout",
    "SpecialistStatus",
]

# Known words for people to read; a reader of ours accepts those of a newer version too.
Phase = Annotated[
    str,
    Field(
        json_schema_extra={"enum": ["Pending", "Placing", "Loading", "Ready", "Degraded", "Failed"]}
    ),
]


Side = Annotated[str, Field(json_schema_extra={"enum": ["green"]})]


class ModelStatus(Status):
    """What the model's own files say."""

    architecture: str | None = Field(
        default=None,
        max_length=1024,
        description="The architecture of its config.",
        examples=["Qwen3ForCausalLM"],
    )
    parameters: int | None = Field(default=None, ge=0, description="Its number of parameters.")
    context_length: int | None = Field(
        default=None, ge=0, description="The longest context it was made for, in tokens."
    )
    kv_bytes_per_token: int | None = Field(
        default=None, ge=0, description="Bytes of KV cache for one token, over all GPUs."
    )
    dtype: str | None = Field(
        default=None, max_length=1024, description="The type of its weights.", examples=["bfloat16"]
    )


class Endpoint(Status):
    """A ready pod, or an external endpoint, that the router may send requests to."""

    url: str = Field(
        max_length=2048, description="Where it answers.", examples=["http://10.1.2.3:8000"]
    )
    pod: str | None = Field(default=None, max_length=253, description="The pod's name.")
    revision: str | None = Field(
        default=None, max_length=63, description="The revision the pod serves."
    )
    node: str | None = Field(default=None, max_length=253, description="The pod's node.")
    tier: str | None = Field(default=None, max_length=253, description="The node's GPUTier.")
    side: str | None = Field(
        default=None,
        max_length=63,
        description="green on the pods of a rollout's candidate, absent on all others.",
        json_schema_extra={"enum": ["green"]},
    )


class SpecialistRollout(Status):
    """The Rollout whose shares the routers apply."""

    name: str = Field(max_length=253, description="Its name.", examples=["sorter-5d8f7c9b"])
    stage: str | None = Field(
        default=None, max_length=63, description="Where it stands, for people.", examples=["Canary"]
    )
    green_percent: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="The candidate's share of the traffic, in percent, for people.",
    )


class StableUtility(Status):
    """What answers are worth with the model that serves, as its own rollout measured it."""

    base: float | None = Field(default=None, description="The mean utility, 0 to 1.")
    variance: float | None = Field(default=None, ge=0, description="Its variance.")
    accepted: float | None = Field(
        default=None, description="The share of judged answers that were accepted."
    )
    answers: int | None = Field(
        default=None, ge=0, description="How many judged answers that is drawn from."
    )
    since: Timestamp | None = Field(default=None, description="From when on it was measured.")


class StableRejected(Status):
    """The candidate that was rejected last, as long as the spec asks for it."""

    revision: str = Field(max_length=63, description="The digest of its model.")
    rollout: str = Field(max_length=253, description="The Rollout that rejected it.")
    reason: str = Field(max_length=1024, description="Why, in one CamelCase word.")
    message: str = Field(default="", max_length=4096, description="The same for people.")
    engine: str | None = Field(
        default=None,
        max_length=63,
        description="The digest of the spec.engine it was tried with. Changed together with the "
        "model it is not used for what serves either; changed again, the model is tried again.",
    )


class StableStatus(Status):
    """The model that serves. A changed spec.model is a candidate until a rollout promotes it."""

    model: dict[str, Any] | None = Field(
        default=None,
        description="The model, as spec.model would have it.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )
    answers: str | None = Field(
        default=None,
        max_length=63,
        description="The digest of the spec.model it stands for: the same, or one that was "
        "rejected. Sizes, credentials and adapters that come and go are not part of it.",
        examples=["5d8f7c9b"],
    )
    engine: str | None = Field(
        default=None, max_length=63, description="The digest of the spec.engine it serves with."
    )
    mark: str | None = Field(
        default=None,
        max_length=63,
        description="What tells its pods from those with other files of the same adapters.",
    )
    rollout: str | None = Field(
        default=None, max_length=253, description="The last Rollout that was taken in."
    )
    rollout_created: str | None = Field(
        default=None, max_length=63, description="When that Rollout was created."
    )
    utility: StableUtility | None = Field(
        default=None, description="What its answers are worth, where a rollout measured it."
    )
    rejected: StableRejected | None = Field(
        default=None, description="The candidate that was rejected last."
    )


AdapterState = Annotated[
    str,
    Field(
        max_length=63,
        json_schema_extra={"enum": ["Loading", "Loaded", "Partial", "Failed", "Removing"]},
    ),
]


class AdapterStatus(Status):
    """A LoRA adapter, as the serving pods have it."""

    name: str = Field(max_length=63, description="The adapter's name.", examples=["customer-a"])
    source: str | None = Field(
        default=None, max_length=1024, description="Where its files are, as the spec has it."
    )
    state: AdapterState = Field(
        description="Loading while no serving pod has it, Partial while some have it, Loaded "
        "when all have it, Failed when it cannot be loaded, Removing while a pod still has one "
        "that the spec no longer names."
    )
    rank: int | None = Field(default=None, ge=1, description="Its rank, as its files say.")
    loaded_pods: int | None = Field(default=None, ge=0, description="Serving pods that have it.")
    total_pods: int | None = Field(default=None, ge=0, description="Serving pods there are.")
    absent_from: list[Annotated[str, Field(max_length=253)]] = Field(
        default_factory=list,
        max_length=256,
        description="Of status.endpoints, the pods that do not have it: the router sends no "
        "request for it there. Empty when all have it, and when none has.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    message: str | None = Field(
        default=None, max_length=1024, description="Why it is not loaded, and what would be right."
    )


class SpecialistStatus(Status):
    """What the operator sees of the Specialist."""

    observed_generation: int | None = Field(
        default=None, ge=0, description="The metadata.generation this status describes."
    )
    conditions: Conditions = Field(default_factory=list)
    phase: Phase | None = Field(
        default=None, description="One word for people; programs read the conditions."
    )
    replicas: int | None = Field(default=None, ge=0, description="Pods there are.")
    ready_replicas: int | None = Field(default=None, ge=0, description="Pods that are ready.")
    selector: str | None = Field(
        default=None,
        max_length=1024,
        description="The label selector of its pods, for the scale subresource.",
        examples=["tierwise.dev/specialist=sorter"],
    )
    active_revision: str | None = Field(
        default=None, max_length=63, description="The revision that serves.", examples=["5d8f7c9b"]
    )
    placement: PlacementStatus | None = Field(
        default=None, description="Where it runs, and why there."
    )
    model: ModelStatus | None = Field(default=None, description="What the model's files say.")
    performance: PerformanceStatus | None = Field(
        default=None, description="What its pods say of themselves, once they have loaded."
    )
    scaling: ScalingStatus | None = Field(
        default=None, description="What the autoscaler sees and wants; none where it is not asked."
    )
    wake: WakeStatus | None = Field(
        default=None, description="Requests that wait for a replica, as the routers tell."
    )
    dedicated: DedicatedStatus | None = Field(
        default=None, description="Own replicas compared with placement.alternative."
    )
    burst: BurstStatus | None = Field(
        default=None, description="How much stays on own replicas, with placement.burst Switch."
    )
    overflow: OverflowStatus | None = Field(
        default=None, description="What went to the alternative, as the routers tell."
    )
    drift: DriftStatus | None = Field(
        default=None, description="Whether its answers are still as useful as they were."
    )
    training: TrainingStatus | None = Field(
        default=None, description="The last training that answered a drift."
    )
    endpoints: list[Endpoint] = Field(
        default_factory=list,
        max_length=4096,
        description="Where the router sends requests: ready pods only.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    rollout: SpecialistRollout | None = Field(
        default=None,
        description="The Rollout under way, or the one that has just ended, as long as pods of its "
        "candidate are marked. The routers obey its status.weights.",
    )
    stable: StableStatus | None = Field(
        default=None, description="The model that serves; none before any has."
    )
    adapters: list[AdapterStatus] = Field(
        default_factory=list,
        max_length=128,
        description="The LoRA adapters, and which pods have them.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
    )
