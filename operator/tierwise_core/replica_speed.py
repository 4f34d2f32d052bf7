"""How fast a placed replica generates: measured if it ran, else estimated from its GPUs."""

from __future__ import annotations

from dataclasses import dataclass

from tierwise_core.errors import SizingError
from tierwise_core.placement import Share
from tierwise_core.sized import Sizing, demand
from tierwise_core.sizing import replica_kv_bytes_per_token, replica_weights_bytes
from tierwise_core.specialist import Specialist
from tierwise_core.throughput import DecodeLoad, tokens_per_second

__all__ = ["Speed", "replica_speed", "weights_of"]


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens that one replica generates in a second, and whether that was measured."""

    tokens_per_second: float
    measured: bool = False


def replica_speed(
    specialist: Specialist, sizing: Sizing, share: Share, gb_per_second: float | None
) -> Speed | None:
    """Return the speed of a replica at its target concurrency, or None where nothing tells it.

    What ``status.performance`` says holds for the tier it was measured on; on another tier, and
    for a model that never ran, it is the estimate of :mod:`tierwise_core.throughput`.
    """
    measured = _measured(specialist, share.tier)
    if measured is not None:
        return Speed(measured, measured=True)
    weights = weights_of(specialist, sizing)
    if not gb_per_second or not weights or specialist.model is None:
        return None
    wanted = demand(specialist)
    load = DecodeLoad(
        weights_bytes=int(weights * _share_read(sizing, wanted.concurrency)),
        kv_bytes_per_token=_kv_bytes_per_token(specialist, sizing),
        sequences=wanted.concurrency,
        gpus=share.gpus_per_replica,
        gb_per_second=gb_per_second,
    )
    return Speed(tokens_per_second(load))


def weights_of(specialist: Specialist, sizing: Sizing) -> int:
    """Return the bytes of the whole model's weights; 0 where nobody knows them."""
    if specialist.model is None:
        return 0
    return replica_weights_bytes(sizing.metadata, specialist.model.size, demand(specialist))


def _measured(specialist: Specialist, tier: str) -> float | None:
    ran_on = (specialist.status.get("placement") or {}).get("tier")
    figure = (specialist.status.get("performance") or {}).get("generationTokensPerSecond")
    if ran_on != tier or not isinstance(figure, int | float) or figure <= 0:
        return None
    return float(figure)


def _kv_bytes_per_token(specialist: Specialist, sizing: Sizing) -> int:
    assert specialist.model is not None  # noqa: S101 - the caller has looked
    try:
        return replica_kv_bytes_per_token(
            sizing.metadata, specialist.model.size, demand(specialist)
        )
    except SizingError:
        return 0


def _share_read(sizing: Sizing, sequences: int) -> float:
    """The part of the weights that a step reads: of experts, those that its tokens ask for.

    Each token asks for ``used`` of ``count`` experts; that many tokens together leave out
    ``(1 - used / count) ** sequences`` of them.
    """
    parts = sizing.metadata.linears if sizing.metadata else ()
    total = sum(part.parameters for part in parts)
    if not total:
        return 1.0
    read = sum(part.parameters * (1 - (1 - part.used / part.count) ** sequences) for part in parts)
    return min(1.0, read / total)
