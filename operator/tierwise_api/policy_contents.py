"""RouterPolicy, section contents: whose prompts and answers are kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tierwise_api.base import Spec
from tierwise_api.common import Name
from tierwise_api.rules import matches
from tierwise_core.policy_contents import ContentsPolicy

__all__ = ["ContentsSpec"]

TenantName = Annotated[
    str,
    Field(max_length=317),
    matches(
        r"[*]|[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?",
        "must be a tenant as NAMESPACE/NAME, such as demo/team-a, or * for everybody",
    ),
]


class ContentsSpec(Spec):
    """Whose prompts and answers are kept, sealed with the keys that the routers have."""

    tenants: list[TenantName] = Field(
        default_factory=list,
        max_length=256,
        description="Whose: tenants as NAMESPACE/NAME, or * for everybody, those without a tenant "
        "included. Left out, nobody's are kept.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
        examples=[["demo/team-a"]],
    )
    fields: list[Name] = Field(
        default_factory=list,
        max_length=256,
        description="Of which fields: of questions that were classified so, and of requests that "
        "name a Specialist of the field. Left out, of all.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
        examples=[["sorting"]],
    )
    keep_days: int = Field(
        default=30,
        ge=0,
        le=36_500,
        description="How many days they are kept; 0: as long as their outcome. Counts for what is "
        "asked from now on.",
        examples=[7],
    )

    def to_core(self) -> ContentsPolicy:
        """The section as the router's core reads it."""
        return ContentsPolicy(tuple(self.tenants), tuple(self.fields), self.keep_days)
