"""Rows of a journal as the dispatchers write them, and files of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from tierwise_core.query_features import feature_row

NOON = 1_750_000_000.0


def decision(
    number: int,
    text: str = "sort dbca",
    *,
    specialist: str = "demo/sorter",
    revision: str = "r1",
    own_field: str | None = "sorting",
    at: float = NOON,
    predicted: float = 0.912,
    confidence: float | None = 0.95,
    verdict: str = "accept",
    verified: bool | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A decision in which one Specialist was asked and answered."""
    step = {
        "specialist": specialist,
        "revision": revision,
        "own_field": own_field,
        "predicted": predicted,
        "confidence": confidence,
        "verdict": verdict,
        "failure": "",
        "verified": verified,
    }
    return {
        "kind": "decision",
        "id": f"d-pod-one-{number:06x}",
        "at": at,
        "field": "sorting",
        "in_domain": 1.0,
        "field_shares": {"sorting": 1.0},
        "features": feature_row(text),
        "specialist": specialist,
        "steps": [step],
    } | more


def feedback(number: int, *, accepted: bool) -> dict[str, Any]:
    """What somebody said of a decision's answer."""
    return {"kind": "feedback", "decision": f"d-pod-one-{number:06x}", "accepted": accepted}


def write_rows(directory: Path, rows: Iterable[Mapping[str, Any]], segment: int = 1) -> Path:
    """Append rows to a file of the journal."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"journal-one-{segment:06d}.jsonl"
    with path.open("ab") as file:
        file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
    return path
