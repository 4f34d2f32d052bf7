"""The shares of a rollout's two sides, as the Rollout's status has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tierwise_api import Rollout, Specialist
from tierwise_core.route_split import GREEN, Split
from tierwise_core.route_table import RouteTable
from tierwise_router.problem import Problem
from tierwise_router.resources import full_key

__all__ = ["share_rows", "split_of", "unknown_rollouts"]


def split_of(item: Specialist, rollouts: Mapping[str, Rollout]) -> Split | None:
    """Read how a Specialist's requests are divided; None while no rollout concerns it.

    The Rollout that its status names is obeyed in whatever stage it is. One that is not there
    leaves everything to blue, as long as blue has an endpoint.
    """
    named = item.status.rollout
    if named is None:
        marked = any(one.side == GREEN for one in item.status.endpoints)
        return Split("") if marked else None
    found = rollouts.get(full_key(item, named.name))
    if found is None:
        return Split(named.name)
    weights, shadow = found.status.weights, found.status.shadow_percent
    return Split(named.name, weights.green if weights is not None else 0, shadow or 0)


def unknown_rollouts(
    specialists: Mapping[str, Specialist], rollouts: Mapping[str, Rollout]
) -> Iterator[Problem]:
    """Find Rollouts that are named and not there: their candidates get no requests."""
    remedy = "no Rollout of that name is known, so its candidate gets no requests; create it"
    for key, item in specialists.items():
        named = item.status.rollout
        if named is not None and full_key(item, named.name) not in rollouts:
            yield Problem(f"Specialist {key}", "status.rollout.name", repr(named.name), remedy)


def share_rows(table: RouteTable) -> list[dict[str, Any]]:
    """List the shares that a table applies, by Specialist.

    >>> from tierwise_core.route_table import Route
    >>> sorter = Route("demo", "sorter", "sorting", "sorter", split=Split("sorter-v2", 5))
    >>> share_rows(RouteTable.of([sorter]))
    [{'specialist': 'demo/sorter', 'rollout': 'sorter-v2', 'greenPercent': 5, 'shadowPercent': 0}]
    """
    return [
        {
            "specialist": key,
            "rollout": route.split.rollout,
            "greenPercent": route.split.green_percent,
            "shadowPercent": route.split.shadow_percent,
        }
        for key, route in table.routes.items()
        if route.split is not None
    ]
