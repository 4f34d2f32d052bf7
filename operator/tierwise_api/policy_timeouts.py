"""RouterPolicy, section resilience: how long an endpoint may take."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from tierwise_api.base import Spec
from tierwise_api.common import Duration
from tierwise_api.rules import Rule
from tierwise_core import policy_resilience as core
from tierwise_core.latency_class import LatencyClass
from tierwise_core.quantities import parse_duration

__all__ = ["TimeoutOverride", "TimeoutSpec"]


class TimeoutSpec(Spec):
    """How long an endpoint may take."""

    connect: Duration = Field(
        default="3s", description="For the connection, TLS included.", examples=["1s"]
    )
    first_byte: Duration = Field(
        default="5m",
        description="From the request to the head of the answer; without streaming that is the "
        "whole generation.",
        examples=["2m"],
    )
    idle: Duration = Field(
        default="5m",
        description="Between two pieces of an answer; the time in which the client itself is slow "
        "does not count.",
        examples=["30s"],
    )
    whole: Duration = Field(
        default="1h", description="From the request to the answer's last byte.", examples=["20m"]
    )


class TimeoutOverride(Spec):
    """Other time-outs for a Specialist, a latency class, or both; the most precise one counts."""

    specialist: str = Field(
        default="",
        max_length=127,
        description="The full name of a Specialist, namespace/name; every one where left out.",
        examples=["demo/sorter"],
    )
    latency_class: LatencyClass | None = Field(
        default=None, description="A latency class; every one where left out.", examples=["batch"]
    )
    connect: Duration | None = Field(default=None, description="As in timeouts.")
    first_byte: Duration | None = Field(
        default=None, description="As in timeouts.", examples=["30m"]
    )
    idle: Duration | None = Field(default=None, description="As in timeouts.")
    whole: Duration | None = Field(default=None, description="As in timeouts.", examples=["4h"])

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.specialist != '' || has(self.latencyClass)",
            holds=lambda self: bool(self.specialist or self.latency_class),
            message="name a specialist, a latencyClass or both; what is meant for every request "
            "belongs into timeouts",
        ),
    )

    def to_core(self) -> core.TimeoutsFor:
        """The override as the router's core reads it."""
        return core.TimeoutsFor(
            self.specialist,
            self.latency_class or "",
            connect_s=_seconds(self.connect),
            first_byte_s=_seconds(self.first_byte),
            idle_s=_seconds(self.idle),
            whole_s=_seconds(self.whole),
        )


def _seconds(duration: str | None) -> float | None:
    return None if duration is None else parse_duration(duration)
