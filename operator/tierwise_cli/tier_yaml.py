"""A proposed tier as a manifest: YAML with a comment wherever a person should look twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tierwise_api import API_VERSION
from tierwise_core.catalogue import find_product
from tierwise_core.gpu_labels import NVIDIA_PRODUCT
from tierwise_core.tier_proposal import ProposedTier

__all__ = ["as_object", "as_yaml"]

MIB = 2**20
DEFAULT_RESOURCE = "nvidia.com/gpu"


def as_object(tier: ProposedTier) -> dict[str, Any]:
    """The GPUTier, without comments."""
    return {
        "apiVersion": API_VERSION,
        "kind": "GPUTier",
        "metadata": {"name": tier.name},
        "spec": _spec(tier),
    }


def _spec(tier: ProposedTier) -> dict[str, Any]:
    gpu: dict[str, Any] = {"product": tier.product}
    if tier.memory_bytes is not None:
        gpu["memory"] = f"{tier.memory_bytes // MIB}Mi"
    optional = {
        "nodeSelector": _selector(tier),
        "tolerations": [dict(each) for each in tier.tolerations] or None,
        "resourceName": None if tier.resource_name == DEFAULT_RESOURCE else tier.resource_name,
        "price": {"perGPUHour": tier.usd_per_gpu_hour},
        "usableFraction": tier.usable_fraction,
        "confidenceFloor": tier.confidence_floor,
        "escalateTo": tier.escalate_to,
    }
    return {"gpu": gpu} | {name: value for name, value in optional.items() if value is not None}


def _selector(tier: ProposedTier) -> dict[str, str] | None:
    """Left out where it is what the API assumes anyway."""
    if tier.node_selector == {NVIDIA_PRODUCT: tier.product}:
        return None
    return dict(tier.node_selector)


def as_yaml(tier: ProposedTier) -> str:
    """The GPUTier with comments on what it was made from."""
    plural = "" if tier.nodes == 1 else "s"
    lines = [f"# {tier.gpus} GPUs on {tier.nodes} node{plural}"]
    lines += [f"# {note}" for note in tier.notes]
    lines += [
        f"apiVersion: {API_VERSION}",
        "kind: GPUTier",
        "metadata:",
        f"  name: {_scalar(tier.name)}",
        "spec:",
    ]
    for name, value in _spec(tier).items():
        comment = _comment(tier, name)
        lines += _field(name, value, comment)
    return "\n".join(lines) + "\n"


def _comment(tier: ProposedTier, field: str) -> str:
    known = find_product(tier.product)
    if field == "price" and tier.price_source:
        return f"a list price ({tier.price_source}): write what you pay"
    if field == "gpu" and known is not None:
        return (
            f"the catalogue adds {known.bandwidth_gb_per_s:g} GB/s, {known.tdp_watts} W"
            if tier.memory_bytes
            else f"the catalogue adds {known.memory_mib}Mi, {known.bandwidth_gb_per_s:g} GB/s, "
            f"{known.tdp_watts} W"
        )
    if field == "confidenceFloor":
        return "the usual floor of this class of GPU; calibrate it by what escalates"
    return ""


def _field(name: str, value: Any, comment: str) -> list[str]:
    told = [f"  # {comment}"] if comment else []
    if isinstance(value, Mapping):
        return [*told, f"  {name}:", *(f"    {k}: {_scalar(v)}" for k, v in value.items())]
    if isinstance(value, list):
        return [*told, f"  {name}:", *(f"    - {_flow(each)}" for each in value)]
    return [*told, f"  {name}: {_scalar(value)}"]


def _flow(value: Mapping[str, Any]) -> str:
    inner = ", ".join(f"{key}: {_scalar(each)}" for key, each in value.items())
    return f"{{{inner}}}"


def _scalar(value: Any) -> str:
    """A value as YAML reads it back: text in quotes where it could be taken for something else.

    >>> _scalar("NVIDIA-L4"), _scalar("true"), _scalar(0.4), _scalar("1g.10gb")
    ('NVIDIA-L4', '"true"', '0.4', '"1g.10gb"')
    """
    if not isinstance(value, str):
        return json.dumps(value)
    plain = value[:1].isalpha() and all(c.isalnum() or c in "-._/" for c in value)
    words = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
    return value if plain and value.casefold() not in words else json.dumps(value)
