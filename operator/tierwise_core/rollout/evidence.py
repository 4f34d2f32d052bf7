"""What a rollout's windows add up to, and how sure it makes us; folded window by window.

The state is small, plain and made of nothing but the windows, so that a restarted operator goes on
where it was and a replay of the windows ends in the same verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log, sqrt
from typing import Final

from tierwise_core.rollout.samples import NOTHING, SideSample, WindowSample
from tierwise_core.rollout.wagers import Contest, Expected, RateContest, Sums, mixed

__all__ = ["Baseline", "Evidence", "Purse", "Yardstick", "observe"]

WORSE_BY: Final = (1.0, 3.0, 10.0)
"""How many deltas worse the bettors think that green is: by what just counts, clearly, broken."""
WORSE_PURSE: Final = (0.45, 0.35, 0.2)
NOT_WORSE_BY: Final = (1.0, 2.0, 3.0)
NOT_WORSE_PURSE: Final = (0.6, 0.25, 0.15)
NOT_BETTER_BY: Final = (1.0, 2.0)
NOT_BETTER_PURSE: Final = (0.7, 0.3)
BETTER_BY: Final = (1.0, 2.0, 4.0)
BETTER_PURSE: Final = (0.4, 0.4, 0.2)
REJECTED_MORE: Final = (0.15, 0.35, 0.6, 0.8)
"""Which part of blue's accepted answers the bettors think that green loses."""
REJECTED_PURSE: Final = (0.25, 0.25, 0.25, 0.25)
CONTRADICTED_MORE: Final = (2.0, 4.0, 8.0)
CONTRADICTED_PURSE: Final = (0.4, 0.3, 0.3)
UTILITY_PURSE: Final = 0.7
"""The share of the purse that bets on utility; the rest bets on accepted answers."""

FIRST_STAKE: Final = 0.75
PRIOR_WEIGHT: Final = 5.0
LEAST_VARIANCE: Final = 1e-3
TYPICAL_CONTRADICTIONS: Final = (0.5, 25.0)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What was known of blue before: the mean of its utility and the variance of one answer's."""

    utility: float = 0.75
    variance: float = 0.08
    accepted: float = 0.8


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
class Purse:
    """The logarithms of what some bettors hold, each as a part of the 1 they all began with.

    ``untouched`` is what they have not staked yet: a part is held back for starts at later steps,
    so that a candidate that is good at first and then is not can still be found out.
    """

    gains: tuple[float, ...]
    steps: int = 0
    untouched: float = 1.0

    def bet(self, gains: Sequence[float], *, late_starts: bool = False) -> Purse:
        """Return the purse after a step that brought these gains (logarithms)."""
        steps = self.steps + 1
        fresh = _fresh(steps) if late_starts else float(steps == 1)
        held = (_log_add(old, fresh) if steps > 1 else log(fresh) for old in self.gains)
        after = tuple(old + gain for old, gain in zip(held, gains, strict=True))
        return Purse(after, steps, max(0.0, self.untouched - fresh))

    def capital(self, parts: Sequence[float]) -> float:
        """Return the logarithm of what all hold together; ``parts`` is how they shared the 1."""
        if not self.steps:
            return 0.0
        staked = mixed(parts, self.gains)
        return _log_add(staked, self.untouched)


def _fresh(step: int) -> float:
    """Return the part of the purse whose bets begin at a step; over all steps it comes to 1.

    >>> [round(_fresh(step), 3) for step in (1, 2, 3, 4)]
    [0.75, 0.125, 0.042, 0.021]
    """
    return FIRST_STAKE if step == 1 else (1 - FIRST_STAKE) / (step * (step - 1))


def _log_add(logarithm: float, amount: float) -> float:
    if amount <= 0:
        return logarithm
    most = max(logarithm, log(amount))
    return most + log(exp(logarithm - most) + exp(log(amount) - most))


WORSE: Final = Purse((0.0,) * len(WORSE_PURSE))
REJECTED: Final = Purse((0.0,) * len(REJECTED_PURSE))
CONTRADICTED: Final = Purse((0.0,) * len(CONTRADICTED_PURSE))
NOT_WORSE: Final = Purse((0.0,) * len(NOT_WORSE_PURSE))
NOT_BETTER: Final = Purse((0.0,) * len(NOT_BETTER_PURSE))
BETTER: Final = Purse((0.0,) * len(BETTER_PURSE))


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

    def known(self, side: SideSample) -> Expected:
        """Return what is known of a side so far; at first what the baseline says."""
        weight = PRIOR_WEIGHT + side.judged
        mean = (PRIOR_WEIGHT * self.baseline.utility + side.utility) / weight
        spread = side.utility_squared - 2 * mean * side.utility + side.judged * mean * mean
        variance = (PRIOR_WEIGHT * self.baseline.variance + spread) / weight
        return Expected(mean, max(LEAST_VARIANCE, variance))


def observe(evidence: Evidence, window: WindowSample, yardstick: Yardstick) -> Evidence:
    """Add a window to the evidence.

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
    return _compare(waiting, yardstick) if both >= least else waiting


def _compare(now: Evidence, yardstick: Yardstick) -> Evidence:
    """Let the bettors bet on what waits, knowing only what came before it."""
    blue, green, delta = now.waiting_blue, now.waiting_green, yardstick.delta
    below, above = _green_below(now), _green_above(now)
    return replace(
        now,
        blue=now.blue + blue,
        green=now.green + green,
        waiting_blue=NOTHING,
        waiting_green=NOTHING,
        worse=now.worse.bet([below.gain(0.0, by * delta) for by in WORSE_BY], late_starts=True),
        not_worse=now.not_worse.bet([above.gain(-delta, by * delta) for by in NOT_WORSE_BY]),
        not_better=now.not_better.bet([below.gain(-delta, by * delta) for by in NOT_BETTER_BY]),
        better=now.better.bet([above.gain(0.0, by * delta) for by in BETTER_BY]),
        rejected=_rejected(now, blue, green),
        contradicted=_contradicted(now, blue, green, yardstick.tolerance),
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
