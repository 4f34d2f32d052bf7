"""Power as NVIDIA's DCGM exporter measures it, by pod."""

from __future__ import annotations

import re
from typing import Final

from tierwise_ledger.money.cluster_view import Watts

__all__ = ["read_watts"]

POWER: Final = re.compile(r"^DCGM_FI_DEV_POWER_USAGE\{([^}]*)\}\s+([0-9.eE+-]+)", re.MULTILINE)
LABEL: Final = re.compile(r'(\w+)="([^"]*)"')


def read_watts(page: str) -> Watts:
    """Read the watts of a page of metrics; a GPU that no pod holds is nobody's.

    >>> page = '''# TYPE DCGM_FI_DEV_POWER_USAGE gauge
    ... DCGM_FI_DEV_POWER_USAGE{gpu="0",namespace="demo",pod="large-1"} 310.5
    ... DCGM_FI_DEV_POWER_USAGE{gpu="1",namespace="demo",pod="large-1"} 290
    ... DCGM_FI_DEV_POWER_USAGE{gpu="2"} 60'''
    >>> read_watts(page)
    {('demo', 'large-1'): 600.5}
    """
    found: dict[tuple[str, str], float] = {}
    for labels, value in POWER.findall(page):
        told = dict(LABEL.findall(labels))
        if told.get("pod"):
            key = told.get("namespace", ""), told["pod"]
            found[key] = found.get(key, 0.0) + float(value)
    return found
