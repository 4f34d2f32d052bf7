"""What the two sides come to: the writes, the status, and what the rollout is told of green."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tierwise_core.adapter_status import adapters_verdict
from tierwise_core.adapters import Sight
from tierwise_core.children import MANAGED_BY, SPECIALIST, Child, owner, service
from tierwise_core.conditions import FALSE, TRUE, Verdict, clip
from tierwise_core.engines import Engines
from tierwise_core.fleet import Pod
from tierwise_core.healing import applied, removal
from tierwise_core.model_wire import wire_model
from tierwise_core.plan import Action, Apply, Delete
from tierwise_core.revision import label_value
from tierwise_core.rollout.green_state import GreenState
from tierwise_core.rollout.order import MODEL_CHANGED, TRIGGER, TRIGGER_MESSAGE
from tierwise_core.rollout.stages import LIVE, Stage
from tierwise_core.side_view import SideView, Views
from tierwise_core.sides import GREEN, Sides
from tierwise_core.snapshot import Snapshot
from tierwise_core.specialist import ReadingFailed
from tierwise_core.specialist_status import endpoint_rows
from tierwise_core.stable import Stable, engine_digest, first
from tierwise_core.staging import marks, workload_actions

__all__ = ["green_state", "lacking_adapters", "rollout_verdicts", "side_actions", "sides_status"]

REJECTED: Final = "RolloutRejected"
MESSAGE_LIMIT: Final = 4096
TRANSIENT: Final = frozenset({"SourceUnreadable", "CacheFetching", "PodsStarting", "NotAdmitted"})
"""Troubles that may pass by themselves."""
TRIES: Final = 2
"""How often an engine may stop before it is said to be broken."""


def side_actions(snapshot: Snapshot, seen: Views) -> tuple[Action, ...]:
    """Return the writes: first what sends requests to the right pods, last what goes."""
    sides, blue, green = snapshot.sides, seen.blue, seen.green
    opened = _opened(sides)
    leaving = tuple(removal(child, why) for child, why in seen.leftovers)
    one = blue.snapshot
    own = workload_actions(one.specialist, blue.staged, blue.rollover, one.deployments)
    work = (*own, *_greens(sides, green), *leaving)
    marked = marks(snapshot.pods, snapshot.departing) if blue.staged else ()
    front = _front(sides, blue, green, snapshot.service)
    # One that turns to other pods does so before those that it turns from leave.
    served = (*front, *work) if snapshot.service is not None else (*work, *front)
    return (*marked, *served, *opened, *_forgotten(sides))


def _greens(sides: Sides | None, green: SideView | None) -> tuple[Action, ...]:
    if sides is None or sides.still or green is None or not green.staged:
        return ()
    one = green.snapshot
    return workload_actions(one.specialist, green.staged, green.rollover, one.deployments)


def _front(
    sides: Sides | None, blue: SideView, green: SideView | None, live: Child | None
) -> tuple[Action, ...]:
    """Keep the Service to the side that serves, so that whoever uses it never meets a candidate."""
    turns = sides is not None and sides.promoted and green is not None and green.state.endpoints
    chosen = green if green is not None and turns else blue
    if not chosen.staged and not chosen.state.endpoints:
        return ()
    apply = applied(service(blue.snapshot.specialist, chosen.edition), live)
    return (apply,) if apply else ()


def _forgotten(sides: Sides | None) -> tuple[Action, ...]:
    """Delete the Rollouts that spec.rolloutHistoryLimit does not keep."""
    if sides is None:
        return ()
    why = f"spec.rolloutHistoryLimit keeps {sides.spec.rollouts_kept}"
    return tuple(Delete("Rollout", one.namespace, one.name, one.uid, why) for one in sides.surplus)


def _opened(sides: Sides | None) -> tuple[Action, ...]:
    """Create the Rollout that a changed ``spec.model`` asks for."""
    if sides is None or not sides.opens:
        return ()
    spec, model = sides.spec, sides.spec.model
    if model is None:
        return ()
    why = f"spec.model of generation {spec.generation} is not the model that serves"
    body = {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {
            "name": sides.opens,
            "namespace": spec.namespace,
            "labels": {MANAGED_BY: "tierwise", SPECIALIST: label_value(spec.name)},
            "annotations": {TRIGGER: MODEL_CHANGED, TRIGGER_MESSAGE: why},
            "ownerReferences": [owner(spec)],
        },
        "spec": {
            "specialistRef": {"name": spec.name},
            "candidate": {"model": wire_model(model)},
            **({"strategy": dict(spec.rollout)} if spec.rollout else {}),
        },
    }
    return (Apply("Rollout", spec.namespace, sides.opens, body, exists=False, reason=why),)


def sides_status(
    sides: Sides | None, seen: Views, endpoints: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what the status says of the sides: the stable model, the Rollout, green's pods."""
    if sides is None or sides.spec.model is None:
        return {}
    found: dict[str, Any] = {}
    stable = sides.stable or _begun(sides, seen.blue)
    if stable is not None:
        if seen.blue.staged and seen.blue.state.endpoints and not seen.blue.state.outdated:
            stable = replace(stable, engine=engine_digest(sides.spec.engine))
        found["stable"] = stable.wire()
    if sides.order is not None and sides.stable is not None:
        stage, percent = sides.order.stage.value, sides.order.percent
        found["rollout"] = {"name": sides.order.name, "stage": stage, "greenPercent": percent}
    if seen.green is not None:
        rows = [{**row, "side": GREEN} for row in endpoint_rows(seen.green.state)]
        found["endpoints"] = [*endpoints, *rows]
        if sides.promoted and seen.green.state.active:
            found["activeRevision"] = seen.green.state.active
    return {name: value for name, value in found.items() if value}


def _begun(sides: Sides, blue: SideView) -> Stable | None:
    """Return the first stable model: the spec's, once pods of it serve and no older ones do."""
    state, model = blue.state, sides.spec.model
    if model is None or not state.endpoints or state.outdated or not blue.staged:
        return None
    return first(model)


def rollout_verdicts(sides: Sides | None) -> tuple[Verdict, ...]:
    """Return ``RolloutRejected``, for as long as the spec asks for what was rejected.

    It is False while a candidate waits for something to be compared with.
    """
    if sides is None or sides.stable is None:
        return ()
    if sides.waits:
        message = (
            "spec.model is not the model that serves, and no replica of that is ready to compare "
            "it with: its rollout begins with the next one"
        )
        return (Verdict(REJECTED, FALSE, "WaitsForBlue", message),)
    lost = sides.stable.rejected
    if lost is None:
        return ()
    message = (
        f"revision {lost.revision} was not promoted by Rollout {lost.rollout}: {lost.message}; "
        "what served before serves on, and spec.model is left as it is: change it to try again"
    )
    return (Verdict(REJECTED, TRUE, lost.reason, clip(message, MESSAGE_LIMIT)),)


def lacking_adapters(rows: Sequence[Mapping[str, Any]], seen: Views) -> list[dict[str, Any]]:
    """Add green's pods to those that an adapter is absent from, where they lack it."""
    if seen.green is None:
        return [dict(row) for row in rows]
    prefix, sights = seen.blue.snapshot.specialist.name, seen.green.snapshot.adapters.sights
    told = []
    for row in rows:
        lacking = [
            pod.name
            for pod in seen.green.state.endpoints
            if f"{prefix}:{row['name']}" not in (sights.get(pod.name, Sight()).loaded or {})
        ]
        absent = [*row.get("absentFrom", ()), *(lacking if row.get("loadedPods") else ())]
        told.append({**row, **({"absentFrom": absent} if absent else {})})
    return told


def green_state(snapshot: Snapshot, seen: Views) -> GreenState:
    """Return what a rollout is told of both sides."""
    sides, blue, green = snapshot.sides, seen.blue, seen.green
    no_room = snapshot.green.no_room if snapshot.green is not None else ""
    if sides is None or sides.order is None:
        return GreenState()
    if sides.stable is None:
        no_room = "blue has not served yet: there is nothing to compare the candidate with"
    common = {
        "superseded": sides.superseded,
        "blue_revisions": blue.revisions,
        "blue_urls": _urls(blue.state.endpoints),
        "blue_stays": bool(blue.state.endpoints),
    }
    if green is None:
        return GreenState(refused=sides.refused, no_room=no_room, **common)  # type: ignore[arg-type]
    return GreenState(
        ready=_is_ready(sides, green),
        fault=_fault(green),
        no_room="" if green.snapshot.deployments else (no_room or _asleep(green)),
        refused=green.refused or _unplaceable(green),
        green_revisions=green.revisions,
        green_urls=_urls(green.state.endpoints),
        carries_percent=_carries(blue.fleet.wanted, len(green.state.endpoints)),
        **common,  # type: ignore[arg-type]
    )


def _urls(pods: Sequence[Pod]) -> tuple[str, ...]:
    rows = endpoint_rows(Engines("", 0, "", (), (), tuple(pods), None))
    return tuple(str(row["url"]) for row in rows)


def _is_ready(sides: Sides, green: SideView) -> bool:
    """Say whether green serves as many as its share takes; asleep beside blue it lacks nothing."""
    order = sides.order
    if order is not None and green.fleet.wanted == 0:
        return order.stage in LIVE or order.stage is Stage.PROMOTED
    serving = len(green.state.endpoints)
    if order is None or not serving or green.state.outdated or _adapter_trouble(green):
        return False
    share = -(-green.needed * order.percent // 100)
    return serving >= (min(green.needed, max(1, share)) if order.percent else green.needed)


def _asleep(green: SideView) -> str:
    if green.fleet.wanted:
        return ""
    return (
        "the Specialist has 0 replicas, so nothing can be compared: the candidate starts with the "
        "next replica of what serves"
    )


def _fault(green: SideView) -> str:
    """Return why green will not serve by itself; what may pass is given time."""
    found, state = green.state.worst, green.state
    failures = [d.failure for d in green.snapshot.deployments if d.failure]
    if failures:
        return f"its Deployment cannot create pods: {failures[0]}"
    adapters = _adapter_trouble(green)
    if adapters and adapters.status == FALSE and adapters.reason not in {"Loading", *TRANSIENT}:
        return adapters.message
    if found is None or found.reason in TRANSIENT or state.endpoints:
        return ""
    if found.reason == "Unschedulable":
        return ""
    if found.reason == "CrashLoop" and max(p.restarts for p in state.pods) < TRIES:
        return ""
    return found.message


def _adapter_trouble(green: SideView) -> Verdict | None:
    found = adapters_verdict(green.snapshot.adapters, green.state.endpoints)
    return None if found is None or found.status == TRUE else found


def _unplaceable(green: SideView) -> str:
    """Return why the candidate fits nowhere, or cannot be read for good."""
    reading, placed = green.snapshot.reading, green.fleet.placed
    if isinstance(reading, ReadingFailed) and reading.reason not in TRANSIENT:
        return f"{reading.reason}: {reading.message}"
    sized = green.fleet.sizing.verdict
    if green.fleet.assignment is not None or green.snapshot.fleet is None:
        return ""
    for verdict in (sized, placed):
        if verdict.status == FALSE and verdict.reason not in {*TRANSIENT, "NoCapacity"}:
            return f"{verdict.reason}: {verdict.message}"
    return ""


def _carries(replicas: int, serving: int) -> int:
    """Return the largest share that so many pods can carry, of as many as blue should have.

    >>> _carries(10, 3), _carries(1, 1), _carries(0, 0)
    (30, 100, 100)
    """
    return min(100, 100 * serving // replicas) if replicas else 100
