"""How long a rollout will take, told before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log, sqrt

from tierwise_core.rollout.evidence import LEAST_VARIANCE
from tierwise_core.rollout.purses import (
    FIRST_STAKE,
    NOT_WORSE_PURSE,
    UTILITY_PURSE,
    WORSE_PURSE,
)
from tierwise_core.rollout.ramp import HALF
from tierwise_core.rollout.situation import Wish

__all__ = ["Forecast", "Leg", "answers_until", "detectable", "forecast", "legs_of"]

EVEN = 0.5
CANARY = 0.05
BROKEN = 0.5


def answers_until(evidence: float, gap: float, variance: float, share: float = EVEN) -> int:
    """Return the judged answers, of both sides, that bring an amount of evidence on average.

    A bet on a difference that lies ``gap`` beyond what is tested gains half the square of the gap
    over the variance of the difference: ``n = 2 evidence variance / (gap^2 share (1 - share))``
    with n answers of which ``share`` are green's. ``evidence`` is in nats, ``variance`` that of one
    answer's utility. For 99 % where 0.025 counts:

    >>> answers_until(log(100), 0.025, 0.0634)
    3738
    """
    return ceil(2 * evidence * variance / (gap * gap * share * (1 - share)))


def detectable(answers: float, evidence: float, variance: float, share: float = EVEN) -> float:
    """Return the smallest difference that so many answers show; the reverse of the above.

    >>> round(detectable(3738, log(100), 0.0634), 4)
    0.025
    """
    return sqrt(2 * evidence * variance / (answers * share * (1 - share)))


@dataclass(frozen=True, slots=True)
class Forecast:
    """Judged answers of both sides until a verdict, on average, and the smallest difference seen.

    ``equal`` until a candidate that does not differ is found not to be worse, ``better`` for one
    that is better by delta, ``worse`` until one that is worse by delta is sent back, ``broken``
    for one that is worse by half of all; 0 where nobody waits for that verdict. ``detectable`` is
    what a deadline's traffic can show.
    """

    equal: int
    better: int
    worse: int
    broken: int
    detectable: float | None = None

    def told(self, answers_per_hour: float | None = None) -> str:
        """Tell it in words, with hours where the traffic is known.

        >>> Forecast(4500, 1100, 4000, 120).told(1000)
        '4500 judged answers (4.5 h) if it is equal, 1100 (1.1 h) if better, 4000 (4 h) if worse \
by what counts, 120 (0.12 h) if broken'
        """
        cases = (
            (self.equal, "it is equal"),
            (self.better, "better"),
            (self.worse, "worse by what counts"),
            (self.broken, "broken"),
        )
        told = [
            f"{answers}{{}}{_hours(answers, answers_per_hour)} if {case}"
            for answers, case in cases
            if answers
        ]
        return ", ".join(told).replace("{}", " judged answers", 1).replace("{}", "")


def _hours(answers: int, answers_per_hour: float | None) -> str:
    return f" ({answers / answers_per_hour:.2g} h)" if answers_per_hour else ""


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of a ramp, as evidence sees it.

    ``answers`` to users it takes at least, None where it lasts until the end. ``tells`` is how much
    one of them says of the difference: ``share (1 - share)`` where both serve, ``q / (1 + q)``
    where green answers the share ``q`` unseen. ``waits`` for the proof that promotion needs.
    """

    tells: float
    answers: float | None = None
    serves: bool = True
    waits: bool = True


def legs_of(wish: Wish) -> tuple[Leg, ...] | None:
    """Return the legs of a wish's strategy; None where the share follows the evidence.

    >>> legs_of(Wish()) is None
    True
    >>> [round(leg.tells, 3) for leg in legs_of(Wish(strategy="Stages")) or ()]
    [0.091, 0.09, 0.188, 0.25, 0.09]
    """
    if wish.strategy == "Shadow":
        return (_unseen(wish.shadow_percent),)
    if wish.strategy == "BlueGreen":
        return (Leg(1.0, waits=False),)  # green alone, beside a record of blue's that is known
    if wish.strategy == "Utility":
        return None
    return tuple(_leg(wish, at) for at in range(len(wish.ramp)))


def _unseen(percent: int) -> Leg:
    share = percent / 100
    return Leg(share / (1 + share))


def _leg(wish: Wish, at: int) -> Leg:
    step, after = wish.ramp[at], wish.ramp[at + 1 : at + 2]
    share = (step.percent or step.shadow_percent) / 100
    waits = not after or (step.percent <= HALF < after[0].percent)
    tells = share * (1 - share) if step.percent else _unseen(step.shadow_percent).tells
    return Leg(tells, step.least(wish.yardstick.step) / share, step.percent > 0, waits)


def _until_proven(legs: Sequence[Leg], evidence: float, gap: float, variance: float) -> int:
    """Return the answers until the end of the ramp; what was unseen proves nothing."""
    total, left = 0.0, evidence
    alone = len(legs) == 1
    for leg in legs:
        gain = gap * gap * leg.tells / (2 * variance) if leg.serves or alone else 0.0
        answers = leg.answers or 0.0
        if leg.waits and left > 0 and gain:
            answers = max(answers, left / gain)
        total, left = total + answers, left - answers * gain
    return ceil(total)


def _until_back(legs: Sequence[Leg], evidence: float, gap: float, variance: float) -> int:
    """Return the answers until green has lost; what was unseen counts against it."""
    total, left = 0.0, evidence
    for leg in legs:
        gain = gap * gap * leg.tells / (2 * variance)
        if leg.answers is None or left <= leg.answers * gain or leg is legs[-1]:
            return ceil(total + left / gain)
        total, left = total + leg.answers, left - leg.answers * gain
    return ceil(total)


def forecast(wish: Wish, variance: float, deadline_answers: float | None = None) -> Forecast:
    """Say how many judged answers a verdict will take, from the variance of blue's utility.

    >>> from tierwise_core.rollout.evidence import Yardstick
    >>> wish = Wish(yardstick=Yardstick(0.025, 1.5, 20, 10))
    >>> ahead = forecast(wish, variance=0.0634)
    >>> ahead.equal, ahead.better, ahead.worse, ahead.broken
    (4152, 1216, 5045, 50)

    By stages it takes longer, since shares far from half say less:

    >>> ahead = forecast(Wish(yardstick=wish.yardstick, strategy="Stages"), variance=0.0634)
    >>> ahead.equal, ahead.better, ahead.worse, ahead.broken
    (6003, 3067, 9710, 27)
    """
    # Answers that were all alike so far say that the variance is small, not that there is none.
    variance = max(variance, LEAST_VARIANCE)
    sure, delta, legs = wish.certainty, wish.yardstick.delta, legs_of(wish)
    not_worse = log(1 / sure.promote_worse) - log(NOT_WORSE_PURSE[0])
    better = log(1 / sure.promote_worse) - log(NOT_WORSE_PURSE[1])
    worse = log(1 / sure.reject_equal) - log(UTILITY_PURSE * FIRST_STAKE * WORSE_PURSE[0])
    shown = None
    if deadline_answers is not None:
        shown = detectable(deadline_answers, not_worse, variance)
    if legs is None:
        return Forecast(
            equal=answers_until(not_worse, delta, variance),
            better=answers_until(better, 2 * delta, variance),
            worse=answers_until(worse, delta, variance, share=0.25),
            broken=answers_until(worse, BROKEN, variance, share=CANARY),
            detectable=shown,
        )
    return Forecast(
        equal=_until_proven(legs, not_worse, delta, variance),
        better=_until_proven(legs, better, 2 * delta, variance),
        # Whoever is switched already is held against blue's record less delta: that is let pass.
        worse=0 if wish.strategy == "BlueGreen" else _until_back(legs, worse, delta, variance),
        broken=_until_back(legs, worse, BROKEN, variance),
        detectable=shown,
    )
