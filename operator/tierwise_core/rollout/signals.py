"""Reversion signals: what should stop a ramp, beside the utility of the answers.

The source document names them for migrations; the same hold for a new revision. Here is what each
says of one window of both sides, so that a slow hour of everybody is nobody's fault: whether green
is over the line in it, and what bettors against "green is not over the line" gain by it. When they
hold a ramp and when they take it back is said in :mod:`.alarms`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import log, sqrt
from types import MappingProxyType
from typing import Final

from tierwise_core.rollout.samples import SideSample
from tierwise_core.rollout.wagers import Contest, Expected, RateContest, Sums

__all__ = ["BETS", "Pair", "Reading", "Signal", "Thresholds", "read"]


class Signal(StrEnum):
    """What may be wrong."""

    QUALITY = "QualityFloor"
    ESCALATIONS = "Escalations"
    COST = "CostPerAcceptedAnswer"
    LATENCY = "LatencyObjective"
    VARIANCE = "LatencyVariance"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when a window is over the line; None leaves a signal out, the ``ignored`` never fire.

    ``quality`` is the least share of accepted answers. ``escalation_points`` is the rise of the
    escalation rate over blue's, as a share; ``cost_rise`` that of an accepted answer's cost.
    ``p99_s`` is the objective of the 99th percentile in seconds, which may be missed in
    ``p99_share`` of the windows. ``variance_rise`` is the rise of p99 over p50 beside blue's.
    """

    quality: float | None = None
    escalation_points: float = 0.05
    cost_rise: float = 0.1
    p99_s: float | None = None
    p99_share: float = 0.01
    variance_rise: float = 0.5
    ignored: tuple[Signal, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """Both sides: in one window, or in all before it."""

    blue: SideSample
    green: SideSample


@dataclass(frozen=True, slots=True)
class Reading:
    """What a signal says of a window.

    ``over`` says that green is over the line, and ``gains`` are the logarithms of what the bettors
    of :data:`BETS` win.
    """

    over: bool
    gains: tuple[float, ...]
    why: str


FLOORS: Final = (0.9, 0.7, 0.4)
"""Which part of the quality floor the bettors think that green reaches."""
ESCALATED: Final = (0.05, 0.15, 0.4)
"""By how much more than allowed they think that green's escalation rate rises."""
STAKES: Final = (0.5, 0.9)
"""Which part of what they have they bet on green being over a line it crosses half the time."""
MISSED: Final = (0.2, 0.5, 0.9)
"""In which share of the windows they think that green misses the objective."""

BETS: Final[Mapping[Signal, int]] = MappingProxyType(
    {
        Signal.QUALITY: len(FLOORS),
        Signal.ESCALATIONS: len(ESCALATED),
        Signal.COST: len(STAKES),
        Signal.LATENCY: len(MISSED),
        Signal.VARIANCE: len(STAKES),
    }
)
"""How many bettors each signal has; they share the purse alike."""

_RARE: Final = 0.005
_LEAST_VARIANCE: Final = 0.01


def read(signal: Signal, before: Pair, window: Pair, limits: Thresholds) -> Reading | None:
    """Say what a signal makes of a window; None where it was not measured, or is not wanted.

    ``before`` is what both sides did until then, which is all that a bet may know. Three of four
    more escalations than blue's five of a hundred:

    >>> blue, green = SideSample(requests=100, escalations=5), SideSample(requests=20,
    ...     escalations=16)
    >>> nothing = Pair(SideSample(), SideSample())
    >>> found = read(Signal.ESCALATIONS, nothing, Pair(blue, green), Thresholds())
    >>> found.why
    'green escalates 80.0 % of 20 requests, blue 5.0 % of 100: more than 5 points'
    """
    return None if signal in limits.ignored else _READERS[signal](before, window, limits)


def _quality(_: Pair, window: Pair, limits: Thresholds) -> Reading | None:
    green, floor = window.green, limits.quality
    if floor is None or not green.verdicts:
        return None
    tested = min(1 - _RARE, max(_RARE, floor))
    rejected = green.verdicts - green.accepted
    gains = tuple(
        green.accepted * log(part) + rejected * log((1 - part * tested) / (1 - tested))
        for part in FLOORS
    )
    share = green.accepted / green.verdicts
    why = f"{100 * share:.1f} % of green's answers are accepted: below {100 * floor:g} %"
    return Reading(share < floor, gains, why)


def _escalations(before: Pair, window: Pair, limits: Thresholds) -> Reading | None:
    blue, green = window.blue, window.green
    if not (blue.requests and green.requests):
        return None
    contest = Contest(_escalated(blue), _escalated(green), *_usual(before))
    allowed = limits.escalation_points
    gains = tuple(contest.gain(allowed, more) for more in ESCALATED)
    of_all = before.blue + blue, before.green + green
    why = (
        f"green escalates {_percent(of_all[1])} requests, blue {_percent(of_all[0])}: "
        f"more than {100 * allowed:g} points"
    )
    return Reading(_beyond_chance(*of_all, allowed), gains, why)


def _percent(side: SideSample) -> str:
    return f"{100 * side.escalations / side.requests:.1f} % of {side.requests}"


def _escalated(side: SideSample) -> Sums:
    return Sums(side.requests, side.escalations, side.escalations)


def _usual(before: Pair) -> tuple[Expected, Expected]:
    return _expected(before.blue), _expected(before.green)


def _expected(side: SideSample) -> Expected:
    rate = (side.escalations + 1) / (side.requests + 10)
    return Expected(rate, max(_LEAST_VARIANCE, rate * (1 - rate)))


def _beyond_chance(blue: SideSample, green: SideSample, allowed: float) -> bool:
    """Say whether green escalates more, by two standard errors: a few requests are no trend."""
    rise = green.escalations / green.requests - blue.escalations / blue.requests
    of_all = (blue.escalations + green.escalations) / (blue.requests + green.requests)
    return rise > allowed + 2 * sqrt(
        of_all * (1 - of_all) * (1 / blue.requests + 1 / green.requests)
    )


def _cost(_: Pair, window: Pair, limits: Thresholds) -> Reading | None:
    of_blue, of_green = _price(window.blue), _price(window.green)
    if of_blue is None or of_green is None:
        return None
    over = of_green > of_blue * (1 + limits.cost_rise)
    why = (
        f"an accepted answer of green's costs USD {of_green:.6g}, of blue's {of_blue:.6g}: "
        f"more than {100 * limits.cost_rise:g} % above"
    )
    return Reading(over, _even_odds(over=over), why)


def _price(side: SideSample) -> float | None:
    return side.cost_usd / side.accepted if side.accepted else None


def _even_odds(*, over: bool) -> tuple[float, ...]:
    """Bet that green is over a line that two equal sides cross at most every other time."""
    return tuple(log(1 + stake) if over else log(1 - stake) for stake in STAKES)


def _latency(_: Pair, window: Pair, limits: Thresholds) -> Reading | None:
    objective, of_blue, of_green = limits.p99_s, window.blue.p99_s, window.green.p99_s
    if objective is None or of_blue is None or of_green is None:
        return None
    over = of_green > objective
    contest = RateContest((1, float(over)), (1, float(of_blue > objective)))
    gains = tuple(contest.gain(share, _RARE) for share in MISSED)
    why = f"green's p99 is {of_green:.3g} s, blue's {of_blue:.3g} s: over {objective:g} s"
    return Reading(over, gains, why)


def _variance(_: Pair, window: Pair, limits: Thresholds) -> Reading | None:
    usual, ratio = _spread(window.blue), _spread(window.green)
    if usual is None or ratio is None:
        return None
    over = ratio > usual * (1 + limits.variance_rise)
    why = (
        f"green's p99 is {ratio:.2g} times its p50, blue's {usual:.2g} times: "
        f"more than {100 * limits.variance_rise:g} % above"
    )
    return Reading(over, _even_odds(over=over), why)


def _spread(side: SideSample) -> float | None:
    return side.p99_s / side.p50_s if side.p99_s is not None and side.p50_s else None


_Reader = Callable[[Pair, Pair, Thresholds], Reading | None]
_READERS: Final[Mapping[Signal, _Reader]] = MappingProxyType(
    {
        Signal.QUALITY: _quality,
        Signal.ESCALATIONS: _escalations,
        Signal.COST: _cost,
        Signal.LATENCY: _latency,
        Signal.VARIANCE: _variance,
    }
)


def parts(signal: Signal) -> Sequence[float]:
    """Return how a signal's bettors share their purse."""
    return (1 / BETS[signal],) * BETS[signal]
