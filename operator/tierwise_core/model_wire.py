"""A model in the wire form of ``spec.model`` and back, for statuses that have to keep one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tierwise_core.model_metadata import AdapterLimits, SizeOverrides
from tierwise_core.quantities import parse_quantity
from tierwise_core.specialist import Adapter, ModelSpec

__all__ = ["read_model", "wire_model"]

_SIZES: Final = {
    "weights": "weights_bytes",
    "parameters": "parameters",
    "kvBytesPerToken": "kv_bytes_per_token",
    "activation": "activation_bytes",
    "overhead": "overhead_bytes",
}


def wire_model(model: ModelSpec) -> dict[str, Any]:
    """Give a model in the words of ``spec.model``; what is not set is left out.

    >>> wire_model(ModelSpec("hf://acme/sorter", "v2", max_model_len_tokens=256))
    {'source': 'hf://acme/sorter', 'revision': 'v2', 'maxModelLen': 256}
    """
    limits, size = model.adapter_limits, model.size
    found = {
        "source": model.source,
        "revision": model.revision,
        "secretRef": {"name": model.secret_name} if model.secret_name else None,
        "quantization": model.quantization,
        "kvCacheDtype": model.kv_cache_dtype,
        "maxModelLen": model.max_model_len_tokens,
        "adapters": [{"name": one.name, "source": one.source} for one in model.adapters],
        "adapterLimits": {"maxRank": limits.max_rank, "maxLoaded": limits.max_loaded}
        if limits
        else None,
        "size": _told({wire: getattr(size, name) for wire, name in _SIZES.items()}),
    }
    return _told(found)


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value not in (None, {}, [])}


def read_model(row: Mapping[str, Any]) -> ModelSpec:
    """Read a model back.

    Raises:
        KeyError, TypeError, ValueError: it is no model, since somebody edited it.

    >>> read_model({"source": "file:///m", "size": {"weights": "1Ki"}}).size.weights_bytes
    1024
    """
    limits, size = row.get("adapterLimits"), row.get("size") or {}
    return ModelSpec(
        source=row["source"],
        revision=row.get("revision"),
        quantization=row.get("quantization"),
        kv_cache_dtype=row.get("kvCacheDtype"),
        max_model_len_tokens=row.get("maxModelLen"),
        adapters=tuple(Adapter(one["name"], one["source"]) for one in row.get("adapters") or ()),
        adapter_limits=_limits(limits) if limits else None,
        size=SizeOverrides(
            **{name: parse_quantity(size[wire]) for wire, name in _SIZES.items() if wire in size}
        ),
        secret_name=(row.get("secretRef") or {}).get("name", ""),
    )


def _limits(row: Mapping[str, Any]) -> AdapterLimits:
    usual = AdapterLimits()
    return AdapterLimits(row.get("maxRank", usual.max_rank), row.get("maxLoaded", usual.max_loaded))
