"""A breaker opens while a server is away and closes when it is back, in every router."""

import re
from collections.abc import Iterator

import httpx
import pytest
from cluster import Cluster, answer, eventually

ASLEEP = None
NAME = "flaky"
NOWHERE = {"tierwise.dev/specialist": "nobody"}
SORTER = {"tierwise.dev/specialist": "sorter"}


def service(selector: dict[str, str], port: int) -> dict[str, object]:
    """An address in front of whoever the selector finds: nobody, or the sorter's real engine."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": "default"},
        "spec": {"selector": selector, "ports": [{"port": 8000, "targetPort": port}]},
    }


@pytest.fixture(scope="module")
def engine_port(cluster: Cluster) -> int:
    """The port of the sorter's engine."""
    endpoint = cluster.get("specialist", "sorter")["status"]["endpoints"][0]["url"]
    return httpx.URL(endpoint).port or 80


@pytest.fixture(scope="module")
def flaky(cluster: Cluster, engine_port: int) -> Iterator[None]:
    """An external Specialist behind an address where nobody listens yet."""
    cluster.apply(service(NOWHERE, engine_port))
    address = cluster.get("service", NAME)["spec"]["clusterIP"]
    cluster.apply(
        {
            "apiVersion": "tierwise.dev/v1alpha1",
            "kind": "RouterPolicy",
            "metadata": {"name": "default"},
            "spec": {
                "resilience": {
                    "breaker": {"minimumRequests": 3, "openFor": "2s", "longestOpen": "2s"},
                    "timeouts": {"connect": "500ms"},
                }
            },
        },
        {
            "apiVersion": "tierwise.dev/v1alpha1",
            "kind": "Specialist",
            "metadata": {"name": NAME, "namespace": "default"},
            "spec": {
                "field": "flakiness",
                "external": {"baseURL": f"http://{address}:8000", "model": "sorter"},
            },
        },
    )
    yield
    cluster.delete("specialist", NAME)
    cluster.delete("service", NAME)
    cluster.delete("routerpolicy", "default")


def dispatchers(cluster: Cluster, state: str) -> float:
    """How many dispatchers of the asked router pod have the breaker in that state."""
    text = httpx.get(f"{cluster.url}/metrics", timeout=60).text
    labels = f'specialist="default/{NAME}",state="{state}"'
    found = re.search(rf"tierwise_router_breakers{{{labels}}} (\S+)", text)
    return float(found[1]) if found else 0.0


def test_a_breaker_opens_and_closes(cluster: Cluster, flaky: None, engine_port: int) -> None:
    refused = eventually(
        lambda: cluster.ask("sort dbca", NAME),
        lambda seen: "failed:breaker_open" in seen.headers.get("x-tierwise-path", ""),
    )

    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "breaker_open"
    assert int(refused.headers["retry-after"]) >= 1
    eventually(lambda: dispatchers(cluster, "open"), lambda count: count >= 1)

    cluster.apply(service(SORTER, engine_port))
    back = eventually(lambda: cluster.ask("sort dbca", NAME), lambda seen: seen.status_code == 200)

    assert answer(back) == "abcd"
    assert back.headers["x-tierwise-path"].startswith(f"{NAME}@external")

    def closed_again() -> float:
        # A breaker closes by a request that it let pass; each dispatcher has one of its own.
        cluster.ask("sort dbca", NAME)
        return dispatchers(cluster, "closed")

    eventually(closed_again, lambda count: count >= 1)
