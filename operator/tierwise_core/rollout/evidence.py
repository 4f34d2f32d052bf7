"""What a rollout's windows add up to, and how sure it makes us; folded window by window.

The state is small, plain and made of nothing but the windows, so that a restarted operator goes on
where it was and a replay of the windows ends in the same verdict.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import Final

from tierwise_core.rollout.purses import (
    BETTER,
    BETTER_BY,
    BETTER_PURSE,
    CONTRADICTED,
    CONTRADICTED_MORE,
    CONTRADICTED_PURSE,
    NOT_BETTER,
    NOT_BETTER_BY,
    NOT_BETTER_PURSE,
    NOT_WORSE,
    NOT_WORSE_BY,
    NOT_WORSE_PURSE,
    REJECTED,
    REJECTED_MORE,
    REJECTED_PURSE,
    UTILITY_PURSE,
    WORSE,
    WORSE_BY,
    WORSE_PURSE,
    Purse,
)
from tierwise_core.rollout.samples import NOTHING, SideSample, WindowSample
from tierwise_core.rollout.wagers import Contest, Expected, RateContest, Sums, mixed

__all__ = ["Baseline", "Evidence", "Yardstick", "observe"]

PRIOR_WEIGHT: Final = 5.0
LEAST_VARIANCE: Final = 1e-3
TYPICAL_CONTRADICTIONS: Final = (0.5, 25.0)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What was known of blue before: the mean of its utility and the variance of one answer's.

    ``answers`` is how many judged ones this is drawn from; 0 where it is a mere guess.
    """

    utility: float = 0.75
    variance: float = 0.08
    accepted: float = 0.8
    answers: int = 0


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What counts as a difference, and how many answers make a step.

    ``delta`` is the least change of utility that counts in the field, ``tolerance`` how many times
    blue's contradictions are too many, ``first`` the answers of green before its share may change
    (2T) and ``step`` those from one look to the next (T).
    """

    delta: float = 0.04
    tolerance: float = 1.5
    first: int = 8
    step: int = 4


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything a verdict rests on.

    ``blue`` and ``green`` are the sums of what was compared, ``waiting`` what still lacks a
    counterpart on the other side. ``ignored`` counts windows that could not be true, and ``why``
    says what was wrong with the last.
    """

    baseline: Baseline = Baseline()
    until: float = 0.0
    blue: SideSample = NOTHING
    green: SideSample = NOTHING
    waiting_blue: SideSample = NOTHING
    waiting_green: SideSample = NOTHING
    worse: Purse = WORSE
    rejected: Purse = REJECTED
    contradicted: Purse = CONTRADICTED
    not_worse: Purse = NOT_WORSE
    not_better: Purse = NOT_BETTER
    better: Purse = BETTER
    windows: int = 0
    ignored: int = 0
    why: str = ""

    @property
    def difference(self) -> float | None:
        """Green's mean utility less blue's; None as long as one of them has none."""
        blue, green = self.blue.mean, self.green.mean
        return None if blue is None or green is None else green - blue

    @property
    def standard_error(self) -> float | None:
        """The standard error of the difference."""
        if not (self.blue.judged and self.green.judged):
            return None
        blue = self.known(self.blue).variance / self.blue.judged
        green = self.known(self.green).variance / self.green.judged
        return sqrt(blue + green)

    @property
    def worse_log(self) -> float:
        """The logarithm of the evidence that green is worse at all."""
        utility = self.worse.capital(WORSE_PURSE)
        accepted = self.rejected.capital(REJECTED_PURSE)
        return mixed((UTILITY_PURSE, 1 - UTILITY_PURSE), (utility, accepted))

    @property
    def not_worse_log(self) -> float:
        """The logarithm of the evidence that green is not worse by delta."""
        return self.not_worse.capital(NOT_WORSE_PURSE)

    @property
    def better_log(self) -> float:
        """The logarithm of the evidence that green is better at all."""
        return self.better.capital(BETTER_PURSE)

    @property
    def not_better_log(self) -> float:
        """The logarithm of the evidence that green is not better by delta."""
        return self.not_better.capital(NOT_BETTER_PURSE)

    @property
    def contradicted_log(self) -> float:
        """The logarithm of the evidence that green contradicts too much."""
        return self.contradicted.capital(CONTRADICTED_PURSE)

    @property
    def record(self) -> tuple[float, float] | None:
        """Blue's mean utility and its standard error: measured beside green, or before.

        None where nothing of blue's was ever measured.

        >>> Evidence(baseline=Baseline(0.8, 0.04, answers=400)).record
        (0.8, 0.01)
        """
        if self.blue.judged:
            known = self.known(self.blue)
            return self.blue.utility / self.blue.judged, sqrt(known.variance / self.blue.judged)
        if not self.baseline.answers:
            return None
        return self.baseline.utility, sqrt(self.baseline.variance / self.baseline.answers)

    def served(self, at: float) -> Evidence:
        """Return what counts from here on, where green was unseen until now: other sums.

        What either side did unseen goes on counting against green, so that the chance of a wrong
        rollback stays what it is.
        """
        return replace(
            self,
            until=max(self.until, at),
            blue=NOTHING,
            green=NOTHING,
            waiting_blue=NOTHING,
            waiting_green=NOTHING,
        )

    def afresh(self, at: float) -> Evidence:
        """Return the same without anything that spoke for green."""
        return replace(self.served(at), not_worse=NOT_WORSE, not_better=NOT_BETTER, better=BETTER)

    def known(self, side: SideSample) -> Expected:
        """Return what is known of a side so far; at first what the baseline says."""
        weight = PRIOR_WEIGHT + side.judged
        mean = (PRIOR_WEIGHT * self.baseline.utility + side.utility) / weight
        spread = side.utility_squared - 2 * mean * side.utility + side.judged * mean * mean
        variance = (PRIOR_WEIGHT * self.baseline.variance + spread) / weight
        return Expected(mean, max(LEAST_VARIANCE, variance))


def observe(
    evidence: Evidence, window: WindowSample, yardstick: Yardstick, *, proves: bool = True
) -> Evidence:
    """Add a window to the evidence; one that ``proves`` nothing speaks against green only.

    A window that ends before one that was seen is a repetition and changes nothing; one that cannot
    be true is counted and left out.
    """
    if wrong := window.problem():
        return replace(evidence, ignored=evidence.ignored + 1, why=wrong)
    if window.until <= evidence.until or window.since < evidence.until:
        return evidence
    waiting = replace(
        evidence,
        until=window.until,
        windows=evidence.windows + 1,
        waiting_blue=evidence.waiting_blue + window.blue,
        waiting_green=evidence.waiting_green + window.green,
    )
    least = 1 if waiting.green.judged < yardstick.first else yardstick.step
    both = min(waiting.waiting_blue.judged, waiting.waiting_green.judged)
    if both < least:
        return waiting
    against = _against(waiting, yardstick)
    return _for(against, waiting, yardstick) if proves else against


def _against(now: Evidence, yardstick: Yardstick) -> Evidence:
    """Let those bet on what waits who think that green is worse, knowing what came before it."""
    blue, green, delta = now.waiting_blue, now.waiting_green, yardstick.delta
    below = _green_below(now)
    return replace(
        now,
        blue=now.blue + blue,
        green=now.green + green,
        waiting_blue=NOTHING,
        waiting_green=NOTHING,
        worse=now.worse.bet([below.gain(0.0, by * delta) for by in WORSE_BY], late_starts=True),
        rejected=_rejected(now, blue, green),
        contradicted=_contradicted(now, blue, green, yardstick.tolerance),
    )


def _for(after: Evidence, now: Evidence, yardstick: Yardstick) -> Evidence:
    """Let the others bet: that green is not worse by delta, is better, or does not differ."""
    delta, below, above = yardstick.delta, _green_below(now), _green_above(now)
    return replace(
        after,
        not_worse=now.not_worse.bet([above.gain(-delta, by * delta) for by in NOT_WORSE_BY]),
        not_better=now.not_better.bet([below.gain(-delta, by * delta) for by in NOT_BETTER_BY]),
        better=now.better.bet([above.gain(0.0, by * delta) for by in BETTER_BY]),
    )


def _green_below(now: Evidence) -> Contest:
    blue, green = _sums(now.waiting_blue), _sums(now.waiting_green)
    return Contest(green, blue, now.known(now.green), now.known(now.blue))


def _green_above(now: Evidence) -> Contest:
    blue, green = _sums(now.waiting_blue), _sums(now.waiting_green)
    return Contest(blue, green, now.known(now.blue), now.known(now.green))


def _sums(side: SideSample) -> Sums:
    return Sums(side.judged, side.utility, side.utility_squared)


def _rejected(now: Evidence, blue: SideSample, green: SideSample) -> Purse:
    """Bet that green's answers are rejected more often."""
    if not (blue.verdicts and green.verdicts):
        return now.rejected
    expected = PRIOR_WEIGHT * now.baseline.accepted + now.blue.accepted
    usual = _inside(1 - expected / (PRIOR_WEIGHT + now.blue.verdicts))
    contest = RateContest(
        (green.verdicts, float(green.verdicts - green.accepted)),
        (blue.verdicts, float(blue.verdicts - blue.accepted)),
    )
    gains = [contest.gain(1 - (1 - usual) * (1 - less), usual) for less in REJECTED_MORE]
    return now.rejected.bet(gains, late_starts=True)


def _contradicted(now: Evidence, blue: SideSample, green: SideSample, tolerance: float) -> Purse:
    """Bet that green contradicts more than ``tolerance`` times as often as blue."""
    if not (blue.compared and green.compared):
        return now.contradicted
    some, of = TYPICAL_CONTRADICTIONS
    usual = _inside((some + now.blue.contradictions) / (of + now.blue.compared))
    usual = min(usual, 0.9 / tolerance)
    contest = RateContest(
        (green.compared, float(green.contradictions)),
        (blue.compared, float(blue.contradictions)),
        tolerance,
    )
    rates = [min(0.95, tolerance * usual * more) for more in CONTRADICTED_MORE]
    gains = [contest.gain(rate, usual) for rate in rates]
    return now.contradicted.bet(gains, late_starts=True)


def _inside(share: float) -> float:
    return min(0.995, max(0.005, share))
