"""Reversion signals: what should stop a ramp, beside the utility of the answers.

The source document names them for migrations; the same hold for a new revision. A signal that fires
holds the ramp; one that goes on firing takes the rollout back. Each looks at windows of both sides,
so that a slow hour of everybody is nobody's fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

__all__ = ["Signal", "SignalWindow", "Thresholds", "fired"]


class Signal(StrEnum):
    """What may be wrong."""

    QUALITY = "QualityFloor"
    ESCALATIONS = "Escalations"
    COST = "CostPerAcceptedAnswer"
    LATENCY = "LatencyObjective"
    VARIANCE = "LatencyVariance"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when a signal fires; None leaves one out.

    ``quality`` is the least share of accepted answers, missed in ``quality_windows`` windows in a
    row. ``escalation_points`` is the rise of the escalation rate over blue's, as a share.
    ``cost_windows`` are windows in a row in which an accepted answer cost more than blue's.
    ``p99_s`` is the objective of the 99th percentile, missed in more than ``p99_share`` of the
    windows. ``variance_rise`` is the rise of p99 over p50 beside blue's, as a share, and
    ``cost_rise`` that of an accepted answer's cost. The ``ignored`` never fire.
    """

    quality: float | None = None
    quality_windows: int = 2
    escalation_points: float = 0.05
    cost_windows: int = 2
    p99_s: float | None = None
    p99_share: float = 0.01
    variance_rise: float = 0.5
    cost_rise: float = 0.1
    ignored: tuple[Signal, ...] = ()


@dataclass(frozen=True, slots=True)
class SignalWindow:
    """One side's window: counts, USD and latencies in seconds; None where nothing was measured."""

    requests: int = 0
    escalations: int = 0
    verdicts: int = 0
    accepted: int = 0
    cost_usd: float = 0.0
    p50_s: float | None = None
    p99_s: float | None = None

    @property
    def cost_per_accepted_usd(self) -> float | None:
        """What an accepted answer cost; None where none was accepted."""
        return self.cost_usd / self.accepted if self.accepted else None


def fired(
    blue: Sequence[SignalWindow], green: Sequence[SignalWindow], thresholds: Thresholds
) -> dict[Signal, str]:
    """Say which signals fire, each with its numbers; windows are paired, oldest first.

    Eight of a hundred more escalations than blue's, far beyond chance:

    >>> blue = [SignalWindow(requests=1000, escalations=50)]
    >>> green = [SignalWindow(requests=1000, escalations=130)]
    >>> fired(blue, green, Thresholds())[Signal.ESCALATIONS]
    'green escalates 13.0 % of 1000 requests, blue 5.0 % of 1000: more than 5 points'
    """
    found = {
        Signal.QUALITY: _quality(green, thresholds),
        Signal.ESCALATIONS: _escalations(blue, green, thresholds),
        Signal.COST: _cost(blue, green, thresholds),
        Signal.LATENCY: _latency(green, thresholds),
        Signal.VARIANCE: _variance(blue, green, thresholds),
    }
    return {signal: why for signal, why in found.items() if why}


def _quality(green: Sequence[SignalWindow], thresholds: Thresholds) -> str:
    floor, count = thresholds.quality, thresholds.quality_windows
    judged = [window for window in green if window.verdicts]
    if floor is None or len(judged) < count:
        return ""
    last = judged[-count:]
    if any(window.accepted / window.verdicts >= floor for window in last):
        return ""
    shares = ", ".join(f"{100 * window.accepted / window.verdicts:.1f} %" for window in last)
    return f"green's accepted answers are {shares}: below {100 * floor:g} % {count} times in a row"


def _escalations(
    blue: Sequence[SignalWindow], green: Sequence[SignalWindow], thresholds: Thresholds
) -> str:
    of_blue, of_green = _rate(blue), _rate(green)
    if not (of_blue[1] and of_green[1]):
        return ""
    usual, rate = of_blue[0] / of_blue[1], of_green[0] / of_green[1]
    # Two standard errors of the difference: a few requests are no trend.
    pooled = (of_blue[0] + of_green[0]) / (of_blue[1] + of_green[1])
    chance = 2 * sqrt(pooled * (1 - pooled) * (1 / of_blue[1] + 1 / of_green[1]))
    if rate - usual <= thresholds.escalation_points + chance:
        return ""
    return (
        f"green escalates {100 * rate:.1f} % of {of_green[1]} requests, blue {100 * usual:.1f} % "
        f"of {of_blue[1]}: more than {100 * thresholds.escalation_points:g} points"
    )


def _rate(windows: Sequence[SignalWindow]) -> tuple[int, int]:
    return sum(one.escalations for one in windows), sum(one.requests for one in windows)


def _cost(
    blue: Sequence[SignalWindow], green: Sequence[SignalWindow], thresholds: Thresholds
) -> str:
    count = thresholds.cost_windows
    both = [
        (one, other)
        for window, beside in zip(blue, green, strict=False)
        if (one := window.cost_per_accepted_usd) is not None
        and (other := beside.cost_per_accepted_usd) is not None
    ][-count:]
    if len(both) < count or any(of_green <= of_blue for of_blue, of_green in both):
        return ""
    of_blue, of_green = both[-1]
    return (
        f"an accepted answer of green's costs USD {of_green:.6g}, of blue's {of_blue:.6g}: "
        f"more in {count} windows in a row"
    )


def _latency(green: Sequence[SignalWindow], thresholds: Thresholds) -> str:
    measured = [window.p99_s for window in green if window.p99_s is not None]
    objective = thresholds.p99_s
    if objective is None or not measured:
        return ""
    missed = sum(value > objective for value in measured)
    if missed <= thresholds.p99_share * len(measured):
        return ""
    return (
        f"green's p99 is over {objective:g} s in {missed} of {len(measured)} windows: "
        f"more than {100 * thresholds.p99_share:g} %"
    )


def _variance(
    blue: Sequence[SignalWindow], green: Sequence[SignalWindow], thresholds: Thresholds
) -> str:
    usual, ratio = _spread(blue), _spread(green)
    if usual is None or ratio is None or ratio <= usual * (1 + thresholds.variance_rise):
        return ""
    return (
        f"green's p99 is {ratio:.2g} times its p50, blue's {usual:.2g} times: "
        f"more than {100 * thresholds.variance_rise:g} % above"
    )


def _spread(windows: Sequence[SignalWindow]) -> float | None:
    """Return the median ratio of p99 to p50."""
    ratios = sorted(
        window.p99_s / window.p50_s
        for window in windows
        if window.p99_s is not None and window.p50_s
    )
    return ratios[len(ratios) // 2] if ratios else None
