"""Pods turned into observations: who holds which GPUs, and why an engine does not serve."""

from collections.abc import Iterable, Mapping
from typing import Any

from tierwise_core.children import (
    DELETION_COST,
    EDITION,
    REVISION,
    SPECIALIST,
    TIER,
    WORKER,
)
from tierwise_core.engine import CONTAINER
from tierwise_core.fetch_container import FETCHER
from tierwise_core.fleet import Exit, Pod
from tierwise_operator.distill import extended

Json = Mapping[str, Any]

# Waiting for these is the ordinary way to start and needs no word.
ORDINARY = frozenset({"ContainerCreating", "PodInitializing"})


def pod(body: Json) -> Pod | None:
    """Return a pod that is ours or holds GPUs; None for every other pod of the cluster."""
    metadata, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    gpus, ready = requested_gpus(spec), _condition(status, "Ready")
    if not gpus and SPECIALIST not in labels:
        return None
    return Pod(
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        node=spec.get("nodeName", ""),
        gpus=gpus,
        specialist=labels.get(SPECIALIST) or labels.get(WORKER, ""),
        worker=WORKER in labels,
        revision=labels.get(REVISION, ""),
        edition=labels.get(EDITION, ""),
        tier=labels.get(TIER, ""),
        ip=status.get("podIP", ""),
        ready=ready.get("status") == "True",
        ready_since=str(ready.get("lastTransitionTime", "")),
        terminating="deletionTimestamp" in metadata,
        finished=status.get("phase") in {"Succeeded", "Failed"},
        unschedulable=_unschedulable(status),
        gates=tuple(gate["name"] for gate in spec.get("schedulingGates") or ()),
        deletion_cost=_deletion_cost(annotations),
        **_engine(spec, status),
    )


def requested_gpus(spec: Json) -> dict[str, int]:
    """Return the extended resources a pod holds: its containers', or its init containers' if more.

    >>> gpu = {"resources": {"requests": {"nvidia.com/gpu": "1"}}}
    >>> requested_gpus({"containers": [gpu, gpu], "initContainers": [gpu]})
    {'nvidia.com/gpu': 2}
    """
    starting = spec.get("initContainers") or ()
    sidecars = [c for c in starting if c.get("restartPolicy") == "Always"]
    running = _sum(_requests(c) for c in (*(spec.get("containers") or ()), *sidecars))
    for container in starting:
        for name, count in _requests(container).items():
            running[name] = max(running.get(name, 0), count)
    return running


def _requests(container: Json) -> dict[str, int]:
    resources = container.get("resources") or {}
    return extended({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for name, count in each.items():
            total[name] = total.get(name, 0) + count
    return total


def _condition(status: Json, kind: str) -> Json:
    """Return a condition of a pod, empty while it has none of that type."""
    conditions = status.get("conditions") or ()
    return next((found for found in conditions if found.get("type") == kind), {})


def _unschedulable(status: Json) -> str:
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("reason") != "Unschedulable":
        return ""
    return str(scheduled.get("message") or "Unschedulable")


def _deletion_cost(annotations: Json) -> int:
    """Return the cost that the pod's annotation gives; Kubernetes ignores what is no number."""
    try:
        return int(annotations.get(DELETION_COST, 0))
    except ValueError:
        return 0


def _engine(spec: Json, status: Json) -> dict[str, Any]:
    """Return how the engine's container fares, or the init container that holds it up."""
    told = _telling(spec, status)
    name = str(told.get("name", CONTAINER))
    state = told.get("state") or {}
    waiting, running = state.get("waiting") or {}, state.get("running") or {}
    ended = (told.get("lastState") or {}).get("terminated") or state.get("terminated")
    reason = str(waiting.get("reason", ""))
    since, last = str(running.get("startedAt", "")), _exit(ended) if ended else None
    fetches = name == FETCHER
    return {
        "waiting_reason": "" if reason in ORDINARY else reason,
        "waiting_message": str(waiting.get("message", "")),
        "held_up_by": "" if name == CONTAINER else name,
        "running_since": "" if fetches else since,
        "fetching_since": since if fetches else "",
        "restarts": int(told.get("restartCount", 0)),
        "last_exit": None if fetches else last,
        "fetch_exit": last if fetches else None,
    }


def _telling(spec: Json, status: Json) -> Json:
    """Return the container status that says most: an init container in trouble, else the engine."""
    for container in status.get("initContainerStatuses") or ():
        waits = (container.get("state") or {}).get("waiting") or {}
        stuck = waits.get("reason") and waits["reason"] not in ORDINARY
        if stuck or _is_fetching(spec, container):
            told: Json = container
            return told
    containers = status.get("containerStatuses") or ()
    return next((c for c in containers if c.get("name") == CONTAINER), {})


def _is_fetching(spec: Json, container: Json) -> bool:
    """Say whether the model is being fetched; a sidecar that has fetched it runs on."""
    if container.get("name") != FETCHER or not (container.get("state") or {}).get("running"):
        return False
    made = (c for c in spec.get("initContainers") or () if c.get("name") == FETCHER)
    sidecar = any(c.get("restartPolicy") == "Always" for c in made)
    return not (sidecar and container.get("started"))


def _exit(terminated: Json) -> Exit:
    return Exit(
        code=int(terminated.get("exitCode", 0)),
        reason=str(terminated.get("reason", "")),
        message=str(terminated.get("message", "")),
    )
