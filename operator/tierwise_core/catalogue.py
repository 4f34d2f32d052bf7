"""GPU products we know: the defaults of a GPUTier that names only ``spec.gpu.product``.

The figures are the vendors'. ``memory_mib`` is what the driver reports (``nvidia-smi``, and the
label ``nvidia.com/gpu.memory``), because pods get that: cards whose memory has inline error
correction report up to 6 % less than their data sheet says.

Floors follow the three classes of the design: consumer and A40-class GPUs serve narrow specialists
and escalate below 0.80, A100-class below 0.70, the H100 class and beyond below 0.55.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Final

__all__ = ["PRODUCTS", "GPUProduct", "find_product", "similar_products"]

MIB: Final = 2**20
NARROW, BROAD, FRONTIER = 0.80, 0.70, 0.55


@dataclass(frozen=True, slots=True)
class GPUProduct:
    """One GPU.

    Attributes:
        name: the label ``nvidia.com/gpu.product`` as GPU feature discovery writes it.
        memory_mib: memory as the driver reports it, in MiB.
        bandwidth_gb_per_s: memory bandwidth, 10^9 bytes per second.
        tdp_watts: the highest power it may draw.
        confidence_floor: the default of ``spec.confidenceFloor``.
        source: where bandwidth and power are from.
        aliases: other spellings: older labels, cloud providers' labels.
    """

    name: str
    memory_mib: int
    bandwidth_gb_per_s: float
    tdp_watts: int
    confidence_floor: float
    source: str
    aliases: tuple[str, ...] = ()

    @property
    def memory_bytes(self) -> int:
        """The same memory in bytes."""
        return self.memory_mib * MIB


H100_SHEET: Final = "NVIDIA H100 Tensor Core GPU data sheet, 2023"
A100_SHEET: Final = "NVIDIA A100 Tensor Core GPU data sheet, 2021"
V100_SHEET: Final = "NVIDIA V100 Tensor Core GPU data sheet, 2020"
ADA_SHEET: Final = "NVIDIA Ada GPU architecture white paper, 2023"
BLACKWELL_SHEET: Final = "NVIDIA RTX Blackwell GPU architecture white paper, 2025"
AMPERE_SHEET: Final = "NVIDIA Ampere GA102 GPU architecture white paper, 2021"

PRODUCTS: Final = (
    # The frontier class.
    GPUProduct(
        "NVIDIA-B200",
        183359,
        8000,
        1000,
        FRONTIER,
        "NVIDIA DGX B200 data sheet, 2024",
        ("nvidia-b200",),
    ),
    GPUProduct("NVIDIA-GB200", 189471, 8000, 1200, FRONTIER, "NVIDIA GB200 NVL72 data sheet, 2024"),
    GPUProduct(
        "NVIDIA-H200",
        143771,
        4800,
        700,
        FRONTIER,
        "NVIDIA H200 Tensor Core GPU data sheet, 2024",
        ("nvidia-h200-141gb",),
    ),
    GPUProduct("NVIDIA-H200-NVL", 143771, 4800, 600, FRONTIER, "NVIDIA H200 NVL data sheet, 2024"),
    GPUProduct(
        "NVIDIA-GH200-480GB",
        97871,
        4000,
        1000,
        FRONTIER,
        "NVIDIA GH200 Grace Hopper Superchip data sheet, 2023",
    ),
    GPUProduct(
        "NVIDIA-H100-80GB-HBM3",
        81559,
        3350,
        700,
        FRONTIER,
        H100_SHEET,
        (
            "H100-SXM5-80GB",
            "nvidia-h100-80gb",
            "nvidia-h100-mega-80gb",
            "h100",
        ),
    ),
    GPUProduct("NVIDIA-H100-PCIe", 81559, 2000, 350, FRONTIER, H100_SHEET, ("H100-PCIe-80GB",)),
    GPUProduct("NVIDIA-H100-NVL", 95830, 3900, 400, FRONTIER, H100_SHEET),
    GPUProduct(
        "AMD-Instinct-MI300X",
        196592,
        5300,
        750,
        FRONTIER,
        "AMD Instinct MI300X data sheet, 2023",
        (
            "AMD-Instinct-MI300X-OAM",
            "MI300X",
        ),
    ),
    GPUProduct(
        "AMD-Instinct-MI325X",
        262128,
        6000,
        1000,
        FRONTIER,
        "AMD Instinct MI325X data sheet, 2024",
        (
            "AMD-Instinct-MI325X-OAM",
            "MI325X",
        ),
    ),
    # The middle class.
    GPUProduct("NVIDIA-A100-SXM4-80GB", 81920, 2039, 400, BROAD, A100_SHEET, ("nvidia-a100-80gb",)),
    GPUProduct(
        "NVIDIA-A100-80GB-PCIe", 81920, 1935, 300, BROAD, A100_SHEET, ("NVIDIA-A100-PCIE-80GB",)
    ),
    GPUProduct(
        "NVIDIA-A100-SXM4-40GB", 40960, 1555, 400, BROAD, A100_SHEET, ("nvidia-tesla-a100",)
    ),
    GPUProduct("NVIDIA-A100-PCIE-40GB", 40960, 1555, 250, BROAD, A100_SHEET),
    # Narrow specialists: older and smaller data centre parts, workstations, consumer cards.
    GPUProduct("NVIDIA-A40", 46068, 696, 300, NARROW, "NVIDIA A40 data sheet, 2021"),
    GPUProduct("NVIDIA-A30", 24576, 933, 165, NARROW, "NVIDIA A30 data sheet, 2021"),
    GPUProduct("NVIDIA-A10", 23028, 600, 150, NARROW, "NVIDIA A10 data sheet, 2021"),
    GPUProduct("NVIDIA-A10G", 23028, 600, 300, NARROW, "Amazon EC2 G5 instances, 2021", ("a10g",)),
    GPUProduct("NVIDIA-L40S", 46068, 864, 350, NARROW, "NVIDIA L40S data sheet, 2023", ("l40s",)),
    GPUProduct("NVIDIA-L40", 46068, 864, 300, NARROW, "NVIDIA L40 data sheet, 2023"),
    GPUProduct(
        "NVIDIA-L4",
        23034,
        300,
        72,
        NARROW,
        "NVIDIA L4 data sheet, 2023",
        (
            "nvidia-l4",
            "l4",
        ),
    ),
    GPUProduct(
        "Tesla-T4",
        15360,
        320,
        70,
        NARROW,
        "NVIDIA T4 data sheet, 2019",
        (
            "nvidia-tesla-t4",
            "t4",
        ),
    ),
    GPUProduct(
        "Tesla-V100-SXM2-32GB", 32768, 900, 300, NARROW, V100_SHEET, ("Tesla-V100-SXM2-32GB-LS",)
    ),
    GPUProduct("Tesla-V100-SXM2-16GB", 16384, 900, 300, NARROW, V100_SHEET, ("nvidia-tesla-v100",)),
    GPUProduct("Tesla-V100-PCIE-32GB", 32768, 900, 250, NARROW, V100_SHEET),
    GPUProduct("Tesla-V100-PCIE-16GB", 16384, 900, 250, NARROW, V100_SHEET),
    GPUProduct(
        "NVIDIA-RTX-6000-Ada-Generation", 49140, 960, 300, NARROW, ADA_SHEET, ("RTX-6000-Ada",)
    ),
    GPUProduct("NVIDIA-RTX-A6000", 49140, 768, 300, NARROW, "NVIDIA RTX A6000 data sheet, 2021"),
    GPUProduct(
        "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition",
        97887,
        1597,
        600,
        NARROW,
        "NVIDIA RTX PRO 6000 Blackwell Server Edition data sheet, 2025",
    ),
    GPUProduct("NVIDIA-GeForce-RTX-5090", 32607, 1792, 575, NARROW, BLACKWELL_SHEET),
    GPUProduct("NVIDIA-GeForce-RTX-4090", 24564, 1008, 450, NARROW, ADA_SHEET),
    GPUProduct("NVIDIA-GeForce-RTX-4080", 16376, 716.8, 320, NARROW, ADA_SHEET),
    GPUProduct("NVIDIA-GeForce-RTX-3090-Ti", 24564, 1008, 450, NARROW, AMPERE_SHEET),
    GPUProduct("NVIDIA-GeForce-RTX-3090", 24576, 936, 350, NARROW, AMPERE_SHEET),
)


def _plain(name: str) -> str:
    """A name without the spelling differences between labels, drivers and people.

    GPU feature discovery writes spaces as dashes and marks time-sliced GPUs with ``-SHARED``.

    >>> _plain("NVIDIA GeForce RTX 4090"), _plain("Tesla-T4-SHARED")
    ('rtx-4090', 't4')
    """
    plain = "-".join(name.replace("_", "-").split()).casefold().removesuffix("-shared")
    for prefix in ("nvidia-", "tesla-", "geforce-"):
        plain = plain.removeprefix(prefix)
    return plain


_BY_NAME: Final = {
    _plain(name): product for product in PRODUCTS for name in (product.name, *product.aliases)
}


def find_product(name: str) -> GPUProduct | None:
    """The product that a node label or a person means, or ``None``.

    A MIG slice is none: its memory is its profile's (:mod:`tierwise_core.mig`).

    >>> find_product("NVIDIA-L4").tdp_watts
    72
    >>> find_product("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb") is None
    True
    """
    return _BY_NAME.get(_plain(name))


def similar_products(name: str) -> tuple[str, ...]:
    """Up to three product names that look like this one, for a message.

    >>> similar_products("NVIDIA-GeForce-RTX-4O90")[0]
    'NVIDIA-GeForce-RTX-4090'
    """
    near = difflib.get_close_matches(_plain(name), _BY_NAME, n=3)
    return tuple(dict.fromkeys(_BY_NAME[match].name for match in near))
