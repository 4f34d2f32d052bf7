"""The graph of a cluster's Specialists as fields with figures, for `tierwise plan graph --live`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tierwise_cli.errors import UsageError
from tierwise_cli.manifests import Manifests
from tierwise_cli.profiles import Figures, known_figures
from tierwise_cli.scene import specialists_of
from tierwise_core.field_figures import FieldFigures
from tierwise_core.specialist import Specialist
from tierwise_core.what_if_names import did_you_mean

__all__ = ["graphs_of"]


def graphs_of(
    manifests: Manifests, namespace: str, figures: Mapping[str, Figures]
) -> tuple[FieldFigures, ...]:
    """Every tree of Specialists in a namespace, sizes by their status, figures by name.

    Raises:
        UsageError: there is no Specialist, or a figure belongs to none.
    """
    found = [sp for sp in specialists_of(manifests) if sp.namespace == namespace and not sp.invalid]
    names = {sp.name for sp in found}
    if not found:
        raise UsageError(
            f"there is no Specialist in namespace {namespace!r}",
            fix="name another with --namespace",
        )
    for name in figures:
        if name not in names:
            raise UsageError(
                f"figures.{name}: there is no such Specialist in namespace {namespace!r}"
                f"{did_you_mean(name, names)}"
            )
    below: dict[str, list[Specialist]] = defaultdict(list)
    for specialist in sorted(found, key=lambda sp: sp.name):
        parent = specialist.parent if specialist.parent in names else None
        below[parent or ""].append(specialist)
    return tuple(_tree(root, below, figures, ()) for root in below[""])


def _tree(
    specialist: Specialist,
    below: Mapping[str, Sequence[Specialist]],
    figures: Mapping[str, Figures],
    above: tuple[str, ...],
) -> FieldFigures:
    """A Specialist and those that name it as parent; one that is its own ancestor ends there."""
    path = (*above, specialist.name)
    children = tuple(
        _tree(child, below, figures, path)
        for child in below.get(specialist.name, ())
        if child.name not in path
    )
    measured = FieldFigures(specialist.name, children=children, **_sizes(specialist))
    given = figures.get(specialist.name)
    return measured if given is None else replace(measured, **known_figures(given))


def _sizes(specialist: Specialist) -> dict[str, Any]:
    """What the status says of the model and of its replicas' memory."""
    told = specialist.status.get("model") or {}
    placed = specialist.status.get("placement") or {}
    memory, cut = placed.get("memory") or {}, placed.get("tensorParallel") or 1
    weights = memory.get("weightsBytes", 0)
    found = {
        "parameters": told.get("parameters"),
        "weights_bytes": weights * cut,
        "kv_cache_bytes": (memory.get("totalBytesPerGPU", weights) - weights) * cut,
    }
    return {name: value for name, value in found.items() if value}
