"""``Specialist.status`` in its wire form, from everything a pass concluded."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tierwise_core.children import selector_text
from tierwise_core.conditions import (
    BROKEN,
    FALSE,
    TRUE,
    Condition,
    Verdict,
    merge,
    read_conditions,
)
from tierwise_core.engine import PORT
from tierwise_core.engines import Engines
from tierwise_core.fleet_plan import FleetVerdict
from tierwise_core.model_metadata import ModelMetadata
from tierwise_core.placement_report import placement_report, without_nothing
from tierwise_core.specialist import ExternalSpec, Specialist

ENDPOINT_LIMIT = 1024

# What we write of the status; other parts of tierwise own the rest.
OWNED = (
    "observedGeneration",
    "conditions",
    "phase",
    "replicas",
    "readyReplicas",
    "selector",
    "activeRevision",
    "placement",
    "model",
    "performance",
    "endpoints",
    "stable",
    "rollout",
    "adapters",
    "scaling",
    "dedicated",
    "burst",
)
OWNED_CONDITIONS = (
    "Sized",
    "Placed",
    "Admitted",
    "WeightsReady",
    "ServingReady",
    "AdaptersReady",
    "EscalationResolved",
    "ProviderSupported",
    "RolloutRejected",
    "Reconciling",
    "Stalled",
    "Ready",
)

_NEWS = frozenset({"Ready", "Reconciling", "Stalled"})


def compose(
    specialist: Specialist,
    fleet: FleetVerdict,
    state: Engines,
    verdicts: Sequence[Verdict],
    now: datetime,
) -> tuple[dict[str, Any], tuple[Condition, ...]]:
    """Return the status to publish, and its conditions."""
    previous = read_conditions(specialist.status)
    conditions = merge(previous, verdicts, specialist.generation, now)
    status: dict[str, Any] = {
        "observedGeneration": specialist.generation,
        "conditions": [condition.to_json() for condition in conditions],
        "phase": phase(verdicts, serves=bool(state.endpoints) or specialist.external is not None),
        "placement": placement_report(specialist, fleet, state.pods),
        "model": _model(fleet.sizing.metadata),
        "endpoints": _endpoints(specialist.external, state),
    }
    if specialist.external is None:
        status |= {
            "replicas": len(state.pods),
            "readyReplicas": sum(pod.ready for pod in state.pods),
            "selector": selector_text(specialist),
            "activeRevision": state.active or None,
        }
    return without_nothing(status), conditions


def phase(verdicts: Iterable[Verdict], *, serves: bool) -> str:
    """Return the one word for people.

    >>> phase([Verdict("Ready", FALSE, "NoTierFits", "")], serves=False)
    'Failed'
    >>> phase([Verdict("Ready", FALSE, "PodsStarting", "")], serves=True)
    'Degraded'
    """
    by_type = {verdict.type: verdict for verdict in verdicts}
    ready = by_type["Ready"]
    if ready.status == TRUE:
        return "Ready"
    if serves:
        return "Degraded"
    if {by_type[kind].reason for kind in by_type if by_type[kind].status == FALSE} & BROKEN:
        return "Failed"
    if "Placed" in by_type and by_type["Placed"].status == TRUE:
        return "Pending" if ready.reason == "ScaledToZero" else "Loading"
    return "Placing" if ready.reason == "NoCapacity" else "Pending"


def failed(
    specialist: Specialist, reason: str, message: str, now: datetime
) -> tuple[dict[str, Any], tuple[Condition, ...]]:
    """Return the last status with ``Ready`` turned to False; what served goes on serving."""
    previous = read_conditions(specialist.status)
    verdicts = [Verdict("Stalled", TRUE, reason, message), Verdict("Ready", FALSE, reason, message)]
    news = merge(previous, verdicts, specialist.generation, now)
    kept = [previous[kind] for kind in OWNED_CONDITIONS if kind in previous and kind not in _NEWS]
    status = {field: specialist.status.get(field) for field in OWNED}
    status["observedGeneration"] = specialist.generation
    status["conditions"] = [condition.to_json() for condition in (*kept, *news)]
    status["phase"] = "Degraded" if specialist.status.get("endpoints") else "Failed"
    return without_nothing(status), (*kept, *news)


def same_status(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Say whether the live status already holds what we would write, other writers' parts aside."""
    return all(wanted.get(field) == _owned(live, field) for field in OWNED)


def _owned(live: Mapping[str, Any], field: str) -> Any:
    value = live.get(field)
    if field == "conditions":
        by_type = {c.get("type"): c for c in value or ()}
        return [by_type[kind] for kind in OWNED_CONDITIONS if kind in by_type]
    return value or None if isinstance(value, dict | list) else value


def _model(metadata: ModelMetadata | None) -> dict[str, Any]:
    if metadata is None:
        return {}
    return {
        "architecture": metadata.architecture,
        "parameters": metadata.parameters,
        "contextLength": metadata.context_length,
        "kvBytesPerToken": metadata.kv_bytes_per_token,
        "dtype": metadata.dtype,
    }


def _endpoints(external: ExternalSpec | None, state: Engines) -> list[dict[str, str]]:
    return [{"url": external.base_url}] if external is not None else endpoint_rows(state)


def endpoint_rows(state: Engines) -> list[dict[str, str]]:
    """Return the pods that get requests as ``status.endpoints`` has them."""
    pods = sorted(state.endpoints, key=lambda pod: pod.name)[:ENDPOINT_LIMIT]
    found = [
        {
            "url": f"http://{_bracketed(pod.ip)}:{PORT}",
            "pod": pod.name,
            "revision": pod.revision,
            "node": pod.node,
            "tier": pod.tier,
        }
        for pod in pods
    ]
    return [without_nothing(endpoint) for endpoint in found]


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
