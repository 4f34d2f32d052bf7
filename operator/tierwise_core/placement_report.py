"""``status.placement`` in its wire form: where a Specialist runs, tier by tier, and why there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tierwise_core.conditions import clip
from tierwise_core.fleet import Pod
from tierwise_core.fleet_plan import FleetVerdict
from tierwise_core.placement import Assignment, Rejection, Share
from tierwise_core.specialist import Specialist

__all__ = ["placement_report", "without_nothing"]

REASON_LIMIT = 2048
REJECTED_LIMIT = 256


def placement_report(
    specialist: Specialist, fleet: FleetVerdict, pods: Iterable[Pod]
) -> dict[str, Any]:
    """Return the placement to publish; empty for an external Specialist."""
    if specialist.model is None:
        return {}
    assignment = fleet.assignment
    chosen = _chosen(assignment) if assignment else {}
    rejected = [_rejection(r) for r in fleet.rejections[:REJECTED_LIMIT]]
    published = specialist.status.get("placement") or {}
    if chosen and _same_choice(specialist, chosen, published, rejected):
        rejected = published.get("rejected") or []
    ready = Counter(pod.tier for pod in pods if pod.ready)
    shares = [_with_ready(share, ready) for share in chosen.get("tiers", ())]
    return without_nothing({**chosen, "tiers": shares, "rejected": rejected})


def _with_ready(share: Mapping[str, Any], ready: Counter[str]) -> dict[str, Any]:
    return {**share, "readyReplicas": min(ready[share["tier"]], share["replicas"])}


def _same_choice(
    specialist: Specialist,
    chosen: Mapping[str, Any],
    published: Mapping[str, Any],
    rejected: Sequence[Mapping[str, str]],
) -> bool:
    """Say whether the published reasons still stand: they were true when the choice was made.

    They name how many GPUs were free, which changes with every pod anywhere. Rewriting the status
    of every Specialist for that would make each placement cost as many writes as there are.
    """
    shares = [
        {name: value for name, value in share.items() if name != "readyReplicas"}
        for share in published.get("tiers") or ()
    ]
    return (
        specialist.status.get("observedGeneration") == specialist.generation
        and all({**published, "tiers": shares}.get(name) == value for name, value in chosen.items())
        and [r.get("tier") for r in published.get("rejected") or ()]
        == [r["tier"] for r in rejected]
    )


def _chosen(assignment: Assignment) -> dict[str, Any]:
    primary = assignment.primary
    return {
        "tier": primary.tier,
        "gpusPerReplica": primary.gpus_per_replica,
        "tensorParallel": primary.tensor_parallel,
        "usdPerHour": round(assignment.usd_per_hour, 6),
        "memory": _memory(primary),
        "tiers": [_share(share) for share in assignment.shares],
    }


def _share(share: Share) -> dict[str, Any]:
    return {
        "tier": share.tier,
        "replicas": share.replicas,
        "gpusPerReplica": share.gpus_per_replica,
        "tensorParallel": share.tensor_parallel,
        "usdPerHour": round(share.usd_per_hour, 6),
        "memory": _memory(share),
    }


def _memory(share: Share) -> dict[str, int]:
    memory = share.memory
    return {
        "weightsBytes": memory.weights_bytes,
        "kvCacheBytes": memory.kv_cache_bytes,
        "activationBytes": memory.activation_bytes,
        "overheadBytes": memory.overhead_bytes,
        "totalBytesPerGPU": memory.total_bytes_per_gpu,
        "usableBytesPerGPU": share.usable_bytes_per_gpu,
        "headroomBytes": share.headroom_bytes,
    }


def _rejection(rejection: Rejection) -> dict[str, str]:
    return {"tier": rejection.tier, "reason": clip(rejection.reason, REASON_LIMIT)}


def without_nothing(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the status without fields that say nothing: applying it then removes them.

    >>> without_nothing({"tier": "h100", "memory": {}, "usdPerHour": None, "replicas": 0})
    {'tier': 'h100', 'replicas': 0}
    """
    return {
        field: without_nothing(value) if isinstance(value, Mapping) else value
        for field, value in status.items()
        if value is not None and value not in ({}, [])
    }
