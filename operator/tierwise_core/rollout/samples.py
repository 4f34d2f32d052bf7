"""What both sides of a rollout did in one window of time: the only evidence it is judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import isfinite

__all__ = ["NOTHING", "SideSample", "WindowSample"]

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class SideSample:
    """One side's part of a window; counts and sums, so that samples can be added.

    Attributes:
        judged: answers whose utility is known.
        utility: the sum of their utilities, each in [0, 1].
        utility_squared: the sum of their squares.
        verdicts: answers that a verifier or a person judged.
        accepted: of these, those that were accepted.
        compared: answers that could be held against what was known.
        contradictions: of these, those that contradicted it.
        requests: requests that reached this side.
        escalations: of these, those that went on to another Specialist.
        cost_usd: what its answers cost, in USD.
        p50_s: the median of its latencies in this window, in seconds; None where none was measured.
        p99_s: the time that only one of a hundred answers took longer than.
    """

    judged: int = 0
    utility: float = 0.0
    utility_squared: float = 0.0
    verdicts: int = 0
    accepted: int = 0
    compared: int = 0
    contradictions: int = 0
    requests: int = 0
    escalations: int = 0
    cost_usd: float = 0.0
    p50_s: float | None = None
    p99_s: float | None = None

    def __add__(self, other: SideSample) -> SideSample:
        """Add what two samples counted; of latencies the mean median and the longest tail.

        >>> (SideSample(judged=2, utility=1.5) + SideSample(judged=1, utility=0.5)).utility
        2.0
        >>> slow = SideSample(requests=1, p50_s=4.0, p99_s=4.0)
        >>> both = SideSample(requests=3, p50_s=1.0, p99_s=2.0) + slow
        >>> both.p50_s, both.p99_s
        (1.75, 4.0)
        """
        return SideSample(
            self.judged + other.judged,
            self.utility + other.utility,
            self.utility_squared + other.utility_squared,
            self.verdicts + other.verdicts,
            self.accepted + other.accepted,
            self.compared + other.compared,
            self.contradictions + other.contradictions,
            self.requests + other.requests,
            self.escalations + other.escalations,
            self.cost_usd + other.cost_usd,
            _both(self.p50_s, other.p50_s, partial(_weighted, self.requests, other.requests)),
            _both(self.p99_s, other.p99_s, max),
        )

    @property
    def mean(self) -> float | None:
        """The mean utility; None where nothing was judged."""
        return self.utility / self.judged if self.judged else None

    def problem(self) -> str | None:
        """Say what cannot be true of this sample; None where all is well.

        >>> SideSample(judged=2, utility=2.5, utility_squared=2.0).problem()
        'utility 2.5 of 2 judged answers: it must lie between 0 and 2'
        >>> SideSample(verdicts=1, accepted=2).problem()
        'accepted 2 of 1 verdicts'
        """
        return self._bad_sums() or self._bad_counts()

    def _bad_sums(self) -> str | None:
        for name in ("utility", "utility_squared", "cost_usd"):
            value = getattr(self, name)
            if not isfinite(value) or value < -_ROUNDING:
                return f"{name} {value}: it must be a number, 0 or more"
        for name in ("p50_s", "p99_s"):
            value = getattr(self, name)
            if value is not None and not (isfinite(value) and value >= 0):
                return f"{name} {value}: it must be a number, 0 or more"
        if self.utility > self.judged + _ROUNDING:
            return (
                f"utility {self.utility:g} of {self.judged} judged answers: "
                f"it must lie between 0 and {self.judged}"
            )
        if self.utility_squared > self.utility + _ROUNDING:
            return (
                f"utility_squared {self.utility_squared:g} above utility {self.utility:g}: "
                "utilities lie between 0 and 1"
            )
        return None

    def _bad_counts(self) -> str | None:
        parts = (
            ("accepted", "verdicts"),
            ("contradictions", "compared"),
            ("escalations", "requests"),
        )
        for part, whole in parts:
            some, all_of_them = getattr(self, part), getattr(self, whole)
            if not 0 <= some <= all_of_them:
                return f"{part} {some} of {all_of_them} {whole}"
        return None if self.judged >= 0 else f"judged {self.judged}: it must be 0 or more"


def _both(
    one: float | None, other: float | None, of_two: Callable[[float, float], float]
) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return of_two(one, other)


def _weighted(count: int, more: int, one: float, other: float) -> float:
    return (count * one + more * other) / (count + more) if count + more else max(one, other)


NOTHING = SideSample()


@dataclass(frozen=True, slots=True)
class WindowSample:
    """Both sides in the same stretch of time, ``since`` to ``until`` in seconds since the epoch.

    They are compared within a window only: what changes with the time of day changes for both.
    """

    since: float
    until: float
    blue: SideSample = NOTHING
    green: SideSample = NOTHING

    def problem(self) -> str | None:
        """Say what cannot be true of this window; None where all is well.

        >>> WindowSample(20.0, 10.0).problem()
        'the window ends at 10 and begins at 20'
        """
        if not (isfinite(self.since) and isfinite(self.until)) or self.until <= self.since:
            return f"the window ends at {self.until:g} and begins at {self.since:g}"
        for name, side in (("blue", self.blue), ("green", self.green)):
            if wrong := side.problem():
                return f"{name}: {wrong}"
        return None
