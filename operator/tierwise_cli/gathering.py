"""Reading what the doctor looks at: a thin shell around plain GETs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import httpx

from tierwise_api import API_VERSION, GROUP
from tierwise_cli.checks import Probe, Snapshot, Unread, Workload, keys_wanted
from tierwise_cli.checks.seen import Object, Objects
from tierwise_cli.cluster import Cluster
from tierwise_cli.errors import AbsentError, ClusterError
from tierwise_cli.ledgers import SERVICE_PROXY as LEDGER_PROXY
from tierwise_cli.routers import SERVICE_PROXY as ROUTER_PROXY

__all__ = ["gather"]

T = TypeVar("T")
A = TypeVar("A")

_GROUP_PATH = f"/apis/{API_VERSION}"
_LEASE = "tierwise-operator"


def gather(cluster: Cluster, namespace: str, tierwise: str, now: datetime) -> Snapshot:
    """Everything the checks look at. What cannot be read becomes an Unread with the reason.

    Raises:
        UnreachableError, DeniedError: the cluster does not even tell its version.
    """
    version = str(cluster.get("/version")["gitVersion"])
    policies = _listed(cluster, f"{_GROUP_PATH}/routerpolicies")
    router = _workload(cluster, namespace, "tierwise-router")
    return Snapshot(
        namespace=namespace,
        context=cluster.context,
        server=cluster.server,
        version=version,
        tierwise=tierwise,
        now=now,
        definitions=_definitions(cluster),
        nodes=_listed(cluster, "/api/v1/nodes"),
        tiers=_listed(cluster, f"{_GROUP_PATH}/gputiers"),
        specialists=_listed(cluster, f"{_GROUP_PATH}/specialists"),
        policies=policies,
        operator=_workload(cluster, namespace, "tierwise-operator"),
        router=router,
        ledger=_workload(cluster, namespace, "tierwise-ledger"),
        lease=_one(cluster, f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{_LEASE}"),
        ready=_probe(cluster, ROUTER_PROXY.format(namespace=namespace)),
        ledger_ready=_probe(cluster, LEDGER_PROXY.format(namespace=namespace)),
        keys=_keys(cluster, namespace, keys_wanted(policies, router)),
    )


def _read(read: Callable[[], T], absent: A) -> T | A | Unread:
    """What a read returns, ``absent`` where there is no such thing, Unread where it is denied."""
    try:
        return read()
    except AbsentError:
        return absent
    except ClusterError as error:
        return Unread(str(error), error.fix)


def _listed(cluster: Cluster, path: str, **query: str) -> Objects | Unread:
    """The objects of a kind; none where the cluster does not know the kind."""
    return _read(lambda: cluster.items(path, **query), absent=())


def _definitions(cluster: Cluster) -> Objects | Unread:
    listed = _listed(cluster, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
    if isinstance(listed, Unread):
        return listed
    return [definition for definition in listed if definition["spec"]["group"] == GROUP]


def _one(cluster: Cluster, path: str) -> Object | Unread | None:
    """One object, or None where there is none."""
    return _read(lambda: cluster.get(path), absent=None)


def _workload(cluster: Cluster, namespace: str, name: str) -> Workload:
    selector = f"app.kubernetes.io/name={name}"
    return Workload(
        _one(cluster, f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"),
        _listed(cluster, f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector),
    )


def _keys(cluster: Cluster, namespace: str, name: str | None) -> Object | Unread | None:
    if name is None:
        return None
    return _one(cluster, f"/api/v1/namespaces/{namespace}/secrets/{name}")


def _probe(cluster: Cluster, service: str) -> Probe | Unread:
    """A Service's /readyz through the API server, so that it works from anywhere."""
    try:
        response = cluster.http.get(f"{service}/readyz")
    except httpx.HTTPError as error:
        return Unread(f"{cluster.server} did not pass /readyz on: {error}")
    if response.status_code == httpx.codes.FORBIDDEN:
        return Unread(
            "the cluster does not let you reach services through it, so /readyz was not asked",
            "ask for get on services/proxy in that namespace",
        )
    return Probe(response.status_code, response.text)
