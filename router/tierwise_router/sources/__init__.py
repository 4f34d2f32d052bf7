"""Where the resources come from: a Kubernetes API server, or files on a laptop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

__all__ = ["Resources", "Source"]

Resources = tuple[Mapping[str, Any], ...]


class Source(Protocol):
    """Somewhere that tells all GPUTiers and Specialists, again whenever one of them changes."""

    def snapshots(self) -> AsyncIterator[Resources]:
        """Yield every resource there is, at first and after each change; never ends."""
        ...
