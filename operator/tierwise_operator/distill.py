"""Objects of the API server turned into the small frozen observations that decisions read."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from tierwise_api import GPUTier as GPUTierResource
from tierwise_api import Specialist as SpecialistResource
from tierwise_api.base import problems
from tierwise_api.external import ExternalSpec as ExternalSpecResource
from tierwise_api.gputier import GPUTierSpec
from tierwise_api.model import ModelSpec as ModelSpecResource
from tierwise_api.serving import PlacementSpec as PlacementSpecResource
from tierwise_api.specialist import SpecialistSpec
from tierwise_core.catalogue import find_product
from tierwise_core.children import (
    EDITION,
    MANIFEST,
    REPLACED,
    REVISION,
    SIDE,
    SPECIALIST,
    TIER,
    Child,
)
from tierwise_core.departure import leaving
from tierwise_core.fleet import GPUTier, Node, Taint
from tierwise_core.healing import wanted_parts
from tierwise_core.mig import slice_memory_bytes
from tierwise_core.model_metadata import AdapterLimits, SizeOverrides
from tierwise_core.plan import ChildKind
from tierwise_core.provider import ProviderTerms
from tierwise_core.quantities import format_bytes, parse_quantity
from tierwise_core.revision import canonical_json
from tierwise_core.route_table import Price
from tierwise_core.scaling_policy import ScalingPolicy
from tierwise_core.specialist import (
    Adapter,
    EngineSpec,
    ExternalSpec,
    ModelSpec,
    PlacementSpec,
    Specialist,
)

Json = Mapping[str, Any]
TOKENS_PER_PRICE = 1_000_000


def specialist(body: Json) -> Specialist:
    """Return a Specialist; one that cannot be read is ``invalid`` and says why."""
    metadata = body["metadata"]
    status = body.get("status") or {}
    known = {
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
        "uid": metadata.get("uid", ""),
        "generation": metadata.get("generation", 1),
        "deleting": "deletionTimestamp" in metadata,
        "status": status,
    }
    try:
        return Specialist(
            **known,
            **_spec(SpecialistResource.from_cluster({**body, "status": {}}).spec),
            rollout=(body.get("spec") or {}).get("rollout"),
        )
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one object is told on it
        return Specialist(**known, invalid=_said(error))


def _said(error: Exception) -> str:
    told = "; ".join(problems(error)) if isinstance(error, ValidationError) else ""
    return told or f"the spec cannot be read: {error!r}"


def _spec(spec: SpecialistSpec) -> dict[str, Any]:
    placement, engine = spec.placement, spec.engine
    return {
        "field": spec.field,
        "parent": spec.parent,
        "model": model_spec(spec.model) if spec.model else None,
        "external": _external(spec.external) if spec.external else None,
        "priority": spec.priority,
        "placement": PlacementSpec(
            tiers=tuple(placement.tiers),
            min_replicas=placement.replicas.min,
            max_replicas=placement.replicas.effective_max,
            target_concurrency=placement.target_concurrency,
            tensor_parallel=placement.tensor_parallel,
            nodes_per_replica=placement.nodes_per_replica,
            queue=placement.queue,
            scaling=_scaling(placement),
            alternative=placement.alternative.specialist_ref if placement.alternative else None,
            bursts=placement.burst == "Switch",
        ),
        "rollouts_kept": spec.rollout_history_limit,
        "escalate_to": tuple(spec.routing.escalate_to),
        "verifiers": tuple(spec.routing.verifiers),
        "compliance": tuple(spec.routing.compliance),
        "region": spec.routing.region or "",
        "engine": EngineSpec(
            image=engine.image,
            args=tuple(engine.args),
            env=tuple(
                variable.model_dump(by_alias=True, exclude_none=True) for variable in engine.env
            ),
            pod_template=engine.pod_template,
        ),
    }


def _external(external: ExternalSpecResource) -> ExternalSpec:
    price = external.price
    return ExternalSpec(
        external.base_url,
        external.model,
        Price(
            input_usd_per_token=price.input_per_million_tokens / TOKENS_PER_PRICE,
            output_usd_per_token=price.output_per_million_tokens / TOKENS_PER_PRICE,
        )
        if price
        else None,
        ProviderTerms(
            deprecation_date=external.deprecation_date,
            notice_days=external.deprecation_notice_days,
        ),
    )


def _scaling(placement: PlacementSpecResource) -> ScalingPolicy:
    return ScalingPolicy(
        min_replicas=placement.replicas.min,
        max_replicas=placement.replicas.effective_max,
        target_in_flight=placement.target_in_flight,
        target_tokens_per_second=placement.scaling.target_tokens_per_second_per_replica,
        scale_down_after_seconds=placement.scaling.scale_down_after_s,
        sleep_after_seconds=placement.scaling.sleep_after_s,
    )


def model_spec(model: ModelSpecResource) -> ModelSpec:
    """Return ``spec.model`` as decisions read it."""
    size = model.size
    return ModelSpec(
        source=model.source,
        revision=model.revision,
        quantization=model.quantization,
        kv_cache_dtype=model.kv_cache_dtype,
        max_model_len_tokens=model.max_model_len,
        adapters=tuple(Adapter(adapter.name, adapter.source) for adapter in model.adapters),
        adapter_limits=AdapterLimits(model.adapter_limits.max_rank, model.adapter_limits.max_loaded)
        if model.adapter_limits
        else None,
        size=SizeOverrides(
            weights_bytes=size.weights_bytes,
            parameters=size.parameter_count,
            kv_bytes_per_token=size.kv_bytes_per_token,
            activation_bytes=size.activation_bytes,
            overhead_bytes=size.overhead_bytes,
        )
        if size
        else SizeOverrides(),
        secret_name=model.secret_ref.name if model.secret_ref else "",
    )


def gpu_tier(body: Json) -> GPUTier:
    """Return a GPUTier with the catalogue's defaults; one that cannot be read is ``invalid``."""
    metadata = body["metadata"]
    known = {
        "name": metadata["name"],
        "uid": metadata.get("uid", ""),
        "generation": metadata.get("generation", 1),
        "status": body.get("status") or {},
    }
    try:
        return GPUTier(**known, **_tier(GPUTierResource.from_cluster({**body, "status": {}}).spec))
    except Exception as error:  # noqa: BLE001 - likewise
        return GPUTier(**known, invalid=_said(error))


def _tier(spec: GPUTierSpec) -> dict[str, Any]:
    product = find_product(spec.gpu.product)
    memory_bytes = (
        spec.gpu.memory_bytes
        or slice_memory_bytes(spec.resource_name)  # of the slice, not of the GPU it is cut from
        or (product.memory_bytes if product else None)
    )
    return {
        "product": spec.gpu.product,
        "memory_bytes": memory_bytes,
        "memory_text": _memory_text(spec.gpu.memory, memory_bytes),
        "node_selector": spec.effective_node_selector,
        "tolerations": tuple(
            toleration.model_dump(by_alias=True, exclude_none=True)
            for toleration in spec.tolerations
        ),
        "resource_name": spec.resource_name,
        "usd_per_gpu_hour": spec.price.per_gpu_hour,
        "usable_fraction": spec.usable_fraction,
        "confidence_floor": spec.confidence_floor,
        "escalate_to": spec.escalate_to,
        "kueue_resource_flavor": spec.kueue_resource_flavor,
    }


def _memory_text(written: int | str | None, memory_bytes: int | None) -> str | None:
    """Return the memory for the column: as the user wrote it, else the catalogue's."""
    if isinstance(written, str):
        return written
    return format_bytes(memory_bytes) if memory_bytes else None


def node(body: Json, leaving_taints: Collection[str] = ()) -> Node:
    """Return a node with its extended resources; the taints named say that it is about to go."""
    metadata, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    conditions = status.get("conditions") or ()
    taints = tuple(
        Taint(taint["key"], taint.get("value", ""), taint.get("effect", ""))
        for taint in spec.get("taints") or ()
    )
    return Node(
        name=metadata["name"],
        labels=metadata.get("labels") or {},
        gpus=extended(status.get("allocatable") or {}),
        ready=any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions),
        cordoned=bool(spec.get("unschedulable")),
        taints=taints,
        leaving=leaving(taints, leaving_taints),
    )


def extended(resources: Mapping[str, Any]) -> dict[str, int]:
    """Return the extended resources (GPUs are such) out of a resource list.

    >>> extended({"cpu": "4", "nvidia.com/gpu": "2", "amd.com/gpu": "0"})
    {'nvidia.com/gpu': 2}
    """
    counts = {name: parse_quantity(value) for name, value in resources.items() if "/" in name}
    return {name: count for name, count in counts.items() if count}


def child(kind: ChildKind, body: Json) -> Child:
    """Return a Deployment or Service of ours."""
    metadata, spec = body["metadata"], body.get("spec") or {}
    labels = metadata.get("labels") or {}
    annotations = metadata.get("annotations") or {}
    return Child(
        kind=kind,
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        specialist=_owner(metadata) or labels.get(SPECIALIST, ""),
        revision=labels.get(REVISION, ""),
        tier=labels.get(TIER, ""),
        edition=labels.get(EDITION, ""),
        side=labels.get(SIDE, ""),
        manifest_digest=annotations.get(MANIFEST, ""),
        replicas=int(spec.get("replicas") or 0) if kind != "Service" else 0,
        gpus_per_replica=_gpus_per_replica(spec),
        replaced=annotations.get(REPLACED, ""),
        failure=_failure(body.get("status") or {}),
        deleting="deletionTimestamp" in metadata,
        live=canonical_json(wanted_parts(body)),
    )


def _owner(metadata: Json) -> str:
    owners = metadata.get("ownerReferences") or ()
    return next((o["name"] for o in owners if o.get("kind") == "Specialist"), "")


def _gpus_per_replica(spec: Json) -> int:
    group = spec.get("leaderWorkerTemplate") or {}
    template = spec.get("template") or group.get("leaderTemplate") or {}
    containers = (template.get("spec") or {}).get("containers") or ()
    limits = [(c.get("resources") or {}).get("limits") or {} for c in containers]
    return sum(sum(extended(resources).values()) for resources in limits)


def _failure(status: Json) -> str:
    return next(
        (
            str(condition.get("message", ""))
            for condition in status.get("conditions") or ()
            if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True"
        ),
        "",
    )
