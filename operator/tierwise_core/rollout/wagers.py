"""Bets against a hypothesis that stay honest however often one looks.

A bettor who starts with 1 and bets against something true does not expect to gain, whenever it
stops: the chance that its capital ever reaches 1/alpha is at most alpha (Ville, 1939). So a rollout
may look at its evidence after every answer, and stop when it likes. Two kinds of bets are made, and
both need only the counts and sums of a window:

- on a difference of means, with the variance that was really seen. For x in [0, 1], any m and any
  0 <= l < 1/c with x - m >= -c: ``E exp(l (x - mean) - psi(c l)/c^2 (x - m)^2) <= 1`` where
  ``psi(l) = -ln(1 - l) - l`` (Fan, Grama and Liu 2015; Howard and others 2021). Blue's and green's
  bets are sized so that their sum is a bet on the difference alone, whatever the level is.
- on two shares, exact for whatever lies in [0, 1]; strong where the difference is large and the
  sample tiny (Turner, Ly and Grunwald 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, log1p
from typing import Self

__all__ = ["Contest", "Expected", "RateContest", "Sums", "mixed", "psi"]

BOLDEST = 0.8
"""How near a bet comes to the size at which a single answer could ruin the bettor."""


CERTAIN = 10**12


@dataclass(frozen=True, slots=True)
class Sums:
    """One side of a window: ``count`` values in [0, 1], their sum and the sum of their squares."""

    count: int
    total: float
    squares: float

    @classmethod
    def certain(cls, mean: float) -> Self:
        """Return a side whose mean is known beyond doubt."""
        return cls(CERTAIN, CERTAIN * mean, CERTAIN * mean * mean)

    @property
    def mean(self) -> float:
        """Their mean."""
        return self.total / self.count

    def around(self, guess: float) -> float:
        """Return the sum of squared distances from ``guess``.

        >>> Sums(2, 1.0, 1.0).around(0.5)
        0.5
        """
        return max(0.0, self.squares - 2 * guess * self.total + self.count * guess * guess)


@dataclass(frozen=True, slots=True)
class Expected:
    """What was known of a side before the window: its mean, and the variance of one answer."""

    mean: float
    variance: float


def psi(size: float) -> float:
    """Return what a bet of ``size`` pays for the variance: ``-ln(1 - size) - size``.

    Half the square for small bets:

    >>> round(psi(0.1), 5), round(psi(0.5), 4)
    (0.00536, 0.1931)
    """
    return -log1p(-size) - size


@dataclass(frozen=True, slots=True)
class Contest:
    """A window as a contest of two means: ``low`` is the side that is thought to be lower.

    What was ``known`` of each comes from before the window, so that a bet cannot know its end.
    """

    low: Sums
    high: Sums
    low_known: Expected
    high_known: Expected

    def stake(self, gap: float) -> float:
        """Return the bet that pays most if the difference lies ``gap`` beyond the tested one.

        The gap over the variance of the difference of two means, and never so bold that one answer
        could ruin it.

        >>> known, ten = Expected(0.8, 0.06), Sums(10, 8, 7)
        >>> round(Contest(ten, ten, known, known).stake(0.025), 3)
        2.083
        """
        low, high = self.low, self.high
        variance = self.low_known.variance / low.count + self.high_known.variance / high.count
        boldest = min(low.count / self._low_reach, high.count / self._high_reach)
        return min(BOLDEST * boldest, gap / variance)

    def gain(self, tested: float, gap: float) -> float:
        """Return the logarithm of what a bet brings that the difference exceeds ``tested``.

        Against the hypothesis that ``high`` exceeds ``low`` by at most that. Twenty answers a side,
        0.9 against 0.7, tested for no difference at all:

        >>> known = Expected(0.8, 0.06)
        >>> low, high = Sums(20, 14.0, 11.0), Sums(20, 18.0, 17.0)
        >>> round(Contest(low, high, known, known).gain(0.0, 0.2), 2)
        1.93
        """
        bet, low, high = self.stake(gap), self.low, self.high
        won = bet * (high.mean - low.mean - tested)
        paid = _paid(bet / low.count, self._low_reach, low.around(self.low_known.mean))
        paid += _paid(bet / high.count, self._high_reach, high.around(self.high_known.mean))
        return won - paid

    @property
    def _low_reach(self) -> float:
        # The low side gains from low values: the worst that one answer can do to it is to be 1.
        return max(1.0 - self.low_known.mean, 0.01)

    @property
    def _high_reach(self) -> float:
        return max(self.high_known.mean, 0.01)


def _paid(size: float, reach: float, spread: float) -> float:
    return psi(size * reach) / reach**2 * spread


@dataclass(frozen=True, slots=True)
class RateContest:
    """A window as a contest of two rates, each side as (count, sum).

    Tested is that ``more``'s rate is at most ``ratio`` times ``less``'s.
    """

    more: tuple[int, float]
    less: tuple[int, float]
    ratio: float = 1.0

    def gain(self, more_rate: float, less_rate: float) -> float:
        """Return the logarithm of what a bet on these two rates brings.

        The odds are set against the point of the hypothesis that is nearest to what is bet on, so
        that nobody expects to gain at any other point of it either. Three of three wrong where 15 %
        are wrong, beside 8 of 57:

        >>> round(RateContest((3, 3.0), (57, 8.0)).gain(0.66, 0.15), 2)
        4.21

        Nine contradictions in 100 against five in 300, tested for one and a half times as many:

        >>> round(RateContest((100, 9.0), (300, 5.0), ratio=1.5).gain(0.12, 0.02), 2)
        2.88
        """
        nearest = self._nearest(more_rate, less_rate)
        more = _likelihood(more_rate, self.ratio * nearest, *self.more)
        return more + _likelihood(less_rate, nearest, *self.less)

    def _nearest(self, more_rate: float, less_rate: float) -> float:
        """Return the lesser rate of the hypothesis that is nearest to the two rates bet on."""
        more, less = self.more[0], self.less[0]
        if self.ratio == 1.0:
            return (more * more_rate + less * less_rate) / (more + less)
        low, high = 0.0, min(1.0, 1.0 / self.ratio)
        for _ in range(60):
            middle = (low + high) / 2
            slope = self.ratio * more * _pull(more_rate, self.ratio * middle)
            slope += less * _pull(less_rate, middle)
            low, high = (middle, high) if slope > 0 else (low, middle)
        return (low + high) / 2


def _pull(rate: float, at: float) -> float:
    return (rate - at) / (at * (1 - at))


def _likelihood(rate: float, tested: float, count: int, total: float) -> float:
    return total * log(rate / tested) + (count - total) * log((1 - rate) / (1 - tested))


def mixed(weights: Sequence[float], gains: Sequence[float]) -> float:
    """Return the logarithm of the capital of several bettors who shared the first 1 by weight.

    >>> round(mixed((0.5, 0.5), (0.0, 2.0)), 3)
    1.434
    """
    most = max(gains)
    return most + log(
        sum(weight * exp(gain - most) for weight, gain in zip(weights, gains, strict=True))
    )
