"""Where the training of a drifted Specialist stands: kept in its status, told in a condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from tierwise_core.conditions import FALSE, TRUE, Verdict, parse_rfc3339, rfc3339

__all__ = ["RETRAINING", "Training", "read_training", "training_verdict"]

RETRAINING: Final = "Retraining"
State = Literal["", "Waiting", "Running", "Failed", "Done"]
STATES: Final[tuple[State, ...]] = ("", "Waiting", "Running", "Failed", "Done")
REASONS: Final[Mapping[State, str]] = {
    "Waiting": "TooFewPairs",
    "Running": "TrainingRunning",
    "Failed": "TrainingFailed",
    "Done": "CandidateReady",
}


@dataclass(frozen=True, slots=True)
class Training:
    """The last training, or none.

    ``number`` counts trainings of the Specialist, ``started`` is in seconds since the epoch,
    ``run`` the name of the Job, ``pairs`` how many it got, ``rollout`` the Rollout that tries its
    result.
    """

    state: State = ""
    number: int = 0
    started: float | None = None
    run: str = ""
    pairs: int = 0
    rollout: str = ""
    message: str = ""

    def wire(self) -> dict[str, Any]:
        """Return ``status.training``; empty where there was none."""
        if not self.state:
            return {}
        found = {
            "state": self.state,
            "number": self.number,
            "startedAt": rfc3339(datetime.fromtimestamp(self.started, UTC))
            if self.started is not None
            else None,
            "run": self.run,
            "pairs": self.pairs,
            "rollout": self.rollout,
            "message": self.message,
        }
        return {name: value for name, value in found.items() if value not in (None, "")}


def read_training(status: Mapping[str, Any]) -> Training:
    """Read it back out of a Specialist's status.

    >>> one = Training("Running", 2, 1_700_000_000.0, "sorter-train-1", 40, message="since noon")
    >>> read_training({"training": one.wire()}) == one, read_training({}) == Training()
    (True, True)
    """
    row = status.get("training") or {}
    state: State = next((one for one in STATES if one == row.get("state")), "")
    if not state:
        return Training()
    started = parse_rfc3339(str(row.get("startedAt") or ""))
    return Training(
        state,
        int(row.get("number") or 0),
        started.timestamp() if started else None,
        str(row.get("run") or ""),
        int(row.get("pairs") or 0),
        str(row.get("rollout") or ""),
        str(row.get("message") or ""),
    )


def training_verdict(training: Training) -> Verdict | None:
    """Return the condition; None where nothing was ever trained.

    >>> training_verdict(Training("Failed", message="out of memory")).reason
    'TrainingFailed'
    """
    if not training.state:
        return None
    status = TRUE if training.state == "Running" else FALSE
    return Verdict(RETRAINING, status, REASONS[training.state], training.message)
