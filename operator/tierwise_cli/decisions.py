"""Asking the routers about a decision: all tell of it, and without a ledger its maker alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tierwise_cli.cluster import Access, Cluster, connect
from tierwise_cli.errors import ClusterError, NoClusterError, RouterError
from tierwise_cli.routers import (
    SERVICE_PROXY,
    URL_VARIABLE,
    Router,
    key_headers,
    nowhere,
    refusal,
    router_at,
)

__all__ = ["Routers", "find_routers"]

POD_PROXY = "/api/v1/namespaces/{namespace}/pods/{pod}:8080/proxy"
POD_SELECTOR = "app.kubernetes.io/name=tierwise-router"
_TIMEOUT_SECONDS = 20.0
_TRIES = 16
"""Connections to one address: behind a Service each may reach another of its pods."""


@dataclass(frozen=True, slots=True)
class Routers:
    """All routers that may know a decision, those that made it first.

    ``one_address`` says that they are all behind one address, where chance picks the pod.
    """

    routers: tuple[Router, ...]
    one_address: bool = False

    def ask(
        self, method: str, path: str, decision: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Ask one after the other until one knows it.

        Raises:
            RouterError: none can be reached, or none knows the decision; with the last one's words.
        """
        failure: RouterError | None = None
        for router in sorted(self.routers, key=lambda one: not made_by(one, decision)):
            try:
                response = router.http.request(
                    method,
                    f"{router.prefix}{path}",
                    json=body,
                    timeout=_TIMEOUT_SECONDS,
                    headers=key_headers(),
                )
            except httpx.HTTPError as error:
                failure = RouterError(
                    f"no router answers {router.where}: {error}",
                    fix="start one with `tierwise serve FILE`, correct --url, or look why: "
                    "tierwise doctor",
                )
                if self.one_address:
                    break
                continue
            if response.status_code == httpx.codes.OK:
                return dict(response.json())
            failure = refusal(response, router.where)
            if response.status_code == httpx.codes.BAD_REQUEST:
                break
            if self.one_address and not _is_elsewhere(response):
                break
        raise failure or RouterError("there is no router pod", fix="tierwise doctor tells why")


def _is_elsewhere(response: httpx.Response) -> bool:
    """Tell whether another router pod may know more: the one that made the decision."""
    try:
        return response.json()["error"]["code"] in {"decision_elsewhere", "ledger_away"}
    except (ValueError, KeyError, TypeError):
        return False


def made_by(router: Router, decision: str) -> bool:
    """Tell whether a decision's name points to a router.

    >>> router = Router(httpx.Client(), "", "pod tierwise-router-6d5f7c9b8-x7k2p")
    >>> made_by(router, "d-x7k2p-3f9a2c-00001f"), made_by(router, "d-bbbbb-3f9a2c-00001f")
    (True, False)
    """
    parts = decision.split("-")
    return len(parts) > 1 and router.where.endswith(f"-{parts[1]}")


@contextmanager
def find_routers(url: str | None, access: Access, namespace: str) -> Iterator[Routers]:
    """The router at a URL, else at TIERWISE_URL, else every router pod of the cluster.

    Behind one URL there may be several pods, of which one made the decision: it is asked again over
    new connections until that one answers.

    Raises:
        RouterError: there is neither a URL nor a cluster.
    """
    address = url or os.environ.get(URL_VARIABLE)
    with ExitStack() as held:
        if address:
            router = held.enter_context(router_at(address, reconnects=True))
            yield Routers((router,) * _TRIES, one_address=True)
            return
        try:
            cluster = held.enter_context(connect(access))
        except NoClusterError as error:
            raise nowhere(error) from error
        yield Routers(tuple(_pods(cluster, namespace)))


def _pods(cluster: Cluster, namespace: str) -> Iterator[Router]:
    """Yield the router pods; the Service alone where pods may not be listed."""
    try:
        found = cluster.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=POD_SELECTOR).get(
            "items", ()
        )
    except ClusterError:
        found = ()
    for pod in found:
        name = pod["metadata"]["name"]
        prefix = POD_PROXY.format(namespace=namespace, pod=name)
        yield Router(cluster.http, prefix, f"pod {name}")
    if not found:
        prefix = SERVICE_PROXY.format(namespace=namespace)
        yield Router(cluster.http, prefix, f"of namespace {namespace} in {cluster.context}")
