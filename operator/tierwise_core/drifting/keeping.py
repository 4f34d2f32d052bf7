"""A course as plain JSON and back: what a status keeps, so that a restarted operator goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tierwise_core.drifting.course import Base, Course
from tierwise_core.rollout.counted import SideCount
from tierwise_core.rollout.purses import Purse
from tierwise_core.rollout.samples import SideSample

__all__ = ["kept", "recalled"]


def kept(course: Course) -> str:
    """Return a course as compact JSON."""
    row = asdict(course) | {"counted": course.counted.to_row()}
    return json.dumps(row, separators=(",", ":"))


def recalled(text: str) -> Course:
    """Return the course that was kept; an empty one where nothing was, or it makes no sense.

    >>> course = Course("d", ("r1",), 10.0, base=Base(0.8, 0.08, 200), detected="fell")
    >>> recalled(kept(course)) == course, recalled("{") == Course(), recalled("") == Course()
    (True, True, True)
    """
    try:
        return _read(json.loads(text))
    except (KeyError, TypeError, ValueError, AttributeError):
        return Course()


def _read(row: Mapping[str, Any]) -> Course:
    base = row["base"]
    plain = {
        name: row[name]
        for name in ("serves", "since", "until", "looks", "suspected", "detected", "detected_at")
    }
    return Course(
        **plain,
        revisions=tuple(row["revisions"]),
        counted=SideCount.read(row["counted"]),
        base=Base(**base) if base else None,
        recent=SideSample(**row["recent"]),
        held=SideSample(**row["held"]),
        fell=_purse(row["fell"]),
        rose=_purse(row["rose"]),
    )


def _purse(row: Mapping[str, Any]) -> Purse:
    return Purse(tuple(row["gains"]), row["steps"], row["untouched"])
