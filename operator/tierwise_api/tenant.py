"""Tenant: who may ask the router, and what."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tierwise_api.base import Column, Names, Resource, Spec
from tierwise_api.common import Name

__all__ = [
    "Tenant",
    "TenantBudgets",
    "TenantCharges",
    "TenantKey",
    "TenantLimitsSpec",
    "TenantSpec",
]

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class TenantKey(Spec):
    """One API key, as its digest."""

    name: Name = Field(description="What people call the key, to revoke it later.", examples=["ci"])
    sha256: Sha256 = Field(
        description='SHA-256 of the key in hexadecimal: printf %s "$KEY" | sha256sum. Keys are '
        "random and long, so that a digest tells nothing about its key.",
        examples=["2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"],
    )


class TenantLimitsSpec(Spec):
    """What the tenant may use of each router pod; without a number there is no limit."""

    max_concurrent: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Requests in progress; further ones wait.",
        examples=[32],
    )
    requests_per_minute: int | None = Field(
        default=None,
        ge=1,
        le=100_000_000,
        description="Requests begun within any minute; further ones are refused with 429.",
        examples=[600],
    )
    max_queued: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="Requests that may wait; further ones are refused with 429. Without a number "
        "only the router's own queue ends it.",
        examples=[64],
    )


Usd = Annotated[float, Field(gt=0, le=1_000_000_000)]


class TenantBudgets(Spec):
    """What the tenant may spend, over all routers of the cluster, in USD; days are UTC's."""

    per_day: Usd | None = Field(
        default=None,
        description="What it may spend on a day, above 0.",
        examples=[50],
    )
    per_user_per_day: Usd | None = Field(
        default=None,
        description="What each of its users may spend on a day, above 0. A request's user is its "
        "body's user, or its header x-tierwise-user; requests that name none share one budget.",
        examples=[2],
    )
    per_session: Usd | None = Field(
        default=None,
        description="What each session may spend on a day, above 0. A request's session is its "
        "header x-session-id, or else its user; requests that name none have no such budget.",
        examples=[0.5],
    )
    per_request: Usd | None = Field(
        default=None,
        description="What one request may cost, above 0: nobody is asked whose answer is expected "
        "to go beyond.",
        examples=[0.05],
    )
    alert_at: list[Annotated[int, Field(ge=1, le=100)]] = Field(
        default=[80, 100],
        max_length=8,
        description="Percentages of perDay at which an Event on the Tenant and a metric say so.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
        examples=[[50, 80, 100]],
    )
    on_exhausted: Literal["Refuse", "Cheaper"] = Field(
        default="Refuse",
        description="What to do with a request that costs more than is left: refuse it with 429, "
        "or first look for a Specialist that is cheap enough (model auto only).",
    )
    on_ledger_away: Literal["Continue", "Refuse"] = Field(
        default="Continue",
        description="What to do while the ledger, which hands the budgets out, does not answer: "
        "continue, with a part of the budget that each router may spend by itself, all together "
        "at most as much again; or refuse what has not been handed out, with 503.",
    )


class TenantCharges(Spec):
    """What the tenant pays, in USD: the revenue in cost reports."""

    per_answer: float = Field(
        default=0,
        ge=0,
        description="For each accepted answer.",
        examples=[0.002],
    )
    input_per_million_tokens: float = Field(
        default=0, ge=0, description="For a million tokens of input.", examples=[0.5]
    )
    output_per_million_tokens: float = Field(
        default=0, ge=0, description="For a million tokens of output.", examples=[1.5]
    )


class TenantSpec(Spec):
    """Who asks, and what it may ask."""

    keys: list[TenantKey] = Field(
        min_length=1,
        max_length=16,
        description="Its API keys; two at a time make a rotation without an outage.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    specialists: list[Name] = Field(
        default_factory=list,
        max_length=256,
        description="The Specialists of its namespace that it may ask; empty means every one of "
        "every namespace.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
        examples=[["sorter"]],
    )
    weight: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="Its share where requests have to wait: a tenant of weight 2 is served twice "
        "as much as one of weight 1.",
        examples=[2],
    )
    priority: int = Field(
        default=0,
        ge=-1000,
        le=1000,
        description="Where requests have to wait, a tenant of a higher priority goes first within "
        "its latency class, and is shed last.",
        examples=[10],
    )
    limits: TenantLimitsSpec = Field(
        default_factory=TenantLimitsSpec,
        description="What it may use of each router pod.",
    )
    budgets: TenantBudgets = Field(
        default_factory=TenantBudgets,
        description="What it may spend, over all router pods; without an amount there is no limit.",
    )
    charges: TenantCharges | None = Field(
        default=None, description="What it pays; cost reports show it as revenue."
    )
    compliance: list[Annotated[str, Field(min_length=1, max_length=63)]] = Field(
        default_factory=list,
        max_length=32,
        description="Standards that whoever answers its requests must list.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
        examples=[["HIPAA"]],
    )
    regions: list[Annotated[str, Field(min_length=1, max_length=63)]] = Field(
        default_factory=list,
        max_length=16,
        description="Regions of which one must be where its requests are answered; eu means every "
        "region that begins with eu-.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
        examples=[["eu"]],
    )


class Tenant(Resource):
    """Who may ask the router, known by API keys of which only digests are stored.

    As long as a cluster has no Tenant, the router asks nobody for a key. From the first one on a
    request needs ``authorization: Bearer KEY`` or ``x-api-key: KEY``.

    Example::

        apiVersion: tierwise.dev/v1alpha1
        kind: Tenant
        metadata: {name: team-a}
        spec:
          keys:
            - name: ci
              sha256: 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b
          limits: {maxConcurrent: 32, requestsPerMinute: 600}
    """

    names: ClassVar = Names(
        plural="tenants",
        short="tn",
        namespaced=True,
        columns=(Column(name="Age", path=".metadata.creationTimestamp", type="date"),),
    )

    kind: Literal["Tenant"] = "Tenant"
    spec: TenantSpec
