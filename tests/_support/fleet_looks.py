"""A fleet that is looked at every two minutes, told as programs post it."""

from __future__ import annotations

from typing import Any

from tierwise_ledger.money.fleet_view import read_view
from tierwise_ledger.money.looks import take_view
from tierwise_ledger.store import Store

LOOK_EVERY_S = 180.0
HOUR_S = 3600.0
SINCE = 1_749_999_600.0  # a full hour


def a_fleet(
    *held: tuple[str, str, int], prices: dict[str, float] | None = None, **more: Any
) -> dict[str, Any]:
    """A look: who holds how many GPUs of which tier, and what an hour of one costs."""
    tiers = prices if prices is not None else {"rtx-4090": 0.40, "h100": 3.00}
    return {
        "tiers": [{"name": name, "usdPerGPUHour": usd} for name, usd in tiers.items()],
        "held": [{"tier": tier, "holder": who, "gpus": gpus} for tier, who, gpus in held],
        **more,
    }


def watch_fleet(store: Store, fleet: dict[str, Any], since: float, until: float) -> None:
    """Look at a fleet that stays as it is, from one moment up to another."""
    with store.begin() as connection:
        at = since
        while at < until:
            take_view(connection, read_view({**fleet, "at": at}, at))
            at += LOOK_EVERY_S
        take_view(connection, read_view({**fleet, "at": until}, until))
