"""What a route is made of: endpoints, prices, sleep, overflow, adapters and tiers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = [
    "NO_PRICE",
    "AdapterRoute",
    "Endpoint",
    "OnUncertain",
    "Overflow",
    "Price",
    "Sleep",
    "TierRoute",
    "WhenAsleep",
]

OnUncertain = Literal["Abstain", "HumanReview"]
WhenAsleep = Literal["Hold", "Escalate"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One ready pod, or an external provider.

    ``url`` is the base address without a trailing slash, as the resource has it: a path belongs to
    it (``https://api.example.com/v1``), and where it has none the engine's ``/v1`` is meant.
    ``tier`` is the pod's GPUTier: a Specialist may have pods on several. ``side`` is ``green`` on
    the pods of a rollout's candidate and empty on all others.
    """

    url: str
    revision: str = ""
    pod: str = ""
    tier: str = ""
    side: str = ""


@dataclass(frozen=True, slots=True)
class Price:
    """What a Specialist's answers cost: GPUs by the hour, or a provider by the token (USD)."""

    usd_per_replica_hour: float = 0.0
    input_usd_per_token: float = 0.0
    output_usd_per_token: float = 0.0
    cached_input_usd_per_token: float = 0.0


NO_PRICE: Final = Price()


@dataclass(frozen=True, slots=True)
class Sleep:
    """How a Specialist that may have no pods treats the requests that would wake it."""

    when_asleep: WhenAsleep = "Hold"
    hold_timeout_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Overflow:
    """Who takes what own replicas have no room for (``placement.burst: Switch``).

    ``to`` is the external Specialist's full name. ``above`` is how many requests in flight, over
    all routers, stay; 0 where all go. ``wakes`` says that a request that goes wakes a sleeper.
    """

    to: str
    above: float
    wakes: bool = False


@dataclass(frozen=True, slots=True)
class TierRoute:
    """What routing needs of a GPUTier: its price (USD), its floor and the tier above it."""

    name: str
    usd_per_gpu_hour: float = 0.0
    confidence_floor: float | None = None
    escalate_to: str | None = None


@dataclass(frozen=True, slots=True)
class AdapterRoute:
    """A LoRA adapter of a Specialist, served beside its base by the same pods.

    ``absent_from`` are the pods that do not have it; ``loaded`` is False when none has.
    """

    name: str
    loaded: bool = True
    absent_from: tuple[str, ...] = ()
