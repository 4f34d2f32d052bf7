"""Resources from a Kubernetes API server: list once, then watch.

A watch that ends is taken up where it stopped; one whose place the server has forgotten (410 Gone)
is listed anew. While the API server is away the last snapshot stays what it was: the router goes
on answering with it.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import structlog

from tierwise_router.sources import Resources
from tierwise_router.sources.kubeconfig import ApiAccess

__all__ = ["Backoff", "KubernetesSource", "backoff_s"]

log = structlog.get_logger(__name__)

GROUP_PATH = "/apis/tierwise.dev/v1alpha1"
PAGE = 500
WATCH_S = 300
# Bookmarks come about once a minute: longer silence means that the connection is dead.
SILENCE_S = 120.0
SHORTEST_WATCH_S = 1.0
GONE = 410
SHARES = frozenset({"weights", "shadowPercent"})
ABSENT = frozenset({403, 404})
Backoff = Callable[[int], float]


class _PlaceLostError(Exception):
    """The server no longer knows the resource version: list anew."""


class _EndedAtOnceError(Exception):
    """The watch was closed as soon as it was open: do not ask again at once."""


def backoff_s(failures: int) -> float:
    """Wait longer with each failure, up to 15 s, and never all routers at once."""
    return float(min(0.25 * 2 ** min(failures, 10), 15.0) * random.uniform(0.5, 1.0))  # noqa: S311 - spreading load


@dataclass(slots=True)
class _Collection:
    """One kind of resource, as the server last told it.

    An ``optional`` one is empty as long as the server does not have the kind, or keeps it from us:
    the custom resources of an older version are no reason to answer nobody. ``kept`` names what
    matters of the status: a change of the rest is told to nobody.
    """

    path: str
    optional: bool = False
    kept: frozenset[str] | None = None
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    version: str = ""
    listed: bool = False
    failures: int = 0


class KubernetesSource:
    """Follows all that routes are made of.

    Specialists, Rollouts and Tenants are those of one namespace, or all; tiers, policies and
    profiles have none.
    """

    def __init__(
        self, access: ApiAccess, namespace: str = "", backoff: Backoff = backoff_s
    ) -> None:
        scope = f"/namespaces/{namespace}" if namespace else ""
        self._collections = (
            _Collection(f"{GROUP_PATH}{scope}/specialists"),
            _Collection(f"{GROUP_PATH}/gputiers"),
            _Collection(f"{GROUP_PATH}{scope}/tenants", optional=True),
            _Collection(f"{GROUP_PATH}/routerpolicies", optional=True),
            _Collection(f"{GROUP_PATH}/fieldprofiles", optional=True),
            _Collection(f"{GROUP_PATH}{scope}/rollouts", optional=True, kept=SHARES),
        )
        self._access = access
        self._backoff = backoff
        self._changed = asyncio.Event()

    async def snapshots(self) -> AsyncIterator[Resources]:
        """Yield all resources once both kinds are known, then after each change."""
        timeout = httpx.Timeout(30.0, read=SILENCE_S)
        verify = self._access.tls if self._access.tls is not None else False
        async with httpx.AsyncClient(
            base_url=self._access.server, verify=verify, timeout=timeout, trust_env=False
        ) as client:
            following = [
                asyncio.create_task(self._follow(client, collection))
                for collection in self._collections
            ]
            try:
                while True:
                    await self._changed.wait()
                    self._changed.clear()
                    if all(collection.listed for collection in self._collections):
                        yield self._snapshot()
            finally:
                for task in following:
                    task.cancel()
                await asyncio.gather(*following, return_exceptions=True)

    def _snapshot(self) -> Resources:
        return tuple(item for kind in self._collections for item in kind.items.values())

    async def _follow(self, client: httpx.AsyncClient, collection: _Collection) -> None:
        while True:
            try:
                await self._list_and_watch(client, collection)
            except _PlaceLostError:
                collection.version = ""
                collection.failures += 1
            except Exception as error:  # noqa: BLE001 - whatever it was, the router must go on
                collection.failures += 1
                self._lost(collection, error)
            if collection.failures:
                await asyncio.sleep(self._backoff(collection.failures))

    def _lost(self, collection: _Collection, error: Exception) -> None:
        if collection.optional and _is_absent(error):
            if not collection.listed:
                log.warning("not there, so none are used", path=collection.path, error=str(error))
                collection.listed = True
                self._changed.set()
            return
        log.warning(
            "API server away; the last route table stays",
            path=collection.path,
            error=str(error) or type(error).__name__,
            failures=collection.failures,
        )

    async def _list_and_watch(self, client: httpx.AsyncClient, collection: _Collection) -> None:
        if not collection.version:
            await self._list(client, collection)
        began_at = time.monotonic()
        await self._watch(client, collection)
        if time.monotonic() - began_at < SHORTEST_WATCH_S:
            raise _EndedAtOnceError("the watch ended at once")

    async def _list(self, client: httpx.AsyncClient, collection: _Collection) -> None:
        items: dict[str, dict[str, Any]] = {}
        query = {"limit": str(PAGE)}
        while True:
            reply = await client.get(
                collection.path, params=query, headers=self._access.authorization()
            )
            _check(reply)
            page = reply.json()
            items.update((_key(item), _slim(item, collection)) for item in page.get("items") or ())
            if not (more := page["metadata"].get("continue")):
                break
            query["continue"] = more
        collection.items = items
        collection.version = page["metadata"]["resourceVersion"]
        collection.listed = True
        self._changed.set()

    async def _watch(self, client: httpx.AsyncClient, collection: _Collection) -> None:
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_S),
            "resourceVersion": collection.version,
        }
        headers = self._access.authorization()
        async with client.stream("GET", collection.path, params=query, headers=headers) as reply:
            _check(reply)
            collection.failures = 0
            async for line in reply.aiter_lines():
                if line:
                    self._take(collection, json.loads(line))

    def _take(self, collection: _Collection, event: dict[str, Any]) -> None:
        kind, item = event["type"], event["object"]
        if kind == "ERROR":
            if item.get("code") == GONE:
                raise _PlaceLostError
            raise ValueError(f"watch error {item.get('code')}: {item.get('message')}")
        collection.version = item["metadata"]["resourceVersion"]
        if kind == "BOOKMARK":
            return
        if kind == "DELETED":
            collection.items.pop(_key(item), None)
        else:
            slim = _slim(item, collection)
            if slim == collection.items.get(_key(item)):
                return
            collection.items[_key(item)] = slim
        self._changed.set()


def _is_absent(error: Exception) -> bool:
    return isinstance(error, httpx.HTTPStatusError) and error.response.status_code in ABSENT


def _check(reply: httpx.Response) -> None:
    if reply.status_code == GONE:
        raise _PlaceLostError
    reply.raise_for_status()


def _key(item: dict[str, Any]) -> str:
    metadata = item["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


def _slim(item: dict[str, Any], collection: _Collection) -> dict[str, Any]:
    # managedFields are often larger than all the rest, and routing reads none of them.
    item["metadata"].pop("managedFields", None)
    if collection.kept is None:
        return item
    # A live Rollout's evidence changes every few seconds: a table for each time would be a waste.
    item["metadata"].pop("resourceVersion", None)
    status = item.get("status") or {}
    return {**item, "status": {name: status[name] for name in collection.kept & status.keys()}}
