"""How sure we are of an answer: before asking, after asking, and what follows from it.

All confidences are probabilities in [0, 1] that the answer will be accepted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

__all__ = [
    "Action",
    "Gate",
    "Record",
    "Verdict",
    "answer_confidence",
    "predicted_confidence",
    "prior_of_generalist",
    "verdict",
]


class Action(StrEnum):
    """What to do with an answer."""

    ACCEPT = "accept"
    ESCALATE = "escalate"
    ABSTAIN = "abstain"


class Gate(Protocol):
    """What the verdict needs of a hop: the floor its answer must reach."""

    @property
    def floor(self) -> float:
        """The least confidence that is accepted."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """Accept, escalate or abstain, with the comparison that decided in words."""

    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """How often a Specialist's answers were accepted and rejected, as counts (weights allowed)."""

    accepted: float = 0.0
    rejected: float = 0.0


PRIOR_ACCEPTED: Final = 19.0
PRIOR_REJECTED: Final = 1.0
LEAST_PROBABILITY: Final = 1e-6


def predicted_confidence(
    probability: float, in_domain: float, record: Record | None = None
) -> float:
    """Predict, before asking, whether a Specialist's answer will be accepted."""
    known = record or Record()
    accepted = PRIOR_ACCEPTED + known.accepted
    return probability * in_domain * accepted / (accepted + PRIOR_REJECTED + known.rejected)


def prior_of_generalist(floor: float, record: Record | None = None) -> float:
    """Predict the same for a generalist, which has no field to belong to."""
    if record is None:
        return floor
    total = record.accepted + record.rejected
    return (20.0 * floor + record.accepted) / (20.0 + total)


def answer_confidence(token_logprobs: Sequence[float], predicted: float) -> float:
    """Judge an answer by its tokens and by what was predicted; no tokens leave the prediction."""
    if not token_logprobs:
        return predicted
    return predicted * math.exp(min(token_logprobs))


def verdict(hop: Gate, confidence: float, *, is_last: bool) -> Verdict:
    """Compare a confidence with the hop's floor.

    >>> from types import SimpleNamespace
    >>> verdict(SimpleNamespace(floor=0.85), 0.41, is_last=False)
    Verdict(action=<Action.ESCALATE: 'escalate'>, reason='0.41 < floor 0.85')
    """
    if confidence >= hop.floor:
        return Verdict(Action.ACCEPT, f"{confidence:.2f} >= floor {hop.floor:.2f}")
    action = Action.ABSTAIN if is_last else Action.ESCALATE
    return Verdict(action, f"{confidence:.2f} < floor {hop.floor:.2f}")
