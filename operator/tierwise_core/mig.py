"""MIG: a GPU cut into slices, each with memory and processors of its own.

A pod asks for a slice by its profile (``nvidia.com/mig-3g.40gb``) and gets that much of one GPU. A
slice has no fast path to another, and a process sees one slice only, so a model is never cut over
several: tensor parallel is 1 on such a tier.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["is_slice", "slice_memory_bytes"]

GIB: Final = 2**30
RESOURCE: Final = re.compile(r"nvidia\.com/mig-(?P<profile>\d+g\.(?P<gigabytes>\d+)gb)(?:\.me)?")

# Memory of an instance in GiB as `nvidia-smi mig -lgip` lists it (NVIDIA Multi-Instance GPU User
# Guide, "Getting Started with MIG"). Where products share a profile's name, the smaller one. Only
# those of the H100 were compared with the guide again; the others are remembered.
SLICES_GIB: Final = {
    "1g.5gb": 4.75,  # A100 40GB
    "2g.10gb": 9.75,
    "3g.20gb": 19.62,
    "4g.20gb": 19.62,
    "7g.40gb": 39.50,
    "1g.6gb": 5.81,  # A30
    "2g.12gb": 11.69,
    "4g.24gb": 23.44,
    "1g.10gb": 9.50,  # A100 80GB, H100 80GB
    "1g.20gb": 19.50,
    "2g.20gb": 19.50,
    "3g.40gb": 39.25,
    "4g.40gb": 39.25,
    "7g.80gb": 78.75,
}
SHARE_OF_NAME: Final = 0.88
"""Of the gigabytes in a profile's name, for products that are not listed: names round up."""


def is_slice(resource_name: str) -> bool:
    """Whether pods of a tier get a slice, not a whole GPU.

    >>> is_slice("nvidia.com/mig-1g.10gb"), is_slice("nvidia.com/gpu")
    (True, False)
    """
    return RESOURCE.fullmatch(resource_name) is not None


def slice_memory_bytes(resource_name: str) -> int | None:
    """The memory of a slice, ``None`` if the resource is none.

    >>> slice_memory_bytes("nvidia.com/mig-3g.40gb") / GIB
    39.25
    >>> round(slice_memory_bytes("nvidia.com/mig-1g.18gb") / GIB, 2)
    15.84
    >>> slice_memory_bytes("nvidia.com/gpu") is None
    True
    """
    match = RESOURCE.fullmatch(resource_name)
    if match is None:
        return None
    listed = SLICES_GIB.get(match["profile"])
    return int((listed or int(match["gigabytes"]) * SHARE_OF_NAME) * GIB)
