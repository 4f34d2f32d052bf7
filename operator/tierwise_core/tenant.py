"""Who asks: a tenant, known by the hash of its API key."""

from __future__ import annotations

from dataclasses import dataclass, field

from tierwise_core.budgets import NO_BUDGETS, Budgets
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

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return not (
            self.max_concurrent is None
            and self.requests_per_minute is None
            and self.max_queued is None
        )


@dataclass(frozen=True, slots=True)
class TenantRoute:
    """What the router needs to know of a tenant.

    ``key_hashes`` are SHA-256 digests, in hexadecimal, of its API keys: a key is random and long,
    so that its digest tells nothing. ``specialists`` are the full names that it may ask, empty for
    all. Where requests wait, the highest ``priority`` goes first, and tenants of equal priority
    share in the ratio of their ``weight``. ``requirements`` hold for all of its requests, and
    ``budgets`` for what they cost.
    """

    namespace: str
    name: str
    key_hashes: tuple[str, ...] = ()
    specialists: tuple[str, ...] = ()
    weight: int = 1
    priority: int = 0
    limits: TenantLimits = TenantLimits()
    requirements: Requirements = NO_REQUIREMENTS
    budgets: Budgets = NO_BUDGETS

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
    """Who sent a request, and how urgent it is; ``tenant`` is None where there are no tenants.

    ``tenant_key`` is the tenant's full name, empty where there are none, and ``priority`` its own.

    >>> Admitted(TenantRoute("demo", "team-a", priority=5)).tenant_key
    'demo/team-a'
    """

    tenant: TenantRoute | None = None
    latency_class: LatencyClass = REALTIME
    tenant_key: str = field(init=False, default="")
    priority: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        # Both are asked for several times by each request.
        if self.tenant is not None:
            object.__setattr__(self, "tenant_key", self.tenant.key)
            object.__setattr__(self, "priority", self.tenant.priority)

    def may_ask(self, specialist: str) -> bool:
        """Tell whether it may ask a Specialist, by its full name."""
        return self.tenant is None or self.tenant.may_ask(specialist)


ANYBODY = Admitted()
