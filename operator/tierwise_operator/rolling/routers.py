"""What the routers say they apply: a share counts as taken up when all of them have."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tierwise_operator.cluster import Cluster
from tierwise_operator.engine_metrics import Pages
from tierwise_operator.kinds import Kind

PATH = "/v1/rollouts"
PORT = 8080
PATIENCE_SECONDS = 1.5
ROUTER_POD = Kind("Pod", "", "v1", "pods", label_selector="app.kubernetes.io/name=tierwise-router")


@dataclass(frozen=True, slots=True)
class Taken:
    """What each router applies, by its address: green's percent by (Specialist, Rollout).

    A router that did not answer is None.
    """

    routers: Mapping[str, Mapping[tuple[str, str], int] | None] = field(default_factory=dict)

    def percent(self, specialist: str, rollout: str) -> int | None:
        """Return the largest share of green that any router applies; None if one did not say.

        A router that knows nothing of the Rollout sends nobody to its green.

        >>> one, two = {("ai/sorter", "v2"): 5}, {}
        >>> Taken({"a": one, "b": two}).percent("ai/sorter", "v2")
        5
        >>> Taken({"a": one, "b": None}).percent("ai/sorter", "v2") is None
        True
        """
        shares = []
        for rows in self.routers.values():
            if rows is None:
                return None
            shares.append(rows.get((specialist, rollout), 0))
        return max(shares, default=0)


class Routers:
    """Asks every ready router pod of the release, or the routers at fixed addresses."""

    def __init__(self, cluster: Cluster, namespace: str, urls: tuple[str, ...] = ()) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._urls = urls
        self._pages = Pages()

    async def close(self) -> None:
        """Close the connections."""
        await self._pages.close()

    async def ask(self, _: str = "") -> Taken:
        """Return what all of them apply.

        Raises:
            ClusterError: the router pods cannot be listed.
        """
        urls = self._urls or await self._pods()
        rows = await asyncio.gather(*(self._rows(url) for url in urls))
        return Taken(dict(zip(urls, rows, strict=True)))

    async def _pods(self) -> tuple[str, ...]:
        found = self._cluster.objects(ROUTER_POD, self._namespace)
        addresses = [_address(body) async for body in found]
        return tuple(sorted(address for address in addresses if address))

    async def _rows(self, url: str) -> dict[tuple[str, str], int] | None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                page = await self._pages.get(f"{url.rstrip('/')}{PATH}")
            return _read(json.loads(page))
        except Exception:  # noqa: BLE001 - whatever is wrong with one router, it has not answered
            return None


def _read(page: Any) -> dict[tuple[str, str], int]:
    return {(row["specialist"], row["rollout"]): int(row["greenPercent"]) for row in page}


def _address(pod: Mapping[str, Any]) -> str:
    """Return where a router answers; empty for one that takes no requests."""
    status = pod.get("status") or {}
    conditions = status.get("conditions") or ()
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
    address = status.get("podIP") or ""
    if not ready or not address:
        return ""
    return f"http://[{address}]:{PORT}" if ":" in address else f"http://{address}:{PORT}"
