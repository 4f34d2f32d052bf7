"""The Specialists: which are ready, which are on their way, and why the others are not."""

from __future__ import annotations

from tierwise_cli.checks.result import Check, Outcome, worst
from tierwise_cli.checks.seen import Object, Snapshot, Unread, condition, full_name

__all__ = ["check_specialists"]

_UNDER_WAY = {"PodsStarting", "Loading", "Progressing"}
_AT_REST = {"ScaledToZero"}
_HINTS = {
    "SourceNotFound": "put the model where spec.model.source says, or correct it",
    "SourceUnreadable": "let the operator read spec.model.source (rights, whole files)",
    "UnsupportedSource": "say how large the model is in spec.model.size",
    "UnknownArchitecture": "say how large the model is in spec.model.size",
    "NoTierFits": "add a GPUTier with more memory, a smaller maxModelLen, or a quantized model",
    "NoCapacity": "add nodes, lower another Specialist's replicas, or raise this one's priority",
    "UnknownTier": "correct spec.placement.tiers; `kubectl get gputiers` lists the names",
    "ParentNotFound": "correct spec.parent; `kubectl get specialists` lists the names",
    "ParentCycle": "let one of these Specialists have no spec.parent",
    "ImagePullFailed": "correct spec.engine.image, or add imagePullSecrets in engine.podTemplate",
    "CrashLoop": "read the engine's log: kubectl logs --previous, then correct spec.engine",
    "Unschedulable": "make room on the tier's nodes, or add its tolerations to the GPUTier",
}


def check_specialists(seen: Snapshot) -> Check:
    """Every Specialist is ready, or says why not."""
    if isinstance(seen.specialists, Unread):
        return Check("specialists", Outcome.FAIL, seen.specialists.why, fix=seen.specialists.fix)
    if not seen.specialists:
        return Check(
            *("specialists", Outcome.WARN, "there are none, so there is nobody to ask"),
            fix="apply some; examples/quickstart/specialists.yaml shows how",
        )
    judged = [(*_judge(s), s) for s in seen.specialists]
    bad = [(outcome, text, s) for outcome, text, s in judged if outcome is not Outcome.OK]
    ready = len(judged) - len(bad)
    return Check(
        *("specialists", worst(outcome for outcome, *_ in bad)),
        f"{ready} of {len(judged)} are ready or at rest",
        fix=_fix([s for _, _, s in bad]),
        details=tuple(f"{full_name(s)}: {text}" for _, text, s in bad),
    )


def _judge(specialist: Object) -> tuple[Outcome, str]:
    """How one Specialist stands, and its Ready condition in one line."""
    ready = condition(specialist, "Ready")
    if not ready:
        return Outcome.WARN, "the operator has not looked at it yet"
    if _is_outdated(specialist):
        return Outcome.WARN, "the operator has not seen its last change yet"
    reason = ready.get("reason", "")
    text = f"{reason}: {ready.get('message', '')}".rstrip(": ")
    if ready["status"] == "True" or reason in _AT_REST:
        return Outcome.OK, text
    return (Outcome.WARN if reason in _UNDER_WAY else Outcome.FAIL), text


def _is_outdated(specialist: Object) -> bool:
    observed = specialist.get("status", {}).get("observedGeneration")
    generation = specialist["metadata"].get("generation")
    return observed is not None and generation is not None and observed < generation


def _fix(bad: list[Object]) -> str:
    """What to do about the first one; the others may follow from it."""
    if not bad:
        return ""
    meta = bad[0]["metadata"]
    look = f"kubectl -n {meta.get('namespace', 'default')} describe specialist {meta['name']}"
    hint = _HINTS.get(condition(bad[0], "Ready").get("reason", ""))
    return f"{meta['name']}: {hint}; more: {look}" if hint else look
