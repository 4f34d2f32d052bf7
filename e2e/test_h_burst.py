"""What own replicas have no room for goes to somebody else's endpoint, on the real cluster.

The Specialist sleeps: a request is answered by the alternative at once, and wakes it all the same.
Nobody waits for its engine here.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cluster import Cluster, answer, eventually

ASLEEP = None
NAME, ELSEWHERE = "swift", "swift-api"


class Provider(BaseHTTPRequestHandler):
    """An OpenAI endpoint that says one word."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Stay silent."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"role": "assistant", "content": "elsewhere"}
        told = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "swift-large",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
        }
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def provider(cluster: Cluster) -> Iterator[str]:
    """The address of a provider that pods reach."""
    server = ThreadingHTTPServer((cluster.our_address, 0), Provider)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://{cluster.our_address}:{server.server_address[1]}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def manifest(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"field": "swifts", **spec},
    }


@pytest.fixture(scope="module")
def swift(cluster: Cluster, provider: str) -> Iterator[None]:
    """A Specialist that sleeps, told to switch, and its alternative; unknown to `auto`."""
    price = {"inputPerMillionTokens": 0.5, "outputPerMillionTokens": 1.5}
    external = {"baseURL": provider, "model": "swift-large", "price": price}
    sorter = cluster.get("specialist", "sorter")["spec"]
    placement = {
        "tiers": ["h100"],
        "replicas": {"min": 0, "max": 1},
        "alternative": {"specialistRef": ELSEWHERE},
        "burst": "Switch",
        # Where a router does not know of the overflow yet, nobody waits for the engine either.
        "scaling": {"whenAsleep": "Escalate"},
    }
    own = {"model": sorter["model"], "engine": sorter["engine"], "placement": placement}
    cluster.apply(manifest(ELSEWHERE, external=external))
    cluster.wait(f"specialist/{ELSEWHERE}", "condition=Ready")
    cluster.apply(manifest(NAME, **own))
    yield
    cluster.delete("specialist", NAME, ELSEWHERE)


def status(cluster: Cluster) -> dict[str, Any]:
    return dict(cluster.get("specialist", NAME).get("status", {}))


def test_a_sleeper_s_request_is_answered_elsewhere_and_wakes_it(
    cluster: Cluster, swift: None
) -> None:
    seen = eventually(lambda: status(cluster), lambda found: "burst" in found)
    assert seen["burst"]["baseReplicas"] == 1
    assert seen["burst"]["message"] == "too little is known of the load yet"

    sent_on = f"=failed:overflow, {ELSEWHERE}@external"
    response = eventually(
        lambda: cluster.ask("sort dbca", model=NAME),
        lambda found: found.headers.get("x-tierwise-path", "").endswith(sent_on),
    )
    assert answer(response) == "elsewhere"
    awake = eventually(
        lambda: status(cluster).get("scaling", {}), lambda found: found.get("desiredReplicas") == 1
    )
    told = eventually(lambda: status(cluster).get("overflow", {}), bool)

    assert response.headers["x-tierwise-specialist"] == f"default/{ELSEWHERE}"
    assert awake["asleep"] is False
    assert told["generatedTokens"] >= 3
    assert told["router"].startswith("tierwise-router-")
