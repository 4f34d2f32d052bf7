"""Time-outs, retries, hedging, breakers, queues and load shedding."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = [
    "AffinityRules",
    "BreakerRules",
    "HedgingRules",
    "OutlierRules",
    "QueueRules",
    "ResiliencePolicy",
    "RetryRules",
    "Timeouts",
    "TimeoutsFor",
]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long an endpoint may take, in seconds.

    ``connect_s`` for the connection, ``first_byte_s`` from the request to the answer's head,
    ``idle_s`` between two pieces of the answer, ``whole_s`` from the request to its last byte.
    """

    connect_s: float = 3.0
    first_byte_s: float = 300.0
    idle_s: float = 300.0
    whole_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class TimeoutsFor:
    """Other time-outs for one Specialist (its full name), one latency class, or both.

    An empty ``specialist`` or ``latency_class`` means any; None leaves a time-out as it was.
    """

    specialist: str = ""
    latency_class: str = ""
    connect_s: float | None = None
    first_byte_s: float | None = None
    idle_s: float | None = None
    whole_s: float | None = None

    def matches(self, specialist: str, latency_class: str) -> bool:
        """Tell whether it is about such a request."""
        return self.specialist in {"", specialist} and self.latency_class in {"", latency_class}

    @property
    def precision(self) -> int:
        """How closely it is aimed: a Specialist weighs more than a class, both together most."""
        return 2 * bool(self.specialist) + bool(self.latency_class)

    def applied_to(self, times: Timeouts) -> Timeouts:
        """Give the time-outs with those replaced that are set here."""
        names = ("connect_s", "first_byte_s", "idle_s", "whole_s")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return replace(times, **given)


@dataclass(frozen=True, slots=True)
class RetryRules:
    """How often a request may be tried, and how much of all work may be retries.

    Retries are at most ``budget_share`` of the requests, plus ``floor_per_second``; ``burst`` may
    be saved up.
    """

    max_attempts: int = 3
    budget_share: float = 0.2
    floor_per_second: float = 1.0
    burst: float = 10.0


@dataclass(frozen=True, slots=True)
class HedgingRules:
    """When a second endpoint is asked beside a slow first one; off unless enabled."""

    enabled: bool = False
    quantile: float = 0.95
    budget_share: float = 0.05
    least_delay_s: float = 0.05


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a breaker opens, and how it closes again.

    It opens when, of at least ``minimum_requests`` within ``window_s``, a share of
    ``failure_share`` failed. It stays open for ``open_s``, doubled each time in a row up to
    ``longest_open_s``; then ``probes`` requests must succeed, one at a time.
    """

    failure_share: float = 0.5
    minimum_requests: int = 20
    window_s: float = 30.0
    open_s: float = 1.0
    longest_open_s: float = 30.0
    probes: int = 1


@dataclass(frozen=True, slots=True)
class OutlierRules:
    """When one endpoint is left out because it does worse than its siblings.

    ``consecutive_failures`` at once; every ``every_s`` seconds the share of failures and the time
    to the first byte are compared, over at least ``minimum_requests`` of each. Never more than
    ``max_ejected_share`` of a Specialist's endpoints are out for such reasons.
    """

    consecutive_failures: int = 5
    every_s: float = 10.0
    minimum_requests: int = 20
    latency_factor: float = 3.0
    max_ejected_share: float = 0.5


@dataclass(frozen=True, slots=True)
class QueueRules:
    """How much a router pod takes on at a time, and who may wait; shared by its dispatchers.

    ``max_in_flight`` requests in progress, ``max_queued`` waiting, none longer than
    ``max_wait_s``; ``max_in_flight_per_endpoint`` at one endpoint.
    """

    max_in_flight: int = 8192
    max_in_flight_per_endpoint: int = 2048
    max_queued: int = 2048
    max_wait_s: float = 30.0

    def share(self, dispatchers: int) -> QueueRules:
        """Give what one of several dispatchers may use: its part, rounded up.

        >>> QueueRules(max_in_flight=5, max_queued=0).share(2).max_in_flight
        3
        """
        return QueueRules(
            -(-self.max_in_flight // dispatchers),
            -(-self.max_in_flight_per_endpoint // dispatchers),
            -(-self.max_queued // dispatchers),
            self.max_wait_s,
        )


@dataclass(frozen=True, slots=True)
class AffinityRules:
    """Which requests are sent to where others like them went, whose cache knows the beginning.

    ``prefix_bytes`` of the messages must be equal; 0 turns it off. ``load_factor`` is how far
    above its siblings' mean a home may be loaded before it is left.
    """

    prefix_bytes: int = 1024
    load_factor: float = 1.25


@dataclass(frozen=True, slots=True)
class ResiliencePolicy:
    """Time-outs, retries, hedging, breakers, queues and load shedding.

    >>> slow = TimeoutsFor(latency_class="batch", first_byte_s=1800)
    >>> policy = ResiliencePolicy(timeout_overrides=(slow,))
    >>> policy.timeouts_for("demo/sorter", "batch").first_byte_s
    1800
    >>> policy.timeouts_for("demo/sorter", "realtime").first_byte_s
    300.0
    """

    timeouts: Timeouts = Timeouts()
    timeout_overrides: tuple[TimeoutsFor, ...] = ()
    retries: RetryRules = RetryRules()
    hedging: HedgingRules = HedgingRules()
    breaker: BreakerRules = BreakerRules()
    outliers: OutlierRules = OutlierRules()
    queue: QueueRules = QueueRules()
    affinity: AffinityRules = AffinityRules()

    def timeouts_for(self, specialist: str, latency_class: str) -> Timeouts:
        """Give the time-outs of such a request; the most precise override has the last word."""
        times = self.timeouts
        fitting = (o for o in self.timeout_overrides if o.matches(specialist, latency_class))
        for override in sorted(fitting, key=lambda one: one.precision):
            times = override.applied_to(times)
        return times
