"""``GET /v1/models``: what a client may put into ``model``."""

from __future__ import annotations

from typing import Any

from tierwise_core.policy_patterns import Pattern
from tierwise_core.route_table import AUTO_MODEL, Route, RouteTable
from tierwise_core.tenant import ANYBODY, Admitted
from tierwise_router.decision import tier_of
from tierwise_router.permission import check_permission

__all__ = ["list_models", "one_model"]

OWNER = "tierwise"


def list_models(table: RouteTable, admitted: Admitted = ANYBODY) -> dict[str, Any]:
    """List ``auto``, the patterns, and every Specialist, by its short name where that is unique.

    Adapters come behind their Specialist, with its name as their ``parent``. A tenant sees what it
    may ask.

    >>> table = RouteTable.of([Route("demo", "sorter", "sorting", "sorter")])
    >>> [model["id"] for model in list_models(table)["data"]]
    ['auto', 'sorter']
    """
    names = (
        (route.name if len(table.by_name[route.name]) == 1 else route.key, route)
        for route in table.routes.values()
        if admitted.may_ask(route.key)
    )
    data = [
        entry
        for name, route in sorted(names, key=lambda pair: pair[0])
        for entry in (_entry(name, route), *_adapters(name, route))
    ]
    patterns = map(_pattern, table.policy.patterns.named)
    return {"object": "list", "data": [_auto(), *patterns, *data]}


def one_model(table: RouteTable, name: str, admitted: Admitted = ANYBODY) -> dict[str, Any]:
    """Describe one model; raises RequestError for one that the tenant may not ask, or is none."""
    if name == AUTO_MODEL:
        return _auto()
    if (pattern := table.policy.patterns.find(name)) is not None:
        return _pattern(pattern)
    route = table.resolve(name)
    check_permission(admitted, route.key)
    return _entry(name, route)


def _adapters(base: str, route: Route) -> list[dict[str, Any]]:
    """Describe a Specialist's adapters, behind itself."""
    return [
        _entry(f"{base}:{adapter.name}", route.with_adapter(adapter)) for adapter in route.adapters
    ]


def _auto() -> dict[str, Any]:
    return {"id": AUTO_MODEL, "object": "model", "created": 0, "owned_by": OWNER}


def _pattern(pattern: Pattern) -> dict[str, Any]:
    about = {"pattern": type(pattern.run).__name__}
    entry = {"id": pattern.name, "object": "model", "created": 0, "owned_by": OWNER}
    return {**entry, "tierwise": about}


def _entry(name: str, route: Route) -> dict[str, Any]:
    parent = {"parent": name.rpartition(":")[0]} if route.adapter else {}
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": route.namespace,
        **parent,
        "tierwise": {
            "specialist": route.key,
            "field": route.field,
            "tier": tier_of(route),
            "ready": route.ready,
            "endpoints": len(route.endpoints),
        },
    }
