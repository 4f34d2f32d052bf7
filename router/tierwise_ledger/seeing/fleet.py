"""The fleet as tiers, nodes and GPUs, with who sits where."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, func, select

from tierwise_ledger.money.looks import last_look
from tierwise_ledger.tables.base import NANO
from tierwise_ledger.tables.calls import CALLS
from tierwise_ledger.tables.prices import PRICES

__all__ = ["newest"]

RECENT_CALLS: Final = 20_000
MS: Final = 1000
NOWHERE: Final = "(node not told)"


def newest(connection: Connection) -> dict[str, Any]:
    """Give the tiers as they were last seen; without a look, those whose pods answered lately."""
    found = last_look(connection)
    if found is None:
        return _at_work(connection)
    look, seats = found
    if not seats:
        seats = [
            {"tier": unit.tier, "node": NOWHERE, "holder": unit.holder, "gpus": part.gpus}
            for unit, part in look.held.items()
        ]
    return {"source": "look", "at": look.at_ms / MS, "tiers": _tiers(connection, seats)}


def _tiers(connection: Connection, seats: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Sort seats into tiers and nodes; who holds nothing is free."""
    revisions, prices = _revisions(connection), _prices(connection)
    tiers: dict[str, dict[str, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for seat in seats:
        tiers[seat["tier"]][seat["node"]].append(seat)
    return [
        {
            "name": name,
            "usdPerHour": prices.get(name),
            "nodes": [_node(node, found, revisions) for node, found in sorted(nodes.items())],
        }
        for name, nodes in sorted(tiers.items())
    ]


def _node(
    name: str, seats: Iterable[Mapping[str, Any]], revisions: Mapping[str, str]
) -> dict[str, Any]:
    holders = [
        {
            "specialist": seat["holder"],
            "pod": seat.get("pod", ""),
            "revision": revisions.get(seat.get("pod", ""), ""),
            "gpus": seat["gpus"],
        }
        for seat in seats
        if seat["holder"]
    ]
    return {"name": name, "gpus": sum(seat["gpus"] for seat in seats), "holders": holders}


def _revisions(connection: Connection) -> dict[str, str]:
    """Say which revision a pod serves, as its newest calls tell."""
    recent = _recent()
    query = select(recent.pod, func.max(recent.revision)).where(recent.pod != "")
    return dict(connection.execute(query.group_by(recent.pod)).tuples().all())


def _prices(connection: Connection) -> dict[str, float]:
    query = select(PRICES.c.tier, PRICES.c.gpu_hour_nano_usd).where(PRICES.c.market == "on-demand")
    return {
        tier: nano_usd / NANO
        for tier, nano_usd in connection.execute(query.order_by(PRICES.c.at_ms))
    }


def _recent() -> Any:
    names = ("tier", "specialist", "revision", "pod", "at")
    query = select(*(CALLS.c[name] for name in names))
    return query.order_by(CALLS.c.at.desc()).limit(RECENT_CALLS).subquery().c


def _at_work(connection: Connection) -> dict[str, Any]:
    """Tell who worked where, from the newest calls: pods then stand where nodes would."""
    recent = _recent()
    names = (recent.tier, recent.specialist, recent.revision, recent.pod)
    query = select(*names, func.count().label("calls"), func.max(recent.at).label("at")).group_by(
        *names
    )
    tiers: dict[str, list[dict[str, Any]]] = defaultdict(list)
    at = 0.0
    for row in connection.execute(query.order_by(recent.specialist, recent.pod)):
        at = max(at, row.at)
        one = {"specialist": row.specialist, "revision": row.revision, "pod": row.pod}
        tiers[row.tier or "(elsewhere)"].append({**one, "calls": row.calls, "at": row.at})
    told = [{"name": name, "pods": found} for name, found in sorted(tiers.items())]
    return {"source": "calls", "at": at or None, "tiers": told}
