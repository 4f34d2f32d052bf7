"""What a Specialist's answers cost, and how sure they must be: by the tiers it is on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tierwise_api import Specialist, Tenant
from tierwise_api.external import ExternalPrice, ExternalSpec
from tierwise_api.placement_status import TierShareStatus
from tierwise_core.budgets import Budgets
from tierwise_core.money import nano_usd
from tierwise_core.route_table import GENERAL_FIELD, Price, TierRoute

__all__ = [
    "EXTERNAL_GENERAL_FLOOR",
    "GENERAL_FLOOR",
    "SPECIALIST_FLOOR",
    "budgets_of",
    "floor_of",
    "loosened_floor_of",
    "price_of",
]

TOKENS_PER_PRICE: Final = 1_000_000

SPECIALIST_FLOOR: Final = 0.85
"""New Specialists start conservatively: their floor is high until a record allows less."""

GENERAL_FLOOR: Final = 0.80
"""The floor of a generalist on a tier that names none: that of the cheapest class of GPUs."""

EXTERNAL_GENERAL_FLOOR: Final = 0.55
"""The floor of a generalist behind a provider: that of the strongest class of GPUs."""


def price_of(item: Specialist, tiers: Mapping[str, TierRoute]) -> Price:
    """What an answer costs; over several tiers what their replicas cost on average."""
    if item.spec.external is not None:
        return _provider_price(item.spec.external)
    shares = [share for share in _shares(item) if share.tier in tiers]
    replicas = sum(share.replicas for share in shares)
    if not shares:
        return Price()
    # Without replicas (asleep, or a status that names no shares) the first place tells the price.
    counted = [(share, share.replicas) for share in shares] if replicas else [(shares[0], 1)]
    usd = sum(
        tiers[share.tier].usd_per_gpu_hour * share.gpus_per_replica * count
        for share, count in counted
    )
    return Price(usd_per_replica_hour=usd / (replicas or 1))


def budgets_of(tenant: Tenant) -> Budgets:
    """Read a tenant's budgets."""
    spec = tenant.spec.budgets
    return Budgets(
        day=_nano(spec.per_day),
        user=_nano(spec.per_user_per_day),
        session=_nano(spec.per_session),
        request=_nano(spec.per_request),
        alert_at=tuple(sorted(set(spec.alert_at))),
        cheaper=spec.on_exhausted == "Cheaper",
        goes_on=spec.on_ledger_away == "Continue",
    )


def _nano(usd: float | None) -> int | None:
    return None if usd is None else nano_usd(usd)


def _shares(item: Specialist) -> list[TierShareStatus]:
    """Where its replicas are; a status that was written by hand may name one tier alone."""
    placement = item.status.placement
    if item.spec.external is not None or placement is None or not placement.tier:
        return []
    alone = TierShareStatus(
        tier=placement.tier,
        replicas=1,
        gpus_per_replica=placement.gpus_per_replica or 0,
        tensor_parallel=placement.tensor_parallel or 1,
        usd_per_hour=placement.usd_per_hour or 0,
    )
    return placement.tiers or [alone]


def _strictest(item: Specialist, tiers: Mapping[str, TierRoute]) -> TierRoute | None:
    """The tier with the highest floor: any of its pods may be the one that answers."""
    found = [tiers[share.tier] for share in _shares(item) if share.tier in tiers]
    return max(found, key=lambda tier: tier.confidence_floor or 0.0, default=None)


def _provider_price(external: ExternalSpec) -> Price:
    price = external.price or ExternalPrice(input_per_million_tokens=0, output_per_million_tokens=0)
    cached = price.cached_input_per_million_tokens
    return Price(
        input_usd_per_token=price.input_per_million_tokens / TOKENS_PER_PRICE,
        output_usd_per_token=price.output_per_million_tokens / TOKENS_PER_PRICE,
        cached_input_usd_per_token=(price.input_per_million_tokens if cached is None else cached)
        / TOKENS_PER_PRICE,
    )


def floor_of(item: Specialist, tiers: Mapping[str, TierRoute]) -> float:
    """Decide the floor: the Specialist's own, else what its field and its tier ask for."""
    own = item.spec.routing.confidence_floor
    if own is not None:
        return own
    tier = _strictest(item, tiers)
    tier_floor = tier.confidence_floor if tier is not None else None
    if item.spec.field != GENERAL_FIELD:
        return max(SPECIALIST_FLOOR, tier_floor or 0.0)
    if tier_floor is not None:
        return tier_floor
    return EXTERNAL_GENERAL_FLOOR if item.spec.external is not None else GENERAL_FLOOR


def loosened_floor_of(item: Specialist, tiers: Mapping[str, TierRoute]) -> float | None:
    """Tell what the floor may fall to with a good record: what its tier asks of anybody.

    None for a floor that the Specialist's owner has set, and for a generalist, whose floor is its
    tier's from the start.
    """
    if item.spec.routing.confidence_floor is not None or item.spec.field == GENERAL_FIELD:
        return None
    tier = _strictest(item, tiers)
    asked = tier.confidence_floor if tier is not None else None
    return GENERAL_FLOOR if asked is None else asked
