"""Which endpoint does worse than its siblings, beyond what chance explains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Final

from tierwise_core.policy_resilience import OutlierRules
from tierwise_core.wilson import interval

__all__ = ["EndpointSample", "room_to_eject", "worst_endpoint"]

SHORTEST_S: Final = 1e-6
STANDARD_ERRORS: Final = 3.0
"""How far a mean or a share is moved in favour of an endpoint: chance does that once in 700."""


@dataclass(slots=True)
class EndpointSample:
    """What one endpoint did since the last look: how many requests failed, how long others took.

    Times are kept as logarithms: the seconds of answers spread over decades, and what is compared
    is how many times slower one endpoint is.
    """

    total: int = 0
    failed: int = 0
    log_sum: float = 0.0
    log_squares: float = 0.0

    def succeed(self, first_byte_s: float) -> None:
        """Count an answer and the seconds to its first byte."""
        self.total += 1
        value = log(max(first_byte_s, SHORTEST_S))
        self.log_sum += value
        self.log_squares += value * value

    def fail(self) -> None:
        """Count a failure."""
        self.total += 1
        self.failed += 1

    def plus(self, other: EndpointSample) -> EndpointSample:
        """Add two samples up."""
        return EndpointSample(
            self.total + other.total,
            self.failed + other.failed,
            self.log_sum + other.log_sum,
            self.log_squares + other.log_squares,
        )

    @property
    def answered(self) -> int:
        """How many of the requests were answered."""
        return self.total - self.failed

    @property
    def typical_s(self) -> float:
        """The geometric mean of the seconds to the first byte."""
        return exp(self.log_sum / self.answered)

    @property
    def log_error(self) -> float:
        """The standard error of the mean of the logarithms."""
        mean = self.log_sum / self.answered
        variance = max(0.0, self.log_squares / self.answered - mean * mean)
        return sqrt(variance / self.answered)


def room_to_eject(endpoints: int, ejected: int, rules: OutlierRules) -> bool:
    """Tell whether one more endpoint may be left out.

    >>> rules = OutlierRules(max_ejected_share=0.5)
    >>> room_to_eject(4, 1, rules), room_to_eject(4, 2, rules), room_to_eject(1, 0, rules)
    (True, False, False)
    """
    return ejected + 1 <= rules.max_ejected_share * endpoints


def worst_endpoint(samples: Mapping[str, EndpointSample], rules: OutlierRules) -> tuple[str, str]:
    """Find the endpoint that is clearly worse than all its siblings together, and say why.

    Worse is a share of failures whose interval lies above that of the others, or a first byte that
    takes ``latency_factor`` times as long; each share and mean is moved by three standard errors in
    favour of the endpoint. Nobody is worst of too few requests; both texts are empty then.

    >>> good, bad = EndpointSample(100, 1), EndpointSample(100, 30)
    >>> worst_endpoint({"a": good, "b": bad, "c": good}, OutlierRules())
    ('b', '30 of 100 requests failed, 2 of 200 at its siblings')
    """
    found: list[tuple[float, str, str]] = []
    for name, own in samples.items():
        others = EndpointSample()
        for other, sample in samples.items():
            if other != name:
                others = others.plus(sample)
        if min(own.total, others.total) >= rules.minimum_requests:
            found += _failing(name, own, others)
            found += _slow(name, own, others, rules)
    return max(found)[1:] if found else ("", "")


def _failing(
    name: str, own: EndpointSample, others: EndpointSample
) -> list[tuple[float, str, str]]:
    low, _ = interval(own.failed / own.total, own.total, STANDARD_ERRORS)
    _, high = interval(others.failed / others.total, others.total, STANDARD_ERRORS)
    if low <= high:
        return []
    siblings = f"{others.failed} of {others.total} at its siblings"
    # Failures weigh more than slowness: they are told first.
    why = f"{own.failed} of {own.total} requests failed, {siblings}"
    return [(1.0 + low - high, name, why)]


def _slow(
    name: str, own: EndpointSample, others: EndpointSample, rules: OutlierRules
) -> list[tuple[float, str, str]]:
    if min(own.answered, others.answered) < rules.minimum_requests:
        return []
    doubt = STANDARD_ERRORS * (own.log_error + others.log_error)
    times = exp(log(own.typical_s / others.typical_s) - doubt)
    if times < rules.latency_factor:
        return []
    why = f"first byte after {own.typical_s:.3g} s, {others.typical_s:.3g} s at its siblings"
    return [(1.0 - 1.0 / times, name, why)]
