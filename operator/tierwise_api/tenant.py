"""Tenant: who may ask the router, and what."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tierwise_api.base import Column, Names, Resource, Spec
from tierwise_api.common import Name

__all__ = ["Tenant", "TenantKey", "TenantSpec"]

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class TenantKey(Spec):
    """One API key, as its digest."""

    name: Name = Field(description="What people call the key, to revoke it later.", examples=["ci"])
    sha256: Sha256 = Field(
        description='SHA-256 of the key in hexadecimal: printf %s "$KEY" | sha256sum. Keys are '
        "random and long, so that a digest tells nothing about its key.",
        examples=["2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"],
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


class Tenant(Resource):
    """Who may ask the router, known by API keys of which only digests are stored.

    As long as a cluster has no Tenant, the router asks nobody for a key. From the first one on a
    request needs ``authorization: Bearer KEY``.

    Example::

        apiVersion: tierwise.dev/v1alpha1
        kind: Tenant
        metadata: {name: team-a, namespace: demo}
        spec:
          keys:
            - name: ci
              sha256: 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b
    """

    names: ClassVar = Names(
        plural="tenants",
        short="tn",
        namespaced=True,
        columns=(Column(name="Age", path=".metadata.creationTimestamp", type="date"),),
    )

    kind: Literal["Tenant"] = "Tenant"
    spec: TenantSpec
