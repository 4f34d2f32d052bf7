"""The router follows a real API server, as kubectl and the operator change it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from apiserver import ApiServer
from manifests import manifest

from tierwise_core.route_table import Endpoint, RouteTable
from tierwise_router.sources import Resources
from tierwise_router.sources.kubeconfig import find_access
from tierwise_router.sources.kubernetes import KubernetesSource
from tierwise_router.table import build_table

pytestmark = pytest.mark.apiserver


async def table_with(snapshots: AsyncIterator[Resources], *endpoints: str) -> RouteTable:
    """Take snapshots until the Specialist has these endpoints."""
    wanted = tuple(Endpoint(url) for url in endpoints)
    async with asyncio.timeout(60):
        async for resources in snapshots:
            table, _ = build_table(resources)
            found = table.routes.get("default/routed")
            if found is not None and found.endpoints == wanted:
                return table
    raise AssertionError("the snapshots ended")


async def test_what_the_operator_writes_becomes_the_route_table(api_server: ApiServer) -> None:
    access = find_access({"KUBECONFIG": str(api_server.kubeconfig)})
    body = manifest("Specialist", {"metadata.name": "routed"})
    tier = manifest("GPUTier", {"metadata.name": "routed-tier", "spec.confidenceFloor": 0.8})
    assert (await asyncio.to_thread(api_server.create, tier)).accepted

    async with aclosing(KubernetesSource(access).snapshots()) as snapshots:
        await anext(snapshots)
        assert (await asyncio.to_thread(api_server.create, body)).accepted
        await table_with(snapshots)

        status = {"status": {"endpoints": [{"url": "http://10.0.0.1:8000"}]}}
        await asyncio.to_thread(api_server.merge, body, status, subresource="status")
        table = await table_with(snapshots, "http://10.0.0.1:8000")
        assert table.tiers["routed-tier"].confidence_floor == 0.8

        await asyncio.to_thread(api_server.delete, body)
        async with asyncio.timeout(60):
            async for resources in snapshots:
                if "default/routed" not in build_table(resources)[0].routes:
                    break
    await asyncio.to_thread(api_server.delete, tier)
