"""What a Specialist reports of its placement: tier by tier, why it moved, how pods perform."""

from __future__ import annotations

from pydantic import Field

from tierwise_api.base import Status
from tierwise_api.common import Timestamp

__all__ = [
    "MemoryStatus",
    "MoveStatus",
    "PerformanceStatus",
    "PlacementStatus",
    "RejectedTier",
    "TierShareStatus",
]


class MemoryStatus(Status):
    """The memory one GPU needs, part by part, in bytes."""

    weights_bytes: int = Field(ge=0, description="Weights on each GPU.")
    kv_cache_bytes: int = Field(
        ge=0, description="KV cache on each GPU: context x concurrency x bytes per token."
    )
    activation_bytes: int = Field(ge=0, description="Activations on each GPU.")
    overhead_bytes: int = Field(ge=0, description="CUDA context and engine on each GPU.")
    total_bytes_per_gpu: int = Field(ge=0, description="All of it together.")
    usable_bytes_per_gpu: int = Field(
        ge=0,
        description="What the tier allows: memory x usableFraction.",
    )
    headroom_bytes: int = Field(description="What is left: usable less total.")


class RejectedTier(Status):
    """A tier the Specialist was not placed on."""

    tier: str = Field(max_length=253, description="The GPUTier's name.")
    reason: str = Field(
        max_length=2048,
        description="Why not, in numbers.",
        examples=["needs 41.2 GiB per GPU, rtx-4090 has 21.6 GiB usable"],
    )


class TierShareStatus(Status):
    """The replicas on one tier."""

    tier: str = Field(max_length=253, description="The GPUTier's name.")
    replicas: int = Field(ge=0, description="Replicas that have room there.")
    ready_replicas: int = Field(default=0, ge=0, description="Those of them that are ready.")
    gpus_per_replica: int = Field(ge=0, description="GPUs of one replica.")
    tensor_parallel: int = Field(ge=1, description="Over how many GPUs the model is cut.")
    usd_per_hour: float = Field(ge=0, description="Price of these replicas for one hour, in USD.")
    memory: MemoryStatus | None = Field(
        default=None, description="The memory one GPU needs, part by part."
    )


class MoveStatus(Status):
    """Why replicas went from one tier to another."""

    from_: str | None = Field(
        default=None,
        alias="from",
        max_length=253,
        description="The GPUTier they left.",
    )
    to: str | None = Field(
        default=None, max_length=253, description="The GPUTier they went to; none if none has room."
    )
    replicas: int = Field(ge=0, description="How many.")
    reason: str = Field(max_length=2048, description="Why.")
    time: Timestamp = Field(description="When it was decided.")


class PlacementStatus(Status):
    """Where the Specialist runs, what that costs, and why not elsewhere.

    The fields of one tier are those of the first in tiers, which has most replicas.
    """

    tier: str | None = Field(
        default=None, max_length=253, description="The chosen GPUTier; none while nothing fits."
    )
    gpus_per_replica: int | None = Field(default=None, ge=0, description="GPUs of one replica.")
    tensor_parallel: int | None = Field(
        default=None, ge=1, description="Over how many GPUs the model is cut."
    )
    usd_per_hour: float | None = Field(
        default=None, ge=0, description="Price of all its replicas for one hour, in USD."
    )
    memory: MemoryStatus | None = Field(
        default=None, description="The memory one GPU needs, part by part."
    )
    tiers: list[TierShareStatus] = Field(
        default_factory=list,
        max_length=64,
        description="Its replicas tier by tier; several tiers when one alone has no room.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    last_move: MoveStatus | None = Field(
        default=None, description="The last time replicas went to another tier or node, and why."
    )
    rejected: list[RejectedTier] = Field(
        default_factory=list,
        max_length=256,
        description="Every tier that was looked at and not chosen, and why.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


class PerformanceStatus(Status):
    """What its pods say of themselves, once they have loaded: the engine's own figures."""

    weights_bytes: int | None = Field(
        default=None,
        ge=0,
        description="The weights on each GPU: what the files hold, as the engine loads it. Beside "
        "placement.memory.weightsBytes, which has model.size and what the tier taught in it.",
    )
    kv_cache_bytes: int | None = Field(
        default=None, ge=0, description="Memory of the KV cache on each GPU."
    )
    kv_cache_tokens: int | None = Field(
        default=None, ge=0, description="Tokens the KV cache of one replica holds."
    )
    kv_bytes_per_token: int | None = Field(
        default=None, ge=0, description="KV cache of one token, in bytes, over all GPUs."
    )
    load_seconds: float | None = Field(
        default=None,
        ge=0,
        description="From the start of the engine until it was ready, in seconds.",
    )
    generation_tokens_per_second: float | None = Field(
        default=None, ge=0, description="Tokens one replica generates per second under load."
    )
    prompt_tokens_per_second: float | None = Field(
        default=None, ge=0, description="Prompt tokens one replica reads per second under load."
    )
    estimate_error_percent: float | None = Field(
        default=None,
        description="Memory estimated less memory taken, in percent of what was taken: above 0 "
        "the estimate was too high.",
    )
    measured_at: Timestamp | None = Field(default=None, description="When these were read.")
    pods: int | None = Field(default=None, ge=0, description="From how many pods.")
