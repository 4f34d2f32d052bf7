"""Scaling between two numbers of replicas, sleep and wake, and what somebody else would charge."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tierwise_api.base import Spec, Status
from tierwise_api.common import Duration, Name, Timestamp
from tierwise_core.quantities import parse_duration

__all__ = [
    "AlternativeRef",
    "BurstStatus",
    "DedicatedCost",
    "DedicatedStatus",
    "OverflowStatus",
    "ScalingSpec",
    "ScalingStatus",
    "WakeStatus",
]

# Of the concurrency a replica is sized for: the rest absorbs what arrives while more are loading.
TARGET_SHARE = 0.8


class ScalingSpec(Spec):
    """How tierwise chooses between replicas.min and replicas.max; idle unless max is above min."""

    target_in_flight_per_replica: float | None = Field(
        default=None,
        gt=0,
        le=100_000,
        description="Requests, running and waiting, that one replica should have at a time; more "
        "of them add replicas. By default 0.8 x targetConcurrency.",
        examples=[6.4],
    )
    target_tokens_per_second_per_replica: float | None = Field(
        default=None,
        gt=0,
        le=10_000_000,
        description="Generated tokens per second that one replica should produce at most; more "
        "of them add replicas. By default only requests in flight count.",
        examples=[1500],
    )
    scale_down_after: Duration = Field(
        default="5m",
        description="How long fewer replicas must have sufficed, without a break, before one goes.",
        examples=["5m"],
    )
    sleep_after: Duration = Field(
        default="10m",
        description="With replicas.min 0: how long nobody must have asked before the last replica "
        "goes.",
        examples=["10m"],
    )
    when_asleep: Literal["Hold", "Escalate"] = Field(
        default="Hold",
        description="What becomes of a request while it sleeps or wakes: Hold keeps it until a "
        "replica is ready, Escalate sends it to the next tier at once; both wake it. A caller "
        "overrides it with the header x-tierwise-when-asleep.",
        examples=["Escalate"],
    )
    hold_timeout: Duration = Field(
        default="2m",
        description="How long a request is held at most; then it is refused with 503, or tries the "
        "next tier if it asked for the model auto.",
        examples=["5m"],
    )

    @property
    def scale_down_after_s(self) -> float:
        """The stabilisation window in seconds."""
        return parse_duration(self.scale_down_after)

    @property
    def sleep_after_s(self) -> float:
        """The idle time before sleep in seconds."""
        return parse_duration(self.sleep_after)

    @property
    def hold_timeout_s(self) -> float:
        """The longest hold in seconds."""
        return parse_duration(self.hold_timeout)


class AlternativeRef(Spec):
    """Somebody else's endpoint for the same work."""

    specialist_ref: Name = Field(
        description="An external Specialist of the same namespace, with a price.",
        examples=["sorter-api"],
    )


class ScalingStatus(Status):
    """What the autoscaler sees and wants."""

    desired_replicas: int | None = Field(
        default=None, ge=0, description="Replicas that the load asks for."
    )
    reason: str | None = Field(
        default=None,
        max_length=1024,
        description="Why that many, in numbers.",
        examples=["21 requests in flight / 6.4 for each replica"],
    )
    in_flight_requests: int | None = Field(
        default=None, ge=0, description="Requests its pods work on, waiting ones included."
    )
    waiting_requests: int | None = Field(
        default=None,
        ge=0,
        description="Of those the ones that wait in a queue, with the ones held at the router.",
    )
    tokens_per_second: float | None = Field(
        default=None, ge=0, description="Tokens its pods generate per second, all together."
    )
    last_scale_time: Timestamp | None = Field(
        default=None, description="When the number wanted last changed."
    )
    asleep: bool | None = Field(
        default=None, description="Whether it was put to sleep; the next request wakes it."
    )


class WakeStatus(Status):
    """Requests that wait for a replica; written by the routers."""

    requested_at: Timestamp | None = Field(
        default=None, description="When a router last said that requests wait."
    )
    waiting: int | None = Field(
        default=None, ge=0, description="Requests that wait at that router."
    )


class DedicatedCost(Status):
    """What the observed day costs on average, in USD per hour."""

    dedicated: float | None = Field(default=None, ge=0, description="All of it on own replicas.")
    serverless: float | None = Field(
        default=None, ge=0, description="All of it at the alternative."
    )
    hybrid: float | None = Field(
        default=None, ge=0, description="Own replicas for the base, the alternative for the rest."
    )


HourlyProfile = Annotated[
    list[Annotated[float, Field(ge=0)]],
    Field(max_length=24, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
]


class DedicatedStatus(Status):
    """Own replicas compared with an external alternative, for the load that was observed."""

    alternative: str | None = Field(
        default=None, max_length=63, description="The external Specialist it is compared with."
    )
    break_even_utilization: float | None = Field(
        default=None,
        ge=0,
        description="The share of a replica's capacity above which it is cheaper than the "
        "alternative; above 1 it never is.",
    )
    observed_utilization: float | None = Field(
        default=None, ge=0, description="The share of the capacity that the observed day uses."
    )
    tokens_per_second_per_replica: float | None = Field(
        default=None,
        ge=0,
        description="Generated tokens per second that one replica can do: "
        "targetTokensPerSecondPerReplica, else the most that was ever observed.",
    )
    prompt_tokens_per_generated_token: float | None = Field(
        default=None, ge=0, description="The observed mix, which decides what a provider charges."
    )
    hourly_profile: HourlyProfile = Field(
        default_factory=list,
        description="Generated tokens per second in each hour of the day (UTC), averaged over "
        "about a week of days.",
    )
    hourly_seconds: HourlyProfile = Field(
        default_factory=list,
        description="How long each of these hours was observed, in seconds, up to seven hours.",
    )
    peak_tokens_per_second_per_replica: float | None = Field(
        default=None,
        ge=0,
        description="The most tokens per second that one replica was seen to generate.",
    )
    cheapest: Literal["Dedicated", "Serverless", "Hybrid"] | None = Field(
        default=None, description="The cheapest way to serve the observed day."
    )
    dedicated_replicas: int | None = Field(
        default=None, ge=0, description="Own replicas in the cheapest way."
    )
    usd_per_hour: DedicatedCost | None = Field(
        default=None, description="What each way costs, in USD per hour over the observed day."
    )
    message: str | None = Field(
        default=None, max_length=2048, description="The comparison in words and numbers."
    )


class BurstStatus(Status):
    """What becomes of the load above the own base, with placement.burst Switch."""

    alternative: str | None = Field(
        default=None, max_length=63, description="The external Specialist that takes it."
    )
    base_replicas: int | None = Field(
        default=None,
        ge=0,
        description="Own replicas there are at most; what they have no room for goes to the "
        "alternative. None while the alternative cannot be used.",
    )
    way: Literal["Dedicated", "Serverless", "Hybrid"] | None = Field(
        default=None,
        description="Dedicated with all replicas that may be, Serverless with none, else Hybrid.",
    )
    since: Timestamp | None = Field(default=None, description="When the base was chosen.")
    message: str | None = Field(
        default=None, max_length=2048, description="Why, in USD per hour over the observed day."
    )


class OverflowStatus(Status):
    """What one router has sent to the alternative since it began; the routers write it in turn."""

    router: str | None = Field(default=None, max_length=253, description="The router's pod.")
    since: Timestamp | None = Field(default=None, description="When it began to count.")
    requests: int | None = Field(default=None, ge=0, description="Requests that it sent there.")
    prompt_tokens: int | None = Field(default=None, ge=0, description="Their prompts' tokens.")
    generated_tokens: int | None = Field(default=None, ge=0, description="Their answers' tokens.")


def target_in_flight(scaling: ScalingSpec, target_concurrency: int) -> float:
    """The requests one replica should have at a time, the default filled in.

    >>> target_in_flight(ScalingSpec(), 8)
    6.4
    """
    given = scaling.target_in_flight_per_replica
    return given if given is not None else TARGET_SHARE * target_concurrency
