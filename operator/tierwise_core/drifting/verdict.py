"""What a Specialist's status says of drift."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tierwise_core.conditions import FALSE, TRUE, UNKNOWN, Verdict, rfc3339
from tierwise_core.drifting.course import Course, is_learning, told
from tierwise_core.drifting.keeping import kept
from tierwise_core.field_profiles import FieldJudgement

__all__ = ["DRIFT_DETECTED", "drift_status", "drift_verdict"]

DRIFT_DETECTED: Final = "DriftDetected"
NO_BENCHMARK: Final = (
    "; there is no benchmark at hand to find out why: give spec.rollout.benchmark, or the field's "
    "FieldProfile a spec.benchmark"
)


def drift_verdict(course: Course, judgement: FieldJudgement, *, benchmark: bool) -> Verdict:
    """Return the condition.

    Without a benchmark at hand nothing is claimed, however much has changed: there would be nothing
    to hold a new model against.

    >>> drift_verdict(Course(), FieldJudgement(), benchmark=True).reason
    'Learning'
    >>> fell = Course(detected="fell")
    >>> [drift_verdict(fell, FieldJudgement(), benchmark=there).reason for there in (True, False)]
    ['UtilityFell', 'NoBenchmark']
    """
    message = told(course, judgement)
    if is_learning(course, judgement) and not course.detected:
        return Verdict(DRIFT_DETECTED, FALSE, "Learning", message)
    if not course.detected:
        reason = "Suspected" if course.suspected else "Steady"
        return Verdict(DRIFT_DETECTED, FALSE, reason, message)
    if not benchmark:
        return Verdict(DRIFT_DETECTED, UNKNOWN, "NoBenchmark", message + NO_BENCHMARK)
    reason = "UtilityFell" if course.detected == "fell" else "UtilityRose"
    return Verdict(DRIFT_DETECTED, TRUE, reason, message)


def drift_status(course: Course, judgement: FieldJudgement) -> dict[str, Any]:
    """Return ``status.drift``: the figures for people, and the memory for the operator."""
    base, recent = course.base, course.recent
    found = {
        "baseUtility": round(base.utility, 4) if base else None,
        "baseAnswers": base.judged if base else None,
        "utility": round(recent.mean, 4) if recent.mean is not None else None,
        "answers": recent.judged or None,
        "countsFrom": judgement.noticeable_change,
        "since": _time(course.since),
        "detectedAt": _time(course.detected_at),
        "memory": kept(course),
    }
    return {name: value for name, value in found.items() if value is not None}


def memory(status: Mapping[str, Any]) -> str:
    """Return what a Specialist's status keeps of its course; empty where nothing.

    >>> memory({"drift": {"memory": "{}"}}), memory({})
    ('{}', '')
    """
    return str((status.get("drift") or {}).get("memory") or "")


def _time(seconds: float | None) -> str | None:
    return rfc3339(datetime.fromtimestamp(seconds, UTC)) if seconds else None
