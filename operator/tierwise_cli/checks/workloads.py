"""Our own programs: the operator and its Lease, the router and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from tierwise_cli.checks.result import Check, Outcome
from tierwise_cli.checks.seen import Object, Objects, Probe, Snapshot, Unread, Workload

__all__ = ["answering", "check_operator", "check_router"]

_INSTALL = "helm upgrade --install tierwise charts/tierwise --create-namespace --namespace "
_VERSION_LABEL = "app.kubernetes.io/version"
_OK_STATUS = 200


def check_operator(seen: Snapshot) -> Check:
    """The operator runs, in our version, and one of its pods holds a fresh Lease."""
    trouble = _workload_trouble("operator", seen.operator, seen)
    if trouble:
        return trouble
    if isinstance(seen.lease, Unread):
        return Check("operator", Outcome.WARN, seen.lease.why, fix=seen.lease.fix)
    logs = f"kubectl -n {seen.namespace} logs deployment/tierwise-operator"
    holder = (seen.lease or {}).get("spec", {}).get("holderIdentity")
    if not seen.lease or not holder:
        summary = "its pods run, but none holds the Lease tierwise-operator: nobody works"
        return Check("operator", Outcome.FAIL, summary, fix=logs)
    late = _overdue(seen.lease, seen.now)
    if late > timedelta():
        summary = (
            f"{holder} holds the Lease but stopped renewing it {late.total_seconds():.0f} s ago"
        )
        return Check("operator", Outcome.FAIL, summary, fix=logs)
    return _in_our_version("operator", seen.operator, seen, f"ready, led by {holder}")


def _overdue(lease: Object, now: datetime) -> timedelta:
    """How long ago the Lease ran out; zero or less while it is fresh."""
    spec = lease["spec"]
    renewed = datetime.fromisoformat(spec["renewTime"])
    return now - renewed - timedelta(seconds=spec.get("leaseDurationSeconds", 0))


def check_router(seen: Snapshot) -> Check:
    """The router's pods are ready, and the router says through the Service that it has routes."""
    return answering("router", seen.router, seen.ready, seen)


def answering(name: str, workload: Workload, ready: Probe | Unread, seen: Snapshot) -> Check:
    """The pods are ready, one of them says so through the Service, and in our version."""
    trouble = _workload_trouble(name, workload, seen)
    if trouble:
        return trouble
    if isinstance(ready, Unread):
        return Check(name, Outcome.WARN, ready.why, fix=ready.fix)
    if ready.status != _OK_STATUS:
        summary = f"its pods run, but /readyz says {ready.status}: {ready.text[:120]}"
        fix = f"kubectl -n {seen.namespace} logs deployment/tierwise-{name}"
        return Check(name, Outcome.FAIL, summary, fix=fix)
    count = _ready(workload)
    pods = "1 pod" if count == 1 else f"{count} pods"
    return _in_our_version(name, workload, seen, f"{pods} ready")


def _workload_trouble(name: str, workload: Workload, seen: Snapshot) -> Check | None:
    """What keeps a Deployment from being whole, or None."""
    deployment = workload.deployment
    if isinstance(deployment, Unread):
        return Check(name, Outcome.WARN, deployment.why, fix=deployment.fix)
    if deployment is None:
        summary = f"there is no Deployment tierwise-{name} in namespace {seen.namespace}"
        fix = f"{_INSTALL}{seen.namespace}, or name the right --namespace"
        return Check(name, Outcome.FAIL, summary, fix=fix)
    wanted, ready = deployment["spec"].get("replicas", 1), _ready(workload)
    if wanted and ready >= wanted:
        return None
    if not wanted:
        fix = f"kubectl -n {seen.namespace} scale deployment/tierwise-{name} --replicas=1"
        return Check(name, Outcome.FAIL, "scaled to zero", fix=fix)
    return Check(
        *(name, Outcome.WARN if ready else Outcome.FAIL, f"{ready} of {wanted} pods ready"),
        fix=f"kubectl -n {seen.namespace} describe pods -l app.kubernetes.io/name=tierwise-{name}",
        details=() if isinstance(workload.pods, Unread) else tuple(_troubles(workload.pods)),
    )


def _ready(workload: Workload) -> int:
    deployment = workload.deployment
    if deployment is None or isinstance(deployment, Unread):
        return 0
    return int(deployment.get("status", {}).get("readyReplicas", 0))


def _troubles(pods: Objects) -> list[str]:
    """Why each pod is not ready, in the kubelet's or the scheduler's words."""
    return [f"{pod['metadata']['name']}: {why}" for pod in pods if (why := _why_not(pod))]


def _why_not(pod: Object) -> str:
    status = pod.get("status", {})
    conditions = {c["type"]: c for c in status.get("conditions", ())}
    if conditions.get("Ready", {}).get("status") == "True":
        return ""
    for container in status.get("containerStatuses", ()):
        waiting = container.get("state", {}).get("waiting")
        if waiting and waiting.get("reason") != "ContainerCreating":
            return f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return str(scheduled.get("message", "not scheduled"))
    return f"{status.get('phase', 'Pending')}, not ready yet"


def _in_our_version(name: str, workload: Workload, seen: Snapshot, summary: str) -> Check:
    """Fine, unless the cluster runs another release than this command's."""
    deployment = workload.deployment
    labels = deployment["metadata"].get("labels", {}) if isinstance(deployment, Mapping) else {}
    running = labels.get(_VERSION_LABEL, seen.tierwise)
    if running == seen.tierwise:
        return Check(name, Outcome.OK, summary)
    return Check(
        *(name, Outcome.WARN, f"{summary}; it is version {running}, this is {seen.tierwise}"),
        fix=f"{_INSTALL}{seen.namespace}, or install tierwise=={running}",
    )
