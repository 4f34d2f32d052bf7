"""Types that several resources use: quantities, durations, names, times and conditions."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from tierwise_api.base import Status
from tierwise_api.rules import Rule, matches
from tierwise_core.errors import InvalidSizeError
from tierwise_core.quantities import parse_duration, parse_quantity

__all__ = [
    "Condition",
    "Conditions",
    "Date",
    "Duration",
    "Fraction01",
    "Name",
    "Quantity",
    "Text",
    "Timestamp",
    "condition_of",
]


def _positive_quantity(value: int | str) -> bool:
    try:
        return parse_quantity(value) > 0
    except InvalidSizeError:
        return False


def _positive_duration(value: str) -> bool:
    try:
        return parse_duration(value) > 0
    except InvalidSizeError:
        return False


Quantity = Annotated[
    int | str,
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
        }
    ),
    Rule(
        cel=(
            "type(self) == int ? self > 0 : "
            "isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))"
        ),
        holds=_positive_quantity,
        message=(
            "must be a positive Kubernetes quantity: a number with an optional suffix, "
            "such as 24Gi (binary) or 40G (decimal)"
        ),
        got='"{self}"',
    ),
]
"""A positive number with an optional Kubernetes suffix, kept as written: ``24Gi``, ``40G``, 123."""

Duration = Annotated[
    str,
    Field(max_length=32),
    Rule(
        cel=(
            "self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') "
            "&& duration(self) > duration('0s')"
        ),
        holds=_positive_duration,
        message="must be a duration above zero with the units h, m, s or ms, such as 10m or 1h30m",
        got='"{self}"',
    ),
]
"""A Go duration above zero, kept as written: ``10m``, ``1h30m``."""

Name = Annotated[
    str,
    Field(max_length=63),
    matches(
        "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
        "must be lower case letters, digits and inner dashes, such as sorter-v2",
    ),
]
"""A DNS label: what names a field, a Specialist or an adapter."""

TierName = Annotated[
    str,
    Field(max_length=63),
    matches(
        "[a-z0-9]([-.a-z0-9]*[a-z0-9])?",
        "must be the name of a GPUTier: lower case letters, digits, inner dashes and dots, "
        "such as rtx-4090",
    ),
]

Text = Annotated[str, Field(min_length=1, max_length=253)]
"""A short text of one character or more."""

Fraction01 = Annotated[float, Field(ge=0, le=1)]
"""A share or probability, 0 to 1."""


def _to_time(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (TypeError, ValueError):
        raise PydanticCustomError(
            "timestamp", "must be an RFC 3339 time such as 2026-01-31T12:00:00Z"
        ) from None


def _from_time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


Timestamp = Annotated[
    datetime,
    BeforeValidator(_to_time),
    PlainSerializer(_from_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment in UTC; RFC 3339 with whole seconds on the wire."""


def _to_date(value: Any) -> date:
    if type(value) is date:
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise PydanticCustomError("date", "must be a date such as 2026-01-31") from None


Date = Annotated[
    date,
    BeforeValidator(_to_date),
    PlainSerializer(date.isoformat, return_type=str),
    WithJsonSchema({"type": "string", "format": "date"}),
]
"""A calendar day; ``2026-01-31`` on the wire."""


class Condition(Status):
    """One observation about the object, in the shape of metav1.Condition."""

    type: str = Field(
        max_length=316, description="What is observed, in CamelCase.", examples=["Ready"]
    )
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    observed_generation: int | None = Field(
        default=None,
        ge=0,
        description="The metadata.generation that was looked at; older than the object's own means "
        "that the condition is out of date.",
    )
    last_transition_time: Timestamp | None = Field(
        default=None, description="When the status last changed from one value to another."
    )
    reason: str = Field(
        min_length=1,
        max_length=1024,
        pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        description="Why, in one CamelCase word that programs may read.",
        examples=["NoTierFits"],
    )
    message: str = Field(
        default="",
        max_length=32768,
        description="Why, for people: the field, its value and what would be right.",
    )


Conditions = Annotated[
    list[Condition],
    Field(
        max_length=32,
        description="What is known about the object. Ready sums up the others.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    ),
]


def condition_of(conditions: list[Condition], kind: str) -> Condition | None:
    """The condition of that type, or None when it was never observed.

    >>> condition_of([Condition(type="Ready", status="False", reason="NoNodes")], "Ready").reason
    'NoNodes'
    """
    return next((one for one in conditions if one.type == kind), None)
