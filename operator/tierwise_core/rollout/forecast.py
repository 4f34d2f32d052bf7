"""How long a rollout will take, told before it begins."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log, sqrt

from tierwise_core.rollout.evidence import Yardstick
from tierwise_core.rollout.judgement import Certainty
from tierwise_core.rollout.purses import (
    FIRST_STAKE,
    NOT_WORSE_PURSE,
    UTILITY_PURSE,
    WORSE_PURSE,
)

__all__ = ["Forecast", "answers_until", "detectable", "forecast"]

EVEN = 0.5
CANARY = 0.05


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
    for one that is worse by half of all. ``detectable`` is what a deadline's traffic can show.
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
            (self.equal, " judged answers", "it is equal"),
            (self.better, "", "better"),
            (self.worse, "", "worse by what counts"),
            (self.broken, "", "broken"),
        )
        return ", ".join(
            f"{answers}{unit}{_hours(answers, answers_per_hour)} if {case}"
            for answers, unit, case in cases
        )


def _hours(answers: int, answers_per_hour: float | None) -> str:
    return f" ({answers / answers_per_hour:.2g} h)" if answers_per_hour else ""


def forecast(
    yardstick: Yardstick,
    variance: float,
    certainty: Certainty | None = None,
    deadline_answers: float | None = None,
) -> Forecast:
    """Say how many judged answers a verdict will take, from the variance of blue's utility.

    >>> ahead = forecast(Yardstick(0.025, 1.5, 20, 10), variance=0.0634)
    >>> ahead.equal, ahead.better, ahead.worse, ahead.broken
    (4152, 1216, 5045, 50)
    """
    sure = certainty or Certainty()
    delta = yardstick.delta
    not_worse = log(1 / sure.promote_worse) - log(NOT_WORSE_PURSE[0])
    better = log(1 / sure.promote_worse) - log(NOT_WORSE_PURSE[1])
    worse = log(1 / sure.reject_equal) - log(UTILITY_PURSE * FIRST_STAKE * WORSE_PURSE[0])
    return Forecast(
        equal=answers_until(not_worse, delta, variance),
        better=answers_until(better, 2 * delta, variance),
        worse=answers_until(worse, delta, variance, share=0.25),
        broken=answers_until(worse, 0.5, variance, share=CANARY),
        detectable=None
        if deadline_answers is None
        else detectable(deadline_answers, not_worse, variance),
    )
