"""Sums up measured answers: accuracy, confidence when right and when wrong, separation.

Pure arithmetic on what ``evaluation`` measured; the result is the content of ``evaluation.json``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

from forge.confidence import auroc, share_at_least

FLOOR: Final = 0.85
"""The floor that a Specialist starts with."""
SIGNALS: Final = (
    "mean_probability",
    "length_normalised",
    "lowest_probability",
    "sequence_probability",
    "least_margin",
    "least_certainty",
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One answered question: where it came from, whether it was right, and its signals."""

    family: str
    known_wording: bool
    right: bool
    signals: dict[str, float]


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 4)


def _mean(measured: Sequence[Measured], signal: str) -> float | None:
    return _rounded(fmean(one.signals[signal] for one in measured)) if measured else None


def _scores(measured: Sequence[Measured], signal: str) -> list[float]:
    return [one.signals[signal] for one in measured]


def accuracy(measured: Sequence[Measured]) -> dict[str, Any]:
    """Count right answers, and average the two plain signals over right and wrong ones."""
    right = [one for one in measured if one.right]
    wrong = [one for one in measured if not one.right]
    return {
        "asked": len(measured),
        "right": len(right),
        "accuracy": _rounded(len(right) / len(measured)),
        "right_mean_probability": _mean(right, "mean_probability"),
        "right_lowest_probability": _mean(right, "lowest_probability"),
        "wrong_mean_probability": _mean(wrong, "mean_probability"),
        "wrong_lowest_probability": _mean(wrong, "lowest_probability"),
    }


def separation(right: Sequence[Measured], wrong: Sequence[Measured]) -> dict[str, Any]:
    """Say, per signal, how well it tells right from wrong, and who passes the floor."""
    return {
        signal: {
            "auroc": _rounded(auroc(_scores(right, signal), _scores(wrong, signal))),
            "right_passing_floor": _rounded(share_at_least(_scores(right, signal), FLOOR)),
            "wrong_passing_floor": _rounded(share_at_least(_scores(wrong, signal), FLOOR)),
        }
        for signal in SIGNALS
    }


def summary(measured: Sequence[Measured], own: Sequence[str]) -> dict[str, Any]:
    """Sum up one model; ``own`` are the families it was made for.

    ``within`` compares right and wrong answers of its own families (any wording), ``beyond``
    right answers of its own families with wrong ones to everything else.
    """
    families = list(dict.fromkeys(one.family for one in measured))
    inside = [one for one in measured if one.family in own]
    right = [one for one in inside if one.right]
    return {
        "families": {
            family: accuracy([m for m in measured if m.family == family and m.known_wording])
            for family in families
        },
        "new_wordings": {
            family: accuracy(some)
            for family in families
            if (some := [m for m in measured if m.family == family and not m.known_wording])
        },
        "within": separation(right, [one for one in inside if not one.right]),
        "beyond": separation(
            right, [one for one in measured if one.family not in own and not one.right]
        ),
    }
