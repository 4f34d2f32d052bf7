"""Tenant: who may ask the router, and what."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tierwise_api.base import Column, Names, Resource, Spec
from tierwise_api.common import Name

__all__ = ["Tenant", "TenantKey", "TenantLimitsSpec", "TenantSpec"]

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
