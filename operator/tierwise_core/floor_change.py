"""A proposed floor as a change of the Specialist that a person can review."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

__all__ = ["ALLOWED", "EVIDENCE", "allows", "evidence", "floor_change", "worth_a_change"]

ALLOWED: Final = "tierwise.dev/calibration"
"""The annotation by which an owner lets floors be applied by themselves: ``automatic``."""

EVIDENCE: Final = "tierwise.dev/calibration-evidence"


def worth_a_change(reports: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Take one report per Specialist, of the field that it answers most, if it proposes something.

    >>> report = {"specialist": "demo/sorter", "answers": 9, "proposal": {"why_not": ""}}
    >>> len(worth_a_change([report, {**report, "answers": 3}]))
    1
    """
    most: dict[str, Mapping[str, Any]] = {}
    for report in reports:
        before = most.get(report["specialist"])
        if before is None or report["answers"] > before["answers"]:
            most[report["specialist"]] = report
    return [report for _, report in sorted(most.items()) if not report["proposal"]["why_not"]]


def evidence(report: Mapping[str, Any]) -> Iterator[str]:
    """Say in words what a proposal rests on."""
    said = report["proposal"]
    yield (
        f"floor {said['present']:.2f} -> {said['floor']:.2f} for an escalation budget of "
        f"{report['escalationBudget']:.0%}"
    )
    yield (
        f"of {said['answers']} answers in field {report['field'] or '(none)'} it passes on "
        f"{said['escalated']:.1%}, the present one {said['escalated_now']:.1%}"
    )
    if said["accepted"] is not None:
        yield (
            f"of {said['judged']} judged answers at or above it {said['accepted']:.1%} were right "
            f"(95 % interval {said['accepted_low']:.1%} to {said['accepted_high']:.1%})"
        )
    if report["brierBefore"] is not None:
        yield (
            f"confidence on {report['heldOut']} later answers: Brier {report['brierBefore']:.3f}, "
            f"ECE {report['eceBefore']:.3f}; refitted ({report['calibration']['kind']}) "
            f"{report['brierAfter']:.3f} and {report['eceAfter']:.3f}"
        )


def floor_change(report: Mapping[str, Any]) -> dict[str, Any]:
    """Give the merge patch of the Specialist, named as Kubernetes names it.

    >>> change = floor_change({"specialist": "demo/sorter", "field": "sorting",
    ...     "escalationBudget": 0.2, "brierBefore": None, "proposal": {"floor": 0.7,
    ...     "present": 0.85, "answers": 500, "escalated": 0.19, "escalated_now": 0.4,
    ...     "accepted": None}})
    >>> change["metadata"]["name"], change["spec"]
    ('sorter', {'routing': {'confidenceFloor': 0.7}})

    Raises ValueError for a name without a namespace.
    """
    namespace, slash, name = report["specialist"].partition("/")
    if not slash or not name:
        raise ValueError(f"{report['specialist']!r} is no NAMESPACE/NAME of a Specialist")
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": {EVIDENCE: "; ".join(evidence(report))},
        },
        "spec": {"routing": {"confidenceFloor": report["proposal"]["floor"]}},
    }


def allows(specialist: Mapping[str, Any]) -> bool:
    """Tell whether a Specialist's owner lets proposals be applied by themselves.

    >>> allows({"metadata": {"annotations": {"tierwise.dev/calibration": "automatic"}}})
    True
    """
    annotations = (specialist.get("metadata") or {}).get("annotations") or {}
    return bool(annotations.get(ALLOWED) == "automatic")
