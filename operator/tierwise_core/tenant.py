"""Who asks: a tenant, known by the hash of its API key."""

from __future__ import annotations

from dataclasses import dataclass

from tierwise_core.latency_class import REALTIME, LatencyClass
from tierwise_core.provider import NO_REQUIREMENTS, Requirements

__all__ = ["ANYBODY", "Admitted", "TenantLimits", "TenantRoute"]


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """What a tenant may use of one router pod; None is no limit.

    ``max_concurrent`` requests in progress, ``max_queued`` waiting beside them, and
    ``requests_per_minute`` begun.
    """

    max_concurrent: int | None = None
    requests_per_minute: int | None = None
    max_queued: int | None = None


@dataclass(frozen=True, slots=True)
class TenantRoute:
    """What the router needs to know of a tenant.

    ``key_hashes`` are SHA-256 digests, in hexadecimal, of its API keys: a key is random and long,
    so that its digest tells nothing. ``specialists`` are the full names that it may ask, empty for
    all. Where requests wait, the highest ``priority`` goes first, and tenants of equal priority
    share in the ratio of their ``weight``. ``requirements`` hold for all of its requests.
    """

    namespace: str
    name: str
    key_hashes: tuple[str, ...] = ()
    specialists: tuple[str, ...] = ()
    weight: int = 1
    priority: int = 0
    limits: TenantLimits = TenantLimits()
    requirements: Requirements = NO_REQUIREMENTS

    @property
    def key(self) -> str:
        """The name that is unique in the cluster: ``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    def may_ask(self, specialist: str) -> bool:
        """Tell whether it may ask a Specialist, by its full name.

        >>> TenantRoute("demo", "team-a", specialists=("demo/sorter",)).may_ask("demo/adder")
        False
        """
        return not self.specialists or specialist in self.specialists


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who sent a request, and how urgent it is; ``tenant`` is None where there are no tenants."""

    tenant: TenantRoute | None = None
    latency_class: LatencyClass = REALTIME

    @property
    def priority(self) -> int:
        """The tenant's priority; 0 where there are no tenants."""
        return 0 if self.tenant is None else self.tenant.priority

    @property
    def tenant_key(self) -> str:
        """The tenant's full name; empty where there are no tenants."""
        return "" if self.tenant is None else self.tenant.key

    def may_ask(self, specialist: str) -> bool:
        """Tell whether it may ask a Specialist, by its full name."""
        return self.tenant is None or self.tenant.may_ask(specialist)


ANYBODY = Admitted()
