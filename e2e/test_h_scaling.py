"""A Specialist from nothing to three replicas and back to nothing, as real requests come and go."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from cluster import Cluster, answer, eventually

NAME = "owl"
MOST = 3
SELECTOR = f"tierwise.dev/specialist={NAME}"
ASLEEP = ("reverser", "adder", "generalist")  # a GPU for each replica


@pytest.fixture(scope="module")
def owl(cluster: Cluster) -> Iterator[None]:
    """A sorter that sleeps; its windows are short."""
    model = cluster.get("specialist", "sorter")["spec"]
    cluster.apply(
        {
            "apiVersion": "tierwise.dev/v1alpha1",
            "kind": "Specialist",
            "metadata": {"name": NAME, "namespace": "default"},
            "spec": {
                "field": "owls",
                "parent": "frontier",
                "model": model["model"],
                "engine": model["engine"],
                "placement": {
                    "tiers": ["rtx-4090"],
                    "replicas": {"min": 0, "max": MOST},
                    "scaling": {
                        "targetInFlightPerReplica": 2,
                        "scaleDownAfter": "20s",
                        "sleepAfter": "30s",
                        "holdTimeout": "8m",
                    },
                },
            },
        }
    )
    yield
    cluster.delete("specialist", NAME)


class PodsSeen:
    """Every pod of the owl there ever was: whether it was ready, and whether it went unready."""

    def __init__(self, cluster: Cluster) -> None:
        self.was_ready: dict[str, bool] = {}
        self.killed_loading: list[str] = []
        self._cluster = cluster
        self._enough = threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()

    def stop(self) -> None:
        self._enough.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._enough.wait(0.5):
            listed = self._cluster.get_all("pods", SELECTOR)
            for pod in listed:
                name, leaves = pod["metadata"]["name"], "deletionTimestamp" in pod["metadata"]
                conditions = pod["status"].get("conditions", [])
                ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
                if leaves and not self.was_ready.get(name):
                    self.killed_loading.append(name)
                self.was_ready[name] = self.was_ready.get(name, False) or ready


@contextmanager
def many_asking(cluster: Cluster, askers: int) -> Iterator[list[int]]:
    """Ask for long answers from many threads; the list fills with status codes."""
    codes: list[int] = []
    enough = threading.Event()

    def keep_asking() -> None:
        with httpx.Client(timeout=600) as client:
            while not enough.is_set():
                body = {
                    "model": NAME,
                    "messages": [{"role": "user", "content": "sort dbca"}],
                    "max_tokens": 200,
                    "ignore_eos": True,
                }
                codes.append(
                    client.post(f"{cluster.url}/v1/chat/completions", json=body).status_code
                )

    threads = [threading.Thread(target=keep_asking) for _ in range(askers)]
    for thread in threads:
        thread.start()
    try:
        yield codes
    finally:
        enough.set()
        for thread in threads:
            thread.join()


def scaling(cluster: Cluster) -> dict[str, Any]:
    return dict(cluster.get("specialist", NAME).get("status", {}).get("scaling", {}))


def ready_replicas(cluster: Cluster) -> int:
    return int(cluster.get("specialist", NAME)["status"].get("readyReplicas", 0))


def stream(cluster: Cluster, lines: list[str]) -> None:
    body = {
        "model": NAME,
        "messages": [{"role": "user", "content": "sort dbca"}],
        "temperature": 0,
        "stream": True,
    }
    with httpx.stream(
        "POST", f"{cluster.url}/v1/chat/completions", json=body, timeout=600
    ) as response:
        lines.extend(response.iter_lines())


def test_it_sleeps_until_somebody_asks(cluster: Cluster, owl: None) -> None:
    eventually(lambda: scaling(cluster), lambda seen: seen.get("asleep") is True)

    assert cluster.names("pods", SELECTOR) == []
    eventually(
        lambda: cluster.condition(NAME, "ServingReady"),
        lambda found: found.get("reason") == "ScaledToZero",
    )


def test_who_does_not_want_to_wait_is_answered_by_the_next_tier(
    cluster: Cluster, owl: None
) -> None:
    cluster.wait("specialist/frontier", "condition=Ready")
    body = {"model": NAME, "messages": [{"role": "user", "content": "sort dbca"}]}
    response = eventually(
        lambda: httpx.post(
            f"{cluster.url}/v1/chat/completions",
            json=body,
            headers={"x-tierwise-when-asleep": "escalate"},
            timeout=60,
        ),
        lambda found: found.status_code == 200,
    )

    assert response.headers["x-tierwise-specialist"] == "default/frontier"
    assert response.headers["x-tierwise-path"].startswith("owl@")
    # It is woken all the same, for whoever asks next.
    eventually(lambda: scaling(cluster), lambda seen: seen.get("desiredReplicas") == 1)


def test_from_nothing_to_three_and_back_to_nothing(cluster: Cluster, owl: None) -> None:
    pods = PodsSeen(cluster)
    try:
        held = the_first_requests_are_held_and_answered(cluster)
        with many_asking(cluster, 8) as codes:
            grown = eventually(lambda: ready_replicas(cluster), lambda ready: ready == MOST, 600)
        eventually(lambda: scaling(cluster), lambda seen: seen.get("asleep") is True, 300)
        eventually(lambda: cluster.names("pods", SELECTOR), lambda left: not left)
    finally:
        pods.stop()

    assert held[-1] == "data: [DONE]"
    assert grown == MOST
    assert set(codes) == {200}
    assert pods.killed_loading == []
    assert len(pods.was_ready) == MOST
    eventually(
        lambda: cluster.kubectl("get", "events", "-o", "jsonpath={.items[*].reason}").split(),
        {"Woken", "Scaled", "FellAsleep"}.issubset,
    )


def the_first_requests_are_held_and_answered(cluster: Cluster) -> list[str]:
    """One streamed, one whole; both wait for the pod that was woken."""
    lines: list[str] = []
    streaming = threading.Thread(target=stream, args=(cluster, lines))
    streaming.start()
    whole = cluster.ask_patiently("sort dbca", NAME)
    streaming.join()

    assert answer(whole) == "abcd"
    assert any(line.startswith(": waking owl, ") for line in lines)
    return [line for line in lines if line]
