"""Calibration: what a confidence of 0.9 has meant so far, fitted on some answers, told on others.

Platt's map moves the log-odds by a slope and a shift; an isotonic one is a rising staircase. Which
of them, or none, is chosen on the answers it is fitted on; how good it is, is told by answers that
came later and had no part in it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log1p
from typing import Any, Final, Literal, NamedTuple

from tierwise_core.confidence import logit, sigmoid
from tierwise_core.curves import brier, calibration_error

__all__ = ["CalibrationMap", "Pool", "Refit", "fit_isotonic", "fit_platt", "pooled", "refit"]

Kind = Literal["none", "platt", "isotonic"]
LEAST_FITTED: Final = 30
LEAST_FOR_ISOTONIC: Final = 300
HELD_OUT: Final = 0.3
KEEP: Final = 4.0
STEPS: Final = 50
CLOSE: Final = 1e-9
LARGEST_EXPONENT: Final = 30.0


@dataclass(frozen=True, slots=True)
class CalibrationMap:
    """A rising map of confidences: ``slope`` and ``shift`` of the log-odds, or steps to look up."""

    kind: Kind = "none"
    slope: float = 1.0
    shift: float = 0.0
    at: tuple[float, ...] = ()
    becomes: tuple[float, ...] = ()

    def apply(self, confidence: float) -> float:
        """Map a confidence.

        >>> CalibrationMap().apply(0.9)
        0.9
        >>> round(CalibrationMap("platt", slope=0.5).apply(0.9), 3)
        0.75
        >>> round(CalibrationMap("isotonic", at=(0.2, 0.8), becomes=(0.1, 0.7)).apply(0.5), 3)
        0.4
        """
        if self.kind == "platt":
            return sigmoid(self.slope * logit(confidence) + self.shift)
        return self._looked_up(confidence) if self.kind == "isotonic" else confidence

    def _looked_up(self, confidence: float) -> float:
        above = bisect_right(self.at, confidence)
        if above == 0:
            return self.becomes[0]
        if above == len(self.at):
            return self.becomes[-1]
        low, high = self.at[above - 1], self.at[above]
        within = (confidence - low) / (high - low)
        return self.becomes[above - 1] + within * (self.becomes[above] - self.becomes[above - 1])

    def describe(self) -> dict[str, Any]:
        """Tell the fitted numbers, for review."""
        if self.kind == "platt":
            return {"kind": "platt", "slope": round(self.slope, 4), "shift": round(self.shift, 4)}
        if self.kind == "isotonic":
            steps = zip(self.at, self.becomes, strict=True)
            return {"kind": "isotonic", "steps": [[round(x, 4), round(y, 4)] for x, y in steps]}
        return {"kind": "none"}


class Pool(NamedTuple):
    """Answers of one confidence: how many of them were right, and how many there are."""

    told: float
    right: float
    answers: int


def pooled(told: Sequence[float], was: Sequence[float]) -> list[Pool]:
    """Put answers of the same confidence together, by rising confidence; ``was`` is 1 or 0.

    >>> pooled([0.9, 0.8, 0.9], [1.0, 1.0, 0.0])
    [Pool(told=0.8, right=1.0, answers=1), Pool(told=0.9, right=1.0, answers=2)]
    """
    counts = Counter(told)
    rights = dict.fromkeys(counts, 0.0)
    for one, right in zip(told, was, strict=True):
        rights[one] += right
    return [Pool(one, rights[one], counts[one]) for one in sorted(counts)]


def fit_platt(answers: Sequence[Pool]) -> CalibrationMap:
    """Fit ``logit' = slope * logit + shift`` by Newton's method (Platt 1999).

    A weak pull towards the map that changes nothing keeps few answers from saying much. Told 0.9
    four thousand times, and right in three of four:

    >>> fitted = fit_platt([Pool(0.9, right=3000.0, answers=4000)])
    >>> round(fitted.apply(0.9), 2)
    0.75
    """
    pools = [
        Pool(logit(min(max(one.told, 1e-4), 1 - 1e-4)), one.right, one.answers) for one in answers
    ]
    slope, shift = 1.0, 0.0
    loss = _loss(pools, slope, shift)
    for _ in range(STEPS):
        by_slope, by_shift = _newton_step(pools, slope, shift)
        size = 1.0
        # A whole step may go too far where the curve is flat; half of it is tried then.
        while (after := _loss(pools, slope + size * by_slope, shift + size * by_shift)) > loss:
            size /= 2.0
            if size < CLOSE:
                break
        if after > loss or loss - after < CLOSE:
            break
        slope, shift, loss = slope + size * by_slope, shift + size * by_shift, after
    return CalibrationMap("platt", max(slope, 0.05), shift)


def _loss(pools: Sequence[Pool], slope: float, shift: float) -> float:
    total = KEEP * ((slope - 1.0) ** 2 + shift**2)
    for raised, right, count in pools:
        moved = slope * raised + shift
        spread = moved if moved > LARGEST_EXPONENT else log1p(exp(moved))
        total += count * spread - right * moved
    return total


def _newton_step(pools: Sequence[Pool], slope: float, shift: float) -> tuple[float, float]:
    first = 2 * KEEP * (slope - 1.0)
    second = 2 * KEEP * shift
    of_slope = of_shift = 2 * KEEP
    across = 0.0
    for raised, right, count in pools:
        says = sigmoid(min(max(slope * raised + shift, -LARGEST_EXPONENT), LARGEST_EXPONENT))
        off, bend = count * says - right, count * says * (1.0 - says)
        first += off * raised
        second += off
        of_slope += bend * raised * raised
        across += bend * raised
        of_shift += bend
    determinant = of_slope * of_shift - across * across
    return (
        (across * second - of_shift * first) / determinant,
        (across * first - of_slope * second) / determinant,
    )


def fit_isotonic(answers: Sequence[Pool]) -> CalibrationMap:
    """Fit a rising staircase by pooling neighbours that fall (Ayer et al. 1955).

    Answers of one confidence are one pool from the start. Each pool says its share, with half an
    answer of each kind added so that none says never or always, from its lowest confidence to its
    highest; between pools it rises evenly.

    >>> fitted = fit_isotonic(pooled([0.1, 0.2, 0.8, 0.9], [0.0, 1.0, 0.0, 1.0]))
    >>> fitted.at, [round(one, 2) for one in fitted.becomes]
    ((0.1, 0.2, 0.8, 0.9), [0.25, 0.5, 0.5, 0.75])
    >>> fit_isotonic([Pool(0.9, right=3.0, answers=4)]).becomes
    (0.7,)
    """
    steps: list[tuple[float, int, float, float]] = []  # right, count, lowest, highest
    for one in answers:
        step = (one.right, one.answers, one.told, one.told)
        while steps and steps[-1][0] * step[1] >= step[0] * steps[-1][1]:
            before = steps.pop()
            step = (step[0] + before[0], step[1] + before[1], before[2], step[3])
        steps.append(step)
    at: list[float] = []
    becomes: list[float] = []
    for right, count, lowest, highest in steps:
        says = (right + 0.5) / (count + 1.0)
        rising = max(says, becomes[-1]) if becomes else says
        for end in sorted({lowest, highest}):
            at.append(end)
            becomes.append(rising)
    return CalibrationMap("isotonic", at=tuple(at), becomes=tuple(becomes))


Fit = Callable[[Sequence[Pool]], CalibrationMap]
FITS: Final[dict[Kind, Fit]] = {
    "none": lambda _answers: CalibrationMap(),
    "platt": fit_platt,
    "isotonic": fit_isotonic,
}


@dataclass(frozen=True, slots=True)
class Refit:
    """A map and what it is worth: errors on answers that came after those it was fitted on.

    ``brier`` scores and calibration errors (ECE, ten bins) are None where nothing was held out.
    """

    chosen: CalibrationMap
    fitted: int
    held_out: int
    brier_before: float | None = None
    brier_after: float | None = None
    ece_before: float | None = None
    ece_after: float | None = None

    @property
    def helps(self) -> bool:
        """Whether later answers bear it out: the Brier score falls on them."""
        if self.brier_before is None or self.brier_after is None:
            return False
        return self.chosen.kind != "none" and self.brier_after < self.brier_before


def refit(answers: Sequence[tuple[float, float, bool]]) -> Refit:
    """Fit on the older seven of ten answers, and tell errors on the newer three.

    Each answer is ``(at, confidence, accepted)``. Fewer than 30 to fit on leave everything as it
    is; the staircase takes part from 300 on.

    >>> always_too_sure = [(float(n), 0.95, n % 4 > 0) for n in range(400)]
    >>> found = refit(always_too_sure)
    >>> found.chosen.kind, found.fitted, found.held_out
    ('platt', 280, 120)
    >>> round(found.ece_before, 2), round(found.ece_after, 2), found.helps
    (0.2, 0.01, True)
    """
    ordered = sorted(answers)
    cut = len(ordered) - int(len(ordered) * HELD_OUT)
    told, was = [one[1] for one in ordered], [float(one[2]) for one in ordered]
    if cut < LEAST_FITTED:
        return Refit(CalibrationMap(), 0, 0)
    chosen = _chosen(told[:cut], was[:cut])
    later, came = told[cut:], was[cut:]
    becomes = {one: chosen.apply(one) for one in set(later)}
    mapped = [becomes[one] for one in later]
    return Refit(
        chosen,
        cut,
        len(later),
        brier(later, came),
        brier(mapped, came),
        calibration_error(later, came),
        calibration_error(mapped, came),
    )


def _chosen(told: Sequence[float], was: Sequence[float]) -> CalibrationMap:
    """Take the kind that says each half best when fitted on the other."""
    kinds: list[Kind] = ["none", "platt"]
    if len(told) >= LEAST_FOR_ISOTONIC:
        kinds.append("isotonic")
    # Earlier and later, not every other one: what comes in turns would look alike in both.
    middle = len(told) // 2
    earlier, later = pooled(told[:middle], was[:middle]), pooled(told[middle:], was[middle:])
    best = min(kinds, key=lambda kind: _off(kind, earlier, later) + _off(kind, later, earlier))
    return FITS[best](pooled(told, was))


def _off(kind: Kind, mine: Sequence[Pool], others: Sequence[Pool]) -> float:
    """Add up how far off a map that is fitted on some answers is for others."""
    fitted = FITS[kind](mine)
    return sum(_squares(one, fitted.apply(one.told)) for one in others)


def _squares(pool: Pool, says: float) -> float:
    """Add up the squared distances of a pool's answers, each 1 or 0, from what is said of them."""
    return pool.right * (1.0 - says) ** 2 + (pool.answers - pool.right) * says**2
