"""What a Specialist's spec says of its provider, its certificates and its region."""

from __future__ import annotations

from tierwise_api import Specialist, Tenant
from tierwise_core.provider import ProviderTerms, Requirements
from tierwise_core.route_table import Overflow

__all__ = ["compliance_of", "overflow_of", "provider_of", "region_of", "requirements_of"]


def provider_of(item: Specialist) -> ProviderTerms | None:
    """Read a provider's terms; None for a Specialist with pods of its own."""
    external = item.spec.external
    if external is None:
        return None
    limits = external.limits
    return ProviderTerms(
        requests_per_minute=limits.requests_per_minute if limits else None,
        tokens_per_minute=limits.tokens_per_minute if limits else None,
        max_concurrency=limits.max_concurrency if limits else None,
        deprecation_date=external.deprecation_date,
        notice_days=external.deprecation_notice_days,
    )


def compliance_of(item: Specialist) -> tuple[str, ...]:
    """List the standards that are met where it computes."""
    external = item.spec.external
    listed = {*item.spec.routing.compliance, *(external.compliance if external else ())}
    return tuple(sorted(listed))


def region_of(item: Specialist) -> str:
    """Name the region where it computes; empty when it is not known."""
    external = item.spec.external
    return (external.region if external else item.spec.routing.region) or ""


def overflow_of(item: Specialist) -> Overflow | None:
    """Say what goes to the alternative, as the operator has chosen; None where all stays.

    Replicas that load count, so that they are given something to do; those above the base that
    still run, too.
    """
    placement, burst = item.spec.placement, item.status.burst
    if placement.burst != "Switch" or placement.alternative is None or item.spec.model is None:
        return None
    base = burst.base_replicas if burst is not None else None
    if base is None:
        return None
    replicas = max(_with_room(item, base), len(item.status.endpoints)) if base else 0
    namespace = item.metadata.namespace or "default"
    to = f"{namespace}/{placement.alternative.specialist_ref}"
    return Overflow(to, placement.target_in_flight * replicas, wakes=base > 0)


def _with_room(item: Specialist, base: int) -> int:
    """Tell how many of the base's replicas the tiers have room for, where it is not for all."""
    full = any(
        one.type == "Placed" and one.reason == "NoCapacity" for one in item.status.conditions
    )
    placed = item.status.placement
    if not full or placed is None:
        return base
    return min(base, sum(share.replicas for share in placed.tiers))


def requirements_of(tenant: Tenant) -> Requirements:
    """Read what holds for all of a tenant's requests."""
    return Requirements.of(tenant.spec.compliance, tenant.spec.regions)
