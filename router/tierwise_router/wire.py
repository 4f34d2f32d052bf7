"""A route table as bytes, on its way from a pod's watcher to its dispatchers."""

from __future__ import annotations

import pickle

from tierwise_core.route_table import RouteTable

__all__ = ["pack", "unpack"]


def pack(table: RouteTable) -> bytes:
    """Turn a table into bytes.

    >>> from tierwise_core.route_table import Route
    >>> table = RouteTable.of([Route("demo", "sorter", "sorting", "sorter")])
    >>> unpack(pack(table)) == table
    True
    """
    routes, tiers = tuple(table.routes.values()), tuple(table.tiers.values())
    return pickle.dumps((routes, tiers), protocol=pickle.HIGHEST_PROTOCOL)


def unpack(data: bytes) -> RouteTable:
    """Turn the bytes back into the table; only bytes that this pod's own watcher made."""
    routes, tiers = pickle.loads(data)  # noqa: S301 - from our own process, over Ray with a token
    return RouteTable.of(routes, tiers)
