"""What a GPU costs by the hour where nobody has said it: published prices, each with its source.

Those that say "not checked" are remembered; the others were looked up. They are starting values for
a plan made before there is a fleet, not offers. What counts is ``spec.price.perGPUHour`` of a
GPUTier; everything that shows a price from here says so. ``tier_name`` is what
``tierwise tiers discover`` calls a tier of the product and what ``tierwise size --tier``
understands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tierwise_core.catalogue import GPUProduct, find_product

__all__ = ["COMMON_TIERS", "PRICE_LIST", "ListPrice", "list_price", "product_of_tier"]


@dataclass(frozen=True, slots=True)
class ListPrice:
    """One product's price.

    Attributes:
        product: its name in the catalogue.
        tier_name: a short name that may name a GPUTier.
        usd_per_gpu_hour: one GPU for one hour; ``None`` where no list price is known.
        source: who asks that, and when it was published.
    """

    product: str
    tier_name: str
    usd_per_gpu_hour: float | None = None
    source: str = ""


RANGE_2025: Final = "middle of what Lambda, CoreWeave, RunPod and Vast.ai asked in 2025"
RUNPOD: Final = "RunPod's spot price of March 2026, as deploybase.ai has it"
RUNPOD_2025: Final = "about RunPod's of 2025, not checked"
LAMBDA: Final = "about Lambda's of 2025, not checked"
G5: Final = "Amazon EC2 g5.xlarge on demand in us-east-1, June 2026"
G4: Final = "about Amazon EC2's g4dn.xlarge, not checked"

PRICE_LIST: Final = (
    ListPrice("NVIDIA-B200", "b200", 5.98, RUNPOD),
    ListPrice("NVIDIA-GB200", "gb200"),
    ListPrice("NVIDIA-H200", "h200", 3.59, RUNPOD),
    ListPrice("NVIDIA-H200-NVL", "h200-nvl"),
    ListPrice("NVIDIA-GH200-480GB", "gh200", 1.49, LAMBDA),
    ListPrice("NVIDIA-H100-80GB-HBM3", "h100-80gb", 3.00, RANGE_2025),
    ListPrice("NVIDIA-H100-PCIe", "h100-pcie", 1.99, RUNPOD),
    ListPrice("NVIDIA-H100-NVL", "h100-nvl", 2.59, RUNPOD_2025),
    ListPrice("AMD-Instinct-MI300X", "mi300x", 2.49, RUNPOD_2025),
    ListPrice("AMD-Instinct-MI325X", "mi325x"),
    ListPrice("NVIDIA-A100-SXM4-80GB", "a100-80gb", 1.39, RUNPOD),
    ListPrice("NVIDIA-A100-80GB-PCIe", "a100-80gb-pcie", 1.19, RUNPOD),
    ListPrice("NVIDIA-A100-SXM4-40GB", "a100-40gb", 1.29, LAMBDA),
    ListPrice("NVIDIA-A100-PCIE-40GB", "a100-40gb-pcie"),
    ListPrice("NVIDIA-A40", "a40", 0.40, RUNPOD_2025),
    ListPrice("NVIDIA-A30", "a30"),
    ListPrice("NVIDIA-A10", "a10", 0.75, LAMBDA),
    ListPrice("NVIDIA-A10G", "a10g", 1.006, G5),
    ListPrice("NVIDIA-L40S", "l40s", 0.79, RUNPOD),
    ListPrice("NVIDIA-L40", "l40", 0.69, RUNPOD),
    ListPrice("NVIDIA-L4", "l4", 0.44, RUNPOD),
    ListPrice("Tesla-T4", "t4", 0.526, G4),
    ListPrice("Tesla-V100-SXM2-32GB", "v100-32gb"),
    ListPrice("Tesla-V100-SXM2-16GB", "v100-16gb", 0.55, LAMBDA),
    ListPrice("Tesla-V100-PCIE-32GB", "v100-32gb-pcie"),
    ListPrice("Tesla-V100-PCIE-16GB", "v100-16gb-pcie"),
    ListPrice("NVIDIA-RTX-6000-Ada-Generation", "rtx-6000-ada", 0.77, RUNPOD_2025),
    ListPrice("NVIDIA-RTX-A6000", "rtx-a6000", 0.49, RUNPOD_2025),
    ListPrice("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", "rtx-pro-6000", 0.89, RUNPOD),
    ListPrice("NVIDIA-GeForce-RTX-5090", "rtx-5090", 0.69, RUNPOD),
    ListPrice("NVIDIA-GeForce-RTX-4090", "rtx-4090", 0.40, RANGE_2025),
    ListPrice("NVIDIA-GeForce-RTX-4080", "rtx-4080"),
    ListPrice("NVIDIA-GeForce-RTX-3090-Ti", "rtx-3090-ti"),
    ListPrice("NVIDIA-GeForce-RTX-3090", "rtx-3090", 0.22, RUNPOD),
)

COMMON_TIERS: Final = (
    "t4", "l4", "a10g", "rtx-4090", "rtx-5090", "l40s", "a100-40gb", "a100-80gb", "h100-80gb",
    "h200", "b200", "mi300x",
)  # fmt: skip
"""What ``tierwise size`` looks at when it is given no tier."""

_BY_PRODUCT: Final = {price.product: price for price in PRICE_LIST}
_BY_TIER: Final = {price.tier_name: price for price in PRICE_LIST}


def list_price(product: str) -> ListPrice | None:
    """The list price of a product, by any name the catalogue knows it under.

    >>> list_price("nvidia-l4").usd_per_gpu_hour, list_price("RTX 4090").tier_name
    (0.44, 'rtx-4090')
    >>> list_price("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb") is None
    True
    """
    known = find_product(product)
    return _BY_PRODUCT.get(known.name) if known else None


def product_of_tier(name: str) -> GPUProduct | None:
    """The product that a short tier name or any name of the catalogue means.

    >>> product_of_tier("h100-80gb").name, product_of_tier("a100-80gb").name
    ('NVIDIA-H100-80GB-HBM3', 'NVIDIA-A100-SXM4-80GB')
    """
    price = _BY_TIER.get(name.casefold())
    return find_product(price.product if price else name)
