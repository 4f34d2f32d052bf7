"""RouterPolicy, section resilience: time-outs, retries, queues."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tierwise_api.base import Spec
from tierwise_api.common import Duration, Fraction01
from tierwise_api.policy_timeouts import TimeoutOverride, TimeoutSpec
from tierwise_core import policy_resilience as core
from tierwise_core.quantities import parse_duration

__all__ = [
    "AffinitySpec",
    "BreakerSpec",
    "HedgingSpec",
    "OutlierSpec",
    "QueueSpec",
    "ResilienceSpec",
    "RetrySpec",
]

Count = Annotated[int, Field(ge=1, le=1_000_000)]


class RetrySpec(Spec):
    """How often a request may be tried, and how much of all work may be retries."""

    max_attempts: int = Field(
        default=3,
        ge=1,
        le=10,
        description="Attempts for one request, each at another endpoint; 1 never tries again.",
    )
    budget_share: Fraction01 = Field(
        default=0.2,
        description="Retries, as a share of the requests to a Specialist, beyond the floor.",
    )
    floor_per_second: float = Field(
        default=1.0,
        ge=0,
        le=1000,
        description="Retries per second that each dispatcher always has.",
    )
    burst: float = Field(
        default=10, ge=1, le=1000, description="How many retries may be saved up for a bad moment."
    )


class HedgingSpec(Spec):
    """Asking a second endpoint when the first is slow; whoever answers first is taken."""

    enabled: bool = Field(
        default=False,
        description="Off by default: a hedge makes an engine work for nothing whenever it loses.",
    )
    quantile: float = Field(
        default=0.95,
        ge=0.5,
        le=0.999,
        description="The second one is asked when this share of recent answers would have begun.",
    )
    budget_share: Fraction01 = Field(
        default=0.05, description="Hedges, as a share of the requests to a Specialist."
    )
    least_delay: Duration = Field(
        default="50ms", description="Never sooner than this.", examples=["200ms"]
    )


class BreakerSpec(Spec):
    """When what keeps failing is left alone, and how it is tried again."""

    failure_share: float = Field(
        default=0.5, gt=0, le=1, description="The share of failures within the window that opens."
    )
    minimum_requests: Count = Field(
        default=20, description="With fewer requests within the window it stays closed."
    )
    window: Duration = Field(default="30s", description="The time that is looked at.")
    open_for: Duration = Field(
        default="1s", description="How long it stays open; doubled each time in a row."
    )
    longest_open: Duration = Field(default="30s", description="Where the doubling ends.")
    probes: int = Field(
        default=1,
        ge=1,
        le=100,
        description="Requests that must succeed, one at a time, before it closes.",
    )


class OutlierSpec(Spec):
    """When an endpoint is left out because it does worse than the others of its Specialist."""

    consecutive_failures: Count = Field(
        default=5, description="So many failures in a row, and it is out at once."
    )
    every: Duration = Field(
        default="10s", description="How often failures and times are compared among siblings."
    )
    minimum_requests: Count = Field(
        default=20, description="Nothing is compared that has had fewer requests."
    )
    latency_factor: float = Field(
        default=3.0,
        ge=1.1,
        le=1000,
        description="How many times slower to the first byte than its siblings is too slow.",
    )
    max_ejected_share: Fraction01 = Field(
        default=0.5, description="The most of a Specialist's endpoints that may be out this way."
    )


class QueueSpec(Spec):
    """How much a router pod takes on at a time, and who may wait."""

    max_in_flight: Count = Field(
        default=8192, description="Requests in progress in one router pod."
    )
    max_in_flight_per_endpoint: Count = Field(
        default=2048,
        description="Requests that one router pod has at one endpoint; with less than the engine "
        "takes at a time, requests wait here, in order, and not in the engine.",
        examples=[256],
    )
    max_queued: int = Field(
        default=2048,
        ge=0,
        le=1_000_000,
        description="Requests that wait in one router pod, for the pod or for a Specialist; 0 "
        "refuses at once.",
    )
    max_wait: Duration = Field(
        default="30s", description="How long one may wait before it is refused."
    )


class AffinitySpec(Spec):
    """Which requests go where others like them went, whose cache knows how they begin."""

    prefix_bytes: int = Field(
        default=1024,
        ge=0,
        le=65536,
        description="Requests whose messages begin with the same bytes, as many as this, go to "
        "the same pod; 0 turns it off.",
    )
    load_factor: float = Field(
        default=1.25,
        ge=1,
        le=100,
        description="A pod that has more requests than this times the mean is passed over.",
    )


class ResilienceSpec(Spec):
    """Time-outs, retries, hedging, breakers, queues and load shedding."""

    timeouts: TimeoutSpec = Field(
        default_factory=TimeoutSpec, description="How long an endpoint may take."
    )
    timeout_overrides: list[TimeoutOverride] = Field(
        default_factory=list,
        max_length=64,
        description="Other time-outs for some Specialists or latency classes.",
        examples=[[{"latencyClass": "batch", "firstByte": "30m"}]],
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    retries: RetrySpec = Field(
        default_factory=RetrySpec, description="How often a request may be tried."
    )
    hedging: HedgingSpec = Field(
        default_factory=HedgingSpec, description="Asking a second endpoint when one is slow."
    )
    breaker: BreakerSpec = Field(
        default_factory=BreakerSpec, description="When what keeps failing is left alone."
    )
    outliers: OutlierSpec = Field(
        default_factory=OutlierSpec, description="When one endpoint is left out."
    )
    queue: QueueSpec = Field(
        default_factory=QueueSpec, description="How much is taken on, and who may wait."
    )
    affinity: AffinitySpec = Field(
        default_factory=AffinitySpec, description="Which requests stay together."
    )

    def to_core(self) -> core.ResiliencePolicy:
        """The section as the router's core reads it."""
        times, retries, hedging = self.timeouts, self.retries, self.hedging
        breaker, outliers, queue = self.breaker, self.outliers, self.queue
        return core.ResiliencePolicy(
            timeouts=core.Timeouts(
                parse_duration(times.connect),
                parse_duration(times.first_byte),
                parse_duration(times.idle),
                parse_duration(times.whole),
            ),
            timeout_overrides=tuple(one.to_core() for one in self.timeout_overrides),
            retries=core.RetryRules(**retries.model_dump()),
            hedging=core.HedgingRules(
                hedging.enabled,
                hedging.quantile,
                hedging.budget_share,
                parse_duration(hedging.least_delay),
            ),
            breaker=core.BreakerRules(
                breaker.failure_share,
                breaker.minimum_requests,
                parse_duration(breaker.window),
                parse_duration(breaker.open_for),
                parse_duration(breaker.longest_open),
                breaker.probes,
            ),
            outliers=core.OutlierRules(
                outliers.consecutive_failures,
                parse_duration(outliers.every),
                outliers.minimum_requests,
                outliers.latency_factor,
                outliers.max_ejected_share,
            ),
            queue=core.QueueRules(
                queue.max_in_flight,
                queue.max_in_flight_per_endpoint,
                queue.max_queued,
                parse_duration(queue.max_wait),
            ),
            affinity=core.AffinityRules(self.affinity.prefix_bytes, self.affinity.load_factor),
        )
