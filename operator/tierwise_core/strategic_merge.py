"""Kubernetes' strategic merge patch for pod templates, as a pure function.

``engine.podTemplate`` is such a patch: maps merge, lists of things with a name merge by that name,
every other list is replaced. The rules are those of the API types' tags ``patchStrategy`` and
``patchMergeKey`` (``kubectl patch --local --type strategic`` is the oracle of the tests).

Directives: ``$patch: delete | replace | merge``, ``$retainKeys``,
``$deleteFromPrimitiveList/FIELD`` and ``$setElementOrder/FIELD`` (accepted; the order of these
lists carries no meaning).
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from tierwise_core.errors import TierwiseError

# The lists of a pod template that merge, by the key that names their elements.
MERGE_KEYS: Mapping[str, str] = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "volumes": "name",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "schedulingGates": "name",
    "resourceClaims": "name",
    "ownerReferences": "uid",
}
PRIMITIVE_MERGES = frozenset({"finalizers"})

PATCH = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM = "$deleteFromPrimitiveList/"
SET_ORDER = "$setElementOrder/"


class PodTemplateError(TierwiseError):
    """``engine.podTemplate`` is not a strategic merge patch; the message says where and why."""

    reason = "InvalidSpec"


def strategic_merge(original: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``original`` with ``patch`` applied; neither is changed.

    >>> pod = {"spec": {"containers": [{"name": "engine", "image": "a"}], "tolerations": [1, 2]}}
    >>> strategic_merge(pod, {"spec": {"containers": [{"name": "engine", "image": "b"}]}})
    {'spec': {'containers': [{'name': 'engine', 'image': 'b'}], 'tolerations': [1, 2]}}
    >>> strategic_merge(pod, {"spec": {"tolerations": None}})
    {'spec': {'containers': [{'name': 'engine', 'image': 'a'}]}}
    """
    return _merge_maps(original, patch, "engine.podTemplate")


def _merge_maps(original: Mapping[str, Any], patch: Mapping[str, Any], path: str) -> dict[str, Any]:
    directive = patch.get(PATCH)
    if directive == "replace":
        return _plain_map(patch)
    if directive == "delete":
        return {}
    if directive not in {None, "merge"}:
        raise PodTemplateError(f"{path}.{PATCH}: {directive!r} is none of delete, replace, merge")
    merged = _retained(original, patch, path)
    for field, value in patch.items():
        _merge_field(merged, field, value, path)
    return merged


def _retained(original: Mapping[str, Any], patch: Mapping[str, Any], path: str) -> dict[str, Any]:
    keep = patch.get(RETAIN_KEYS)
    if keep is None:
        return {field: copy.deepcopy(value) for field, value in original.items()}
    if missing := [field for field in patch if not field.startswith("$") and field not in keep]:
        raise PodTemplateError(f"{path}.{RETAIN_KEYS}: must list every field beside it: {missing}")
    return {field: copy.deepcopy(value) for field, value in original.items() if field in keep}


def _merge_field(merged: dict[str, Any], field: str, value: Any, path: str) -> None:
    if field in {PATCH, RETAIN_KEYS} or field.startswith(SET_ORDER):
        return
    if field.startswith(DELETE_FROM):
        target = field.removeprefix(DELETE_FROM)
        merged[target] = [item for item in merged.get(target, ()) if item not in value]
    elif field.startswith("$"):
        raise PodTemplateError(f"{path}.{field}: is not a directive of a strategic merge patch")
    elif value is None:
        merged.pop(field, None)
    else:
        _put(merged, field, _merge_value(merged.get(field), field, value, f"{path}.{field}"))


def _put(merged: dict[str, Any], field: str, value: Any) -> None:
    if isinstance(value, _Gone):
        merged.pop(field, None)
    else:
        merged[field] = value


class _Gone:
    """What a map deleted by ``$patch: delete`` leaves behind: no key at all."""


def _merge_value(current: Any, field: str, value: Any, path: str) -> Any:
    if isinstance(value, Mapping):
        if value.get(PATCH) == "delete":
            return _Gone()
        return _merge_maps(current if isinstance(current, Mapping) else {}, value, path)
    if not isinstance(value, list):
        return value
    existing = current if isinstance(current, list) else []
    if field in MERGE_KEYS:
        return _merge_lists(existing, value, MERGE_KEYS[field], path)
    if field in PRIMITIVE_MERGES:
        return [*existing, *(item for item in value if item not in existing)]
    return [_plain(item) for item in value]


def _merge_lists(current: Sequence[Any], patch: Sequence[Any], key: str, path: str) -> list[Any]:
    for index, item in enumerate(patch):
        if not isinstance(item, Mapping):
            raise PodTemplateError(f"{path}[{index}]: must be a map with {key!r}, not {item!r}")
    if any(item.get(PATCH) == "replace" and key not in item for item in patch):
        return [_plain_map(item) for item in patch if item.get(PATCH) != "replace" or key in item]
    merged = [copy.deepcopy(item) for item in current]
    for index, item in enumerate(patch):
        _merge_item(merged, item, key, f"{path}[{index}]")
    return merged


def _merge_item(merged: list[Any], item: Mapping[str, Any], key: str, path: str) -> None:
    if key not in item:
        raise PodTemplateError(f"{path}.{key}: is missing; it says which element to merge with")
    at = next((i for i, old in enumerate(merged) if old.get(key) == item[key]), None)
    if item.get(PATCH) == "delete":
        if at is not None:
            del merged[at]
    elif at is None:
        merged.append(_merge_maps({}, item, path))
    else:
        merged[at] = _merge_maps(merged[at], item, path)


def _plain_map(value: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _plain(v) for k, v in value.items() if not k.startswith("$") and v is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _plain_map(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value
