"""A route table as bytes, on its way from a pod's watcher to its dispatchers."""

from __future__ import annotations

import pickle

from tierwise_core.route_table import RouteTable

__all__ = ["pack", "unpack"]


def pack(table: RouteTable) -> bytes:
    """Turn a table into bytes.

    >>> from tierwise_core.route_table import Route
    >>> from tierwise_core.tenant import TenantRoute
    >>> sorter, team = Route("demo", "sorter", "sorting", "sorter"), TenantRoute("demo", "team-a")
    >>> table = RouteTable.of([sorter], tenants=[team])
    >>> unpack(pack(table)) == table
    True
    """
    parts = tuple(table.routes.values()), tuple(table.tiers.values())
    rest = table.policy, tuple(table.tenants.values())
    return pickle.dumps((*parts, *rest), protocol=pickle.HIGHEST_PROTOCOL)


def unpack(data: bytes) -> RouteTable:
    """Turn the bytes back into the table; only bytes that this pod's own watcher made."""
    # From our own process, over Ray with a token.
    routes, tiers, policy, tenants = pickle.loads(data)  # noqa: S301
    return RouteTable.of(routes, tiers, policy, tenants)
