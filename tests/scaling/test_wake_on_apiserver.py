"""What a router may and does write, on a real API server with the chart's own roles."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import yaml
from apiserver import ApiServer
from helmchart import NAMESPACE, rendered

from tierwise_router.bursting import Sent
from tierwise_router.overflow_report import OverflowReport
from tierwise_router.sources.kubeconfig import ApiAccess, from_kubeconfig
from tierwise_router.waker import Waker

pytestmark = pytest.mark.apiserver

KINDS = {
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}
ENDPOINTS = [{"url": "http://10.0.0.1:8000"}]


def specialist(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "field": "sorting",
            "model": {"source": "file:///models/sorter"},
            "placement": {"replicas": {"min": 0, "max": 2}},
        },
    }


@pytest.fixture(scope="module")
def router(api_server: ApiServer) -> Iterator[ApiAccess]:
    """The API server, as the router's account reaches it."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    roles = [
        body
        for body in rendered()
        if body["kind"] in KINDS and "router" in body["metadata"]["name"]
    ]
    assert {body["kind"] for body in roles} == KINDS
    text = yaml.safe_dump_all([namespace, *roles])
    api_server.kubectl("apply", "--server-side", "-f", "-", stdin=text)
    token = api_server.kubectl("create", "token", "tierwise-router", "-n", NAMESPACE).strip()
    ours = from_kubeconfig(api_server.kubeconfig)
    assert ours.tls is not None
    yield ApiAccess(ours.server, _without_client(api_server), token=token)
    api_server.kubectl("delete", "-f", "-", "--ignore-not-found", stdin=yaml.safe_dump_all(roles))


def _without_client(server: ApiServer) -> ssl.SSLContext:
    """Trust the server, but show no certificate: the token says who asks."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    assert server.kubeconfig.exists()
    return context


def status_of(server: ApiServer, name: str) -> dict[str, Any]:
    return dict(server.get(specialist(name)).body.get("status", {}))


def patch(access: ApiAccess, name: str, status: dict[str, Any]) -> httpx.Response:
    """Apply a status as whoever holds the router's token could."""
    body = {**specialist(name), "status": status}
    del body["spec"]
    return httpx.patch(
        f"{access.server}/apis/tierwise.dev/v1alpha1/namespaces/default/specialists/{name}/status",
        params={"fieldManager": "tierwise-router", "force": "true"},
        headers={"content-type": "application/apply-patch+yaml", **access.authorization()},
        content=json.dumps(body),
        verify=access.tls or False,
        trust_env=False,
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.02)


async def test_the_waker_writes_who_waits_and_at_last_that_nobody_does(
    api_server: ApiServer, router: ApiAccess
) -> None:
    assert api_server.create(specialist("held")).accepted
    api_server.merge(specialist("held"), {"status": {"endpoints": ENDPOINTS}}, subresource="status")
    waker = Waker(router, every_s=0.05)

    waker.hear(1, {"default/held": 2})
    waker.hear(2, {"default/held": 1})
    await until(lambda: status_of(api_server, "held").get("wake", {}).get("waiting") == 3)
    waker.hear(1, {})
    waker.hear(2, {})
    await until(lambda: status_of(api_server, "held").get("wake", {}).get("waiting") == 0)
    await waker.close()

    seen = status_of(api_server, "held")
    assert seen["endpoints"] == ENDPOINTS
    assert seen["wake"]["requestedAt"].endswith("Z")
    managers = {
        entry["manager"]: entry["fieldsV1"]
        for entry in api_server.get(specialist("held")).body["metadata"]["managedFields"]
    }
    assert managers["tierwise-router"] == {
        "f:status": {"f:wake": {"f:requestedAt": {}, "f:waiting": {}}}
    }


async def test_the_report_writes_what_went_to_the_alternative_and_by_whom(
    api_server: ApiServer, router: ApiAccess
) -> None:
    assert api_server.create(specialist("bursting")).accepted
    waker, report = Waker(router, every_s=0.05), OverflowReport(router, 0.02, "router-a")

    report.hear(1, {"default/bursting": Sent(1, 5, 3), "default/never-was": Sent(1)})
    report.hear(2, {"default/bursting": Sent(1, 5, 3)})
    await until(lambda: overflow_of(api_server).get("requests") == 2)
    waker.hear(1, {"default/bursting": 1})
    await until(lambda: "wake" in status_of(api_server, "bursting"))
    report.hear(1, {"default/bursting": Sent(2, 10, 6)})
    await until(lambda: overflow_of(api_server).get("requests") == 3)
    await until(lambda: not report.busy)
    await waker.close()
    await report.close()

    seen = overflow_of(api_server)
    assert seen.pop("since").endswith("Z")
    assert seen == {
        "router": "router-a",
        "requests": 3,
        "promptTokens": 15,
        "generatedTokens": 9,
    }
    assert status_of(api_server, "bursting")["wake"]["waiting"] == 1  # neither undoes the other


def overflow_of(server: ApiServer) -> dict[str, Any]:
    return dict(status_of(server, "bursting").get("overflow", {}))


async def test_a_specialist_that_is_gone_is_nothing_to_write_about(router: ApiAccess) -> None:
    waker = Waker(router, every_s=0.01)

    waker.hear(1, {"default/never-was": 1})
    waker.hear(1, {})
    await until(lambda: not waker.busy)
    await waker.close()


def test_the_router_s_account_can_write_nothing_else_of_the_status(
    api_server: ApiServer, router: ApiAccess
) -> None:
    assert api_server.create(specialist("guarded")).accepted
    moment = "2026-03-01T12:00:00Z"
    elsewhere = {"endpoints": [{"url": "http://attacker.example"}]}

    tries = 0
    while patch(router, "guarded", elsewhere).status_code == 200:
        tries += 1
        assert tries < 500  # the policy takes a moment to be known to the server
        api_server.merge(specialist("guarded"), {"status": None}, subresource="status")
    refused = patch(router, "guarded", {"wake": {"requestedAt": moment, "waiting": 1}, **elsewhere})
    allowed = patch(router, "guarded", {"wake": {"requestedAt": moment, "waiting": 1}})

    assert refused.status_code in {403, 422}
    assert "the router may write status.wake and status.overflow, and nothing else" in refused.text
    assert allowed.status_code == 200
    assert status_of(api_server, "guarded") == {"wake": {"requestedAt": moment, "waiting": 1}}


def test_the_router_s_account_cannot_take_anything_away(
    api_server: ApiServer, router: ApiAccess
) -> None:
    assert api_server.create(specialist("whole")).accepted
    api_server.merge(
        specialist("whole"), {"status": {"endpoints": ENDPOINTS}}, subresource="status"
    )

    body = json.dumps({"status": {"endpoints": None}})
    path = "/apis/tierwise.dev/v1alpha1/namespaces/default/specialists/whole"
    headers = {"content-type": "application/merge-patch+json", **router.authorization()}
    for target in (path, f"{path}/status"):
        answer = httpx.patch(
            f"{router.server}{target}",
            headers=headers,
            content=body,
            verify=router.tls or False,
            trust_env=False,
        )
        assert answer.status_code in {403, 422}

    assert status_of(api_server, "whole")["endpoints"] == ENDPOINTS
