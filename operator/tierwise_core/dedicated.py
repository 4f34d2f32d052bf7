"""``Specialist.status.dedicated``: own replicas compared with ``placement.alternative``."""

from dataclasses import dataclass
from typing import Any

from tierwise_core.burst import Prices
from tierwise_core.economics import SECONDS_PER_HOUR, Offer, Split, cheapest_split
from tierwise_core.economics import required_utilization as required
from tierwise_core.load_profile import HOURS, LoadProfile, to_status
from tierwise_core.specialist import Specialist

WHERE = "spec.placement.alternative.specialistRef"
FAR_ABOVE = 1_000_000.0


@dataclass(frozen=True, slots=True)
class Replica:
    """What one own replica costs; ``tier`` is where it runs."""

    usd_per_hour: float
    tier: str


def dedicated_status(
    specialist: Specialist,
    alternative: Specialist | None,
    replica: Replica | None,
    profile: LoadProfile,
) -> dict[str, Any]:
    """Return the comparison in wire form; what keeps it from being made is its message.

    ``replica`` is None while the Specialist has no tier. The profile is published in any case:
    that is how it outlives the operator.
    """
    name = specialist.placement.alternative or ""
    told: dict[str, Any] = {"alternative": name, **to_status(profile)}
    per_token = serverless_usd_per_token(alternative, profile)
    missing = unusable(name, alternative) or _unknown(per_token, replica, profile, specialist)
    if missing or per_token is None or replica is None:
        return {**told, "message": missing}
    capacity = capacity_tokens_per_second(specialist, profile)
    offer = _offer(specialist, replica, per_token, capacity)
    split = cheapest_split(profile.filled, offer)
    at_break = required(replica.usd_per_hour, capacity * SECONDS_PER_HOUR, per_token)
    replicas = split.dedicated_usd_per_hour / replica.usd_per_hour
    used = sum(profile.filled) / HOURS / (capacity * replicas)
    return {
        **told,
        "breakEvenUtilization": round(min(at_break, FAR_ABOVE), 4),
        "observedUtilization": round(used, 4),
        "tokensPerSecondPerReplica": round(capacity, 3),
        "cheapest": split.cheapest,
        "dedicatedReplicas": split.replicas,
        "usdPerHour": {
            "dedicated": round(split.dedicated_usd_per_hour, 4),
            "serverless": round(split.serverless_usd_per_hour, 4),
            "hybrid": round(split.hybrid_usd_per_hour, 4),
        },
        "message": _advice(name, split, replica, profile),
    }


def serverless_usd_per_token(alternative: Specialist | None, profile: LoadProfile) -> float | None:
    """Return what a generated token costs elsewhere, its share of the prompts included."""
    price = alternative.external.price if alternative and alternative.external else None
    if price is None:
        return None
    return price.output_usd_per_token + price.input_usd_per_token * profile.prompt_per_generated


def capacity_tokens_per_second(specialist: Specialist, profile: LoadProfile) -> float:
    """Return what one replica can generate: the target that was given, else the most seen."""
    return specialist.placement.scaling.target_tokens_per_second or profile.peak_per_replica


def prices(
    specialist: Specialist,
    alternative: Specialist | None,
    replica: Replica | None,
    profile: LoadProfile,
) -> Prices | None:
    """Return what ``placement.burst`` weighs; None while anything of it is unknown."""
    per_token = serverless_usd_per_token(alternative, profile)
    if replica is None or _unknown(per_token, replica, profile, specialist):
        return None
    return Prices(
        capacity_tokens_per_second(specialist, profile),
        replica.usd_per_hour,
        per_token or 0.0,
        replica.tier,
        specialist.placement.alternative or "",
    )


def _offer(specialist: Specialist, replica: Replica, per_token: float, capacity: float) -> Offer:
    policy = specialist.placement.scaling
    return Offer(
        outputs_per_second=capacity,
        replica_usd_per_hour=replica.usd_per_hour,
        serverless_usd_per_output=per_token,
        least=policy.min_replicas,
        most=policy.max_replicas,
        elastic=policy.automatic,
    )


def unusable(name: str, alternative: Specialist | None) -> str:
    """Say why an alternative is none, with the field and what would be right; empty if it is."""
    if alternative is None:
        return f"{WHERE} is {name!r}: no such Specialist; create it, or name another"
    if alternative.external is None:
        return f"{WHERE} is {name!r}, which runs here itself; name one with spec.external"
    if alternative.external.price is None:
        return f"{WHERE} is {name!r}, which has no price; write spec.external.price there"
    return ""


def _unknown(
    per_token: float | None, replica: Replica | None, profile: LoadProfile, specialist: Specialist
) -> str:
    if replica is None:
        return "no tier yet: nothing to compare with"
    if not replica.usd_per_hour:
        return f"tier {replica.tier} costs nothing: nothing is cheaper"
    if not profile.hours_observed or not any(profile.filled):
        return "no load was observed yet"
    if not per_token:
        return "the alternative costs nothing: its price is 0"
    if not capacity_tokens_per_second(specialist, profile):
        return "no replica was ever seen at work"
    return ""


def _advice(name: str, split: Split, replica: Replica, profile: LoadProfile) -> str:
    costs = {
        "Dedicated": (split.dedicated_usd_per_hour, f"own replicas on {replica.tier}"),
        "Serverless": (split.serverless_usd_per_hour, f"all of it at {name}"),
        "Hybrid": (
            split.hybrid_usd_per_hour,
            f"{split.base_replicas} on {replica.tier} and the rest at {name}",
        ),
    }
    best, words = costs.pop(split.cheapest)
    others = ", ".join(f"{usd:.2f} for {what}" for usd, what in costs.values())
    return (
        f"cheapest: {words}, {best:.2f} USD/h; {others}; "
        f"from {profile.hours_observed} of {HOURS} hours of the day"
    )
