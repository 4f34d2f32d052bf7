"""Good objects of every kind, and small changes to them by path."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from tierwise_api import API_VERSION, KINDS, Resource

GONE = object()
"""A change to this value removes the field."""

MODELS: dict[str, type[Resource]] = {kind.__name__: kind for kind in KINDS}

_GOOD: dict[str, dict[str, Any]] = {
    "GPUTier": {
        "metadata": {"name": "rtx-4090"},
        "spec": {
            "gpu": {"product": "NVIDIA-GeForce-RTX-4090", "memory": "24Gi"},
            "price": {"perGPUHour": 0.4},
        },
    },
    "Specialist": {
        "metadata": {"name": "sorter", "namespace": "default"},
        "spec": {"field": "sorting", "model": {"source": "file:///models/sorter"}},
    },
    "Rollout": {
        "metadata": {"name": "sorter-v2", "namespace": "default"},
        "spec": {
            "specialistRef": {"name": "sorter"},
            "candidate": {"model": {"source": "file:///models/sorter-v2"}},
        },
    },
    "FieldProfile": {
        "metadata": {"name": "sorting"},
        "spec": {"weights": {"efficacy": 0.6, "confidence": 0.3, "curiosity": 0.1}},
    },
    "RouterPolicy": {"metadata": {"name": "default"}, "spec": {}},
    "Tenant": {
        "metadata": {"name": "team-a", "namespace": "default"},
        "spec": {"keys": [{"name": "ci", "sha256": "ab" * 32}]},
    },
}

EXTERNAL = {"baseURL": "https://api.example.com/v1", "model": "frontier-1"}


def manifest(kind: str, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A good object of the kind with the fields at some dotted paths replaced."""
    body = {"apiVersion": API_VERSION, "kind": kind} | copy.deepcopy(_GOOD[kind])
    for path, value in (changes or {}).items():
        _replace(body, path.split("."), value)
    return body


def _replace(body: dict[str, Any], path: list[str], value: Any) -> None:
    *parents, last = path
    for parent in parents:
        body = body.setdefault(parent, {})
    if value is GONE:
        del body[last]
    else:
        body[last] = value
