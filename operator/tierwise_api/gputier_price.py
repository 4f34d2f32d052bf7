"""What GPUs of a tier cost: on demand, as spot instances, by a commitment, and to run."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tierwise_api.base import Spec
from tierwise_api.rules import Rule

__all__ = ["GPUTierPrice", "ReservedPrice", "SpotPrice"]


class SpotPrice(Spec):
    """Nodes of the tier that may be taken away at any time, and cost less."""

    per_gpu_hour: float = Field(
        gt=0,
        description="Price of one of their GPUs for one hour, in USD, above 0.",
        examples=[0.25],
    )
    node_selector: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]], Field(min_length=1, max_length=32)
    ] = Field(
        description="Labels that spot nodes of the tier have.",
        examples=[{"karpenter.sh/capacity-type": "spot"}],
    )


class ReservedPrice(Spec):
    """GPUs that are paid for by a commitment, whether they are used, idle or not even there."""

    gpus: int = Field(ge=1, le=1_000_000, description="How many GPUs.", examples=[8])
    per_gpu_hour: float = Field(
        ge=0,
        description="Price of one of them for one hour, in USD.",
        examples=[0.28],
    )


class GPUTierPrice(Spec):
    """What the tier costs. Placement picks the cheapest tier that fits, so it must be known."""

    per_gpu_hour: Annotated[
        float,
        Rule(
            cel="self > 0.0",
            holds=lambda price: price > 0,
            message="perGPUHour must be above 0, or every model would be placed here first: write "
            "what an hour of one GPU costs in USD, for hardware of your own its share of purchase "
            "and energy, such as 0.05",
            got="{self}",
        ),
    ] = Field(
        description="Price of one GPU for one hour, in USD, above 0. For hardware of your own its "
        "share of purchase and energy.",
        examples=[0.40],
    )
    energy_per_kwh: float | None = Field(
        default=None,
        ge=0,
        description="Price of a kilowatt hour, in USD, where energy is paid apart from the GPU.",
        examples=[0.12],
    )
    ops_per_gpu_hour: float | None = Field(
        default=None,
        ge=0,
        description="What an hour of one GPU costs besides, in USD: people, network, storage. It "
        "is part of the bill, and not of placement.",
        examples=[0.05],
    )
    spot: SpotPrice | None = Field(
        default=None,
        description="The price of those of its nodes that are spot instances. It is part of the "
        "bill; placement goes by perGPUHour.",
    )
    reserved: ReservedPrice | None = Field(
        default=None,
        description="A commitment that pays for some of its GPUs, spot instances aside.",
    )
