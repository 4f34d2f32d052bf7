"""``--nodes TIER=COUNTxGPUS``: nodes that a plan is given beside those of the manifests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from tierwise_cli.errors import UsageError
from tierwise_cli.scene import catalogue_tier
from tierwise_core.fleet_plan import Fleet
from tierwise_core.price_list import PRICE_LIST
from tierwise_core.what_if import with_nodes
from tierwise_core.what_if_names import MOST, did_you_mean

__all__ = ["with_extra_nodes"]

FORM = re.compile(r"(?P<tier>[^=]+)=(?P<count>[0-9]{1,6})x(?P<gpus>[0-9]{1,3})")


def with_extra_nodes(fleet: Fleet, texts: Iterable[str]) -> Fleet:
    """The fleet with more nodes; a tier that it lacks is taken from the catalogue.

    Raises:
        UsageError: one is not written so, or names neither a tier nor a GPU of the catalogue.
    """
    for text in texts:
        match = FORM.fullmatch(text.replace(" ", ""))
        if match is None or not 0 < int(match["count"]) <= MOST or not int(match["gpus"]):
            raise UsageError(
                f"--nodes {text!r}: is not TIER=COUNTxGPUS",
                fix="write --nodes rtx-4090=4x2 for four nodes of two GPUs",
            )
        fleet = _with_tier(fleet, match["tier"], text)
        count, gpus = int(match["count"]), int(match["gpus"])
        fleet = with_nodes(fleet, match["tier"], count, gpus, f"--nodes {text!r}")
    return fleet


def _with_tier(fleet: Fleet, name: str, text: str) -> Fleet:
    if name in {tier.name for tier in fleet.tiers}:
        return fleet
    known = catalogue_tier(name)
    names = [*(tier.name for tier in fleet.tiers), *(price.tier_name for price in PRICE_LIST)]
    if known is None:
        raise UsageError(
            f"--nodes {text!r}: {name!r} is neither a GPUTier of the manifests nor a GPU of the "
            f"catalogue{did_you_mean(name, names)}",
            fix="write a GPUTier for it, with its memory and price",
        )
    if not known.usd_per_gpu_hour:
        raise UsageError(
            f"--nodes {text!r}: no list price is known for {known.product}",
            fix="write a GPUTier for it, with its price",
        )
    return replace(fleet, tiers=(*fleet.tiers, known))
