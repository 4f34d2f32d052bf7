"""Which floor keeps to a budget of escalations, and what it lets through."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Final

from tierwise_core.calibration import CalibrationMap
from tierwise_core.wilson import interval

__all__ = ["LEAST_ANSWERS", "FloorProposal", "propose_floor"]

LEAST_ANSWERS: Final = 200
LEAST_JUDGED: Final = 50
HUNDRED: Final = 100


@dataclass(frozen=True, slots=True)
class FloorProposal:
    """A floor, and what it would have made of the answers there were.

    Attributes:
        floor: the confidence below which an answer escalates; in whole hundredths.
        present: the floor it would replace.
        escalated: the share of answers that it would have passed on; at the present floor,
            ``escalated_now``.
        accepted: the share of right answers among the judged ones at or above it, with its 95 %
            interval; None where too few were judged.
        expected: what the calibrated confidences of all answers at or above it promise.
        answers, judged: on how many it rests.
        why_not: why there is nothing to change, empty where there is.
    """

    floor: float
    present: float
    escalated: float
    escalated_now: float
    accepted: float | None
    accepted_low: float | None
    accepted_high: float | None
    expected: float
    answers: int
    judged: int
    why_not: str = ""


def propose_floor(
    answers: Sequence[tuple[float, bool | None]],
    present: float,
    budget: float,
    calibration: CalibrationMap | None = None,
) -> FloorProposal:
    """Propose the highest floor that passes on no more than ``budget`` of the answers.

    Each answer is its confidence, and whether it was right (None: nobody said). A higher floor lets
    fewer wrong answers through and escalates more: the budget says how many may be. A thousand
    answers, evenly from 0 to 1, of which a fifth may escalate:

    >>> evenly = [(n / 1000, n >= 100) for n in range(1000)]
    >>> found = propose_floor(evenly, present=0.85, budget=0.20)
    >>> found.floor, found.escalated, found.escalated_now, found.accepted
    (0.2, 0.2, 0.85, 1.0)

    Raises ValueError for a budget that is no share.
    """
    if not 0.0 <= budget <= 1.0:
        raise ValueError(f"the escalation budget is {budget:g}; give a share from 0 to 1")
    told = sorted([confidence for confidence, _ in answers])
    chosen = _highest(told, budget) if told else present
    kept = [(one, right) for one, right in answers if one >= chosen]
    judged = [right for _, right in kept if right is not None]
    share = sum(judged) / len(judged) if judged else 0.0
    enough = len(judged) >= LEAST_JUDGED
    low, high = interval(share, len(judged)) if enough else (None, None)
    counts = Counter(one for one, _ in kept)
    mapping = calibration or CalibrationMap()
    promised = sum(mapping.apply(one) * count for one, count in counts.items())
    return FloorProposal(
        chosen,
        present,
        _share_below(told, chosen),
        _share_below(told, present),
        share if enough else None,
        low,
        high,
        promised / len(kept) if kept else 0.0,
        len(told),
        len(judged),
        _why_not(len(told), len(judged), chosen, present),
    )


def _highest(told: Sequence[float], budget: float) -> float:
    """Take the hundredth at or below the confidence of the first answer that has to stay."""
    may_go = floor(len(told) * budget + 1e-9)
    if may_go >= len(told):
        return min(ceil(told[-1] * HUNDRED) / HUNDRED, 1.0)
    # A little more than the tolerance of floating point, so that 0.29 stays 0.29.
    return floor(told[may_go] * HUNDRED + 1e-9) / HUNDRED


def _share_below(told: Sequence[float], bound: float) -> float:
    return bisect_left(told, bound) / len(told) if told else 0.0


def _why_not(answers: int, judged: int, chosen: float, present: float) -> str:
    if answers < LEAST_ANSWERS:
        return f"{answers} of the {LEAST_ANSWERS} answers that it takes"
    if judged < LEAST_JUDGED:
        return (
            f"{judged} of the {LEAST_JUDGED} answers that it takes at or above {chosen:.2f} were "
            "judged by people or verifiers"
        )
    return "the floor is right as it is" if abs(chosen - present) < 1 / HUNDRED / 2 else ""
