"""``status.placement.lastMove``: where replicas went, and why; told once, by an Event as well."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tierwise_core.conditions import clip
from tierwise_core.placement import Move
from tierwise_core.plan import Announce
from tierwise_core.snapshot import Snapshot
from tierwise_core.specialist import Specialist

__all__ = ["last_move", "moved"]

REASON_LIMIT = 2048
_FIGURES = re.compile(r"[0-9.]+")


def last_move(
    specialist: Specialist, moves: Sequence[Move], snapshot: Snapshot, now: datetime
) -> dict[str, Any]:
    """Return the move to publish: the one that goes on now, else the one published last."""
    before = (specialist.status.get("placement") or {}).get("lastMove") or {}
    found = _from_plan(moves) or _off_nodes(snapshot)
    if not found or _same(found, before):
        return dict(before)
    moment = now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {**found, "time": moment}


def _from_plan(moves: Sequence[Move]) -> dict[str, Any]:
    if not moves:
        return {}
    most = max(moves, key=lambda move: move.replicas)
    found = {"from": most.from_tier, "replicas": most.replicas, "reason": _clipped(most.reason)}
    return {**found, "to": most.to_tier} if most.to_tier else found


def _off_nodes(snapshot: Snapshot) -> dict[str, Any]:
    """Return the move of pods to other nodes of their tiers."""
    leaving = [
        pod
        for pod in snapshot.pods
        if pod.key in snapshot.departing and not pod.terminating and pod.tier
    ]
    if not leaving or snapshot.fleet is None or snapshot.fleet.assignment is None:
        return {}
    tier = min(pod.tier for pod in leaving)
    reasons = sorted({snapshot.departing[pod.key] for pod in leaving})
    found = {"from": tier, "replicas": len(leaving), "reason": _clipped("; ".join(reasons))}
    goes = [share.tier for share in snapshot.fleet.assignment.shares]
    return {**found, "to": tier if tier in goes else goes[0]}


def _clipped(text: str) -> str:
    return clip(text, REASON_LIMIT)


def _same(found: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Say whether a move was told already; figures in the reason may have changed meanwhile."""
    if any(found.get(name) != before.get(name) for name in ("from", "to", "replicas")):
        return False
    return _words(found) == _words(before)


def _words(move: Mapping[str, Any]) -> str:
    return _FIGURES.sub("#", str(move.get("reason", "")))


def moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[Announce]:
    """Return the Event of a move that was not published before.

    >>> move = {"from": "h100", "to": "a40", "replicas": 1, "reason": "saves 2.20 USD/hour"}
    >>> moved({}, {"placement": {"lastMove": move}})[0].message
    '1 replica goes from h100 to a40: saves 2.20 USD/hour'
    """
    old, new = ((s.get("placement") or {}).get("lastMove") or {} for s in (before, after))
    if not new or old == new:
        return ()
    count = new["replicas"]
    goes = "1 replica goes" if count == 1 else f"{count} replicas go"
    if new.get("to") is None:
        where = f"from {new['from']} to nowhere"
    elif new["to"] == new["from"]:
        where = f"to other nodes of {new['to']}"
    else:
        where = f"from {new['from']} to {new['to']}"
    return (Announce("Normal", "Moving", f"{goes} {where}: {new['reason']}"),)
