"""Cloud instance types and the GPU they have, for nodes whose labels say nothing better.

Sources: Amazon EC2 "Accelerated computing instances", Azure "GPU accelerated virtual machine
sizes", Google Compute Engine "GPU machine types", as of 2025. Types with several GPU products, and
sizes with a part of a GPU, are left out: no product would be right.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["product_of_instance_type"]

_PATTERNS: Final = (
    # Amazon EC2
    (r"g4dn\..+", "Tesla-T4"),
    (r"g5\..+", "NVIDIA-A10G"),
    (r"g6\..+", "NVIDIA-L4"),
    (r"g6e\..+", "NVIDIA-L40S"),
    (r"p3\..+", "Tesla-V100-SXM2-16GB"),
    (r"p3dn\..+", "Tesla-V100-SXM2-32GB"),
    (r"p4d\..+", "NVIDIA-A100-SXM4-40GB"),
    (r"p4de\..+", "NVIDIA-A100-SXM4-80GB"),
    (r"p5\..+", "NVIDIA-H100-80GB-HBM3"),
    (r"p5en?\..+", "NVIDIA-H200"),
    (r"p6-b200\..+", "NVIDIA-B200"),
    # Azure
    (r"Standard_NC[0-9]+as_T4_v3", "Tesla-T4"),
    (r"Standard_NC[0-9]+r?s_v3", "Tesla-V100-PCIE-16GB"),
    (r"Standard_NC[0-9]+ads_A100_v4", "NVIDIA-A100-80GB-PCIe"),
    (r"Standard_ND[0-9]+asr_v4", "NVIDIA-A100-SXM4-40GB"),
    (r"Standard_ND[0-9]+amsr_A100_v4", "NVIDIA-A100-SXM4-80GB"),
    (r"Standard_NC[0-9]+adi?s_H100_v5", "NVIDIA-H100-NVL"),
    (r"Standard_ND[0-9]+isr_H100_v5", "NVIDIA-H100-80GB-HBM3"),
    (r"Standard_ND[0-9]+isr_H200_v5", "NVIDIA-H200"),
    (r"Standard_ND[0-9]+isr_MI300X_v5", "AMD-Instinct-MI300X"),
    # Google Compute Engine
    (r"g2-standard-[0-9]+", "NVIDIA-L4"),
    (r"a2-(high|mega)gpu-.+", "NVIDIA-A100-SXM4-40GB"),
    (r"a2-ultragpu-.+", "NVIDIA-A100-SXM4-80GB"),
    (r"a3-(high|mega|edge)gpu-.+", "NVIDIA-H100-80GB-HBM3"),
    (r"a3-ultragpu-.+", "NVIDIA-H200"),
    (r"a4-highgpu-.+", "NVIDIA-B200"),
)
_BY_TYPE: Final = tuple((re.compile(pattern), product) for pattern, product in _PATTERNS)


def product_of_instance_type(instance_type: str) -> str | None:
    """Return the catalogue's name of the GPU of an instance type, or None.

    >>> product_of_instance_type("g6.12xlarge"), product_of_instance_type("m7i.large")
    ('NVIDIA-L4', None)
    >>> product_of_instance_type("Standard_NC24ads_A100_v4")
    'NVIDIA-A100-80GB-PCIe'
    """
    for pattern, product in _BY_TYPE:
        if pattern.fullmatch(instance_type):
            return product
    return None
