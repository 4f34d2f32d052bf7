"""What a router pod writes into the status of Specialists: by server-side apply, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import httpx

from tierwise_router.sources.kubeconfig import ApiAccess

__all__ = ["StatusWrites"]

GROUP_VERSION: Final = "tierwise.dev/v1alpha1"
TIMEOUT_S: Final = 5.0


class StatusWrites:
    """Writes as one field manager, which owns what it wrote last; lives in one event loop.

    Args:
        access: the API server.
        manager: the field manager's name.
    """

    def __init__(self, access: ApiAccess, manager: str) -> None:
        self._access = access
        self._manager = manager
        self._client = httpx.AsyncClient(
            base_url=access.server,
            verify=access.tls if access.tls is not None else False,
            timeout=TIMEOUT_S,
            trust_env=False,
        )

    async def apply(self, key: str, status: Mapping[str, Any]) -> None:
        """Say ``status`` of the Specialist ``namespace/name``; of one that is gone nothing is said.

        Raises httpx.HTTPError or OSError when the API server has not taken it.
        """
        namespace, _, name = key.partition("/")
        answer = await self._client.patch(
            f"/apis/{GROUP_VERSION}/namespaces/{namespace}/specialists/{name}/status",
            params={"fieldManager": self._manager, "force": "true"},
            headers={
                "content-type": "application/apply-patch+yaml",
                **self._access.authorization(),
            },
            json={
                "apiVersion": GROUP_VERSION,
                "kind": "Specialist",
                "metadata": {"name": name, "namespace": namespace},
                "status": status,
            },
        )
        if answer.status_code != httpx.codes.NOT_FOUND:
            answer.raise_for_status()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
