"""The hours of a day as they were observed: what a Specialist generated in each, decaying slowly.

Each hour of the day (UTC) has a mean that first averages all that was seen of it, and from seven
hours on, a week of days, forgets as fast as it learns. It lives in the Specialist's status, so
that a new operator goes on with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tierwise_core.elsewhere import NOTHING, Elsewhere
from tierwise_core.load import Traffic

HOURS = 24
MEMORY_SECONDS = 7 * 3600
MIX_MEMORY_TOKENS = 1_000_000.0
LEAST_PEAK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """What was observed of the day.

    Args:
        tokens_per_second: generated, by hour of the day.
        seconds: how long each hour was seen, up to ``MEMORY_SECONDS``.
        prompt_per_generated: tokens of prompts for each generated token.
        generated_tokens: how many that mix was learnt from, up to ``MIX_MEMORY_TOKENS``.
        peak_per_replica: the most tokens per second that one ready replica has generated.
    """

    tokens_per_second: tuple[float, ...] = (0.0,) * HOURS
    seconds: tuple[float, ...] = (0.0,) * HOURS
    prompt_per_generated: float = 0.0
    generated_tokens: float = 0.0
    peak_per_replica: float = 0.0

    @property
    def hours_observed(self) -> int:
        """How many hours of the day have been seen at all."""
        return sum(seconds > 0 for seconds in self.seconds)

    @property
    def filled(self) -> tuple[float, ...]:
        """The day with the mean of the hours that were seen where one was not.

        >>> LoadProfile((6.0, 2.0) + (0.0,) * 22, (60.0, 60.0) + (0.0,) * 22).filled[:4]
        (6.0, 2.0, 4.0, 4.0)
        """
        seen = [v for v, s in zip(self.tokens_per_second, self.seconds, strict=True) if s > 0]
        mean = sum(seen) / len(seen) if seen else 0.0
        return tuple(
            value if seconds > 0 else mean
            for value, seconds in zip(self.tokens_per_second, self.seconds, strict=True)
        )

    def plus(
        self, served: Traffic, hour: int, ready: int, elsewhere: Elsewhere = NOTHING
    ) -> "LoadProfile":
        """Return the profile with what was served since the last look, in an hour of the day.

        What others answered in its place, ``elsewhere``, is part of the load, and of no replica's
        capacity.

        >>> traffic = Traffic(60.0, generated_tokens=600.0, prompt_tokens=1200.0, finished=6.0)
        >>> seen = LoadProfile().plus(traffic, hour=9, ready=2)
        >>> seen.tokens_per_second[9], seen.prompt_per_generated, seen.peak_per_replica
        (10.0, 2.0, 5.0)
        """
        known = min(self.seconds[hour] + served.seconds, MEMORY_SECONDS)
        weight = min(1.0, served.seconds / known)
        own = served.generated_tokens / served.seconds
        peak = own / ready if ready and served.seconds >= LEAST_PEAK_SECONDS else 0.0
        everything = _with_others(served, elsewhere)
        rate = everything.generated_tokens / served.seconds
        mean = self.tokens_per_second[hour]
        return replace(
            self._mixed(everything),
            tokens_per_second=_with(self.tokens_per_second, hour, mean + (rate - mean) * weight),
            seconds=_with(self.seconds, hour, known),
            peak_per_replica=max(self.peak_per_replica, peak),
        )

    def _mixed(self, served: Traffic) -> "LoadProfile":
        if served.generated_tokens < 1:
            return self
        known = min(self.generated_tokens + served.generated_tokens, MIX_MEMORY_TOKENS)
        weight = min(1.0, served.generated_tokens / known)
        mix = served.prompt_tokens / served.generated_tokens
        learnt = self.prompt_per_generated + (mix - self.prompt_per_generated) * weight
        return replace(self, prompt_per_generated=learnt, generated_tokens=known)


def _with_others(served: Traffic, elsewhere: Elsewhere) -> Traffic:
    return replace(
        served,
        generated_tokens=served.generated_tokens + elsewhere.generated_tokens,
        prompt_tokens=served.prompt_tokens + elsewhere.prompt_tokens,
    )


def _with(values: tuple[float, ...], at: int, value: float) -> tuple[float, ...]:
    return (*values[:at], value, *values[at + 1 :])


def to_status(profile: LoadProfile) -> dict[str, Any]:
    """Return the parts of ``status.dedicated`` that hold a profile."""
    return {
        "hourlyProfile": [round(value, 3) for value in profile.tokens_per_second],
        "hourlySeconds": [round(seconds) for seconds in profile.seconds],
        "promptTokensPerGeneratedToken": round(profile.prompt_per_generated, 4),
        "peakTokensPerSecondPerReplica": round(profile.peak_per_replica, 3),
    }


def from_status(dedicated: Mapping[str, Any]) -> LoadProfile:
    """Read a profile back; one that is missing or of another shape is a day not yet seen.

    >>> day = LoadProfile((1.5,) * 24, (60.0,) * 24, 2.0, 1000.0, 9.0)
    >>> from_status(to_status(day)).tokens_per_second == day.tokens_per_second
    True
    >>> from_status({"hourlyProfile": [1, 2]}) == LoadProfile()
    True
    """
    means = _numbers(dedicated.get("hourlyProfile"))
    seconds = _numbers(dedicated.get("hourlySeconds"))
    if means is None or seconds is None:
        return LoadProfile()
    mix = float(dedicated.get("promptTokensPerGeneratedToken") or 0.0)
    served = sum(mean * known for mean, known in zip(means, seconds, strict=True))
    return LoadProfile(
        tokens_per_second=means,
        seconds=tuple(min(known, MEMORY_SECONDS) for known in seconds),
        prompt_per_generated=mix,
        generated_tokens=min(served, MIX_MEMORY_TOKENS),
        peak_per_replica=float(dedicated.get("peakTokensPerSecondPerReplica") or 0.0),
    )


def _numbers(found: Any) -> tuple[float, ...] | None:
    if not isinstance(found, Sequence) or len(found) != HOURS:
        return None
    if not all(isinstance(value, int | float) and value >= 0 for value in found):
        return None
    return tuple(float(value) for value in found)
