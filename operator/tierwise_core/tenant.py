"""Who asks: a tenant, known by the hash of its API key."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TenantRoute"]


@dataclass(frozen=True, slots=True)
class TenantRoute:
    """What the router needs to know of a tenant.

    ``key_hashes`` are SHA-256 digests, in hexadecimal, of its API keys: a key is random and long,
    so that its digest tells nothing. ``specialists`` are the full names that it may ask, empty for
    all.
    """

    namespace: str
    name: str
    key_hashes: tuple[str, ...] = ()
    specialists: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The name that is unique in the cluster: ``namespace/name``."""
        return f"{self.namespace}/{self.name}"
