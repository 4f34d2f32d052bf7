"""An equal candidate, an operator and a ledger that go meanwhile, and the way back by hand."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from cluster import Cluster, answer, eventually

NAME = "journeyman"
SYSTEM = "tierwise-system"
LEDGER = "deployment/tierwise-ledger"
STRATEGY = {
    "initialWeightPercent": 50,
    "minInteractions": 10,
    "windowInteractions": 5,
    "cooldown": "5s",
    "deadline": "130s",
    "onInconclusive": "Hold",
    # What a first rollout on an empty cluster cannot have.
    "skipGates": [
        "EvalReadiness",
        "QualityFloor",
        "MeasuredCost",
        "Compliance",
        "OperationalReadiness",
        "RollbackPath",
        "RampPlan",
    ],
}


@pytest.fixture(scope="module")
def journeyman(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """A Specialist of its own that sorts."""
    for name in ("reverser", "generalist"):
        cluster.kubectl("scale", "specialist", name, "--replicas=0")
    eventually(
        lambda: int(cluster.get("gputier", "rtx-4090")["status"]["gpus"]["free"]),
        lambda free: free >= 2,
        120,
    )
    spec = cluster.get("specialist", "sorter")["spec"] | {"field": "journeywork"}
    spec.pop("routing", None)
    manifest = {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {"name": NAME, "namespace": "default"},
        "spec": {**spec, "rollout": STRATEGY},
    }
    cluster.apply(manifest)
    cluster.wait(f"specialist/{NAME}", "condition=Ready")
    yield manifest
    cluster.delete("specialist", NAME)
    for name in ("reverser", "generalist"):
        cluster.kubectl("scale", "specialist", name, "--replicas=1")


def as_long_as(manifest: dict[str, Any], tokens: int) -> dict[str, Any]:
    """The same model with another context length: other pods that give the same answers."""
    spec = manifest["spec"]
    return {**manifest, "spec": {**spec, "model": {**spec["model"], "maxModelLen": tokens}}}


def rollouts(cluster: Cluster) -> dict[str, dict[str, Any]]:
    found = cluster.get_all("rollouts", "")
    return {
        one["metadata"]["name"]: one
        for one in found
        if one["spec"]["specialistRef"]["name"] == NAME
    }


def apply_and_name(cluster: Cluster, manifest: dict[str, Any]) -> str:
    """Apply another model, and name the Rollout that comes of it."""
    known = set(rollouts(cluster))
    cluster.apply(manifest)
    (name,) = eventually(lambda: set(rollouts(cluster)) - known, bool, 60)
    return str(name)


def status(cluster: Cluster, rollout: str) -> dict[str, Any]:
    return dict(cluster.get("rollout", rollout).get("status", {}))


def stage(cluster: Cluster, rollout: str) -> str:
    return str(status(cluster, rollout).get("stage", ""))


def ready_reason(cluster: Cluster, rollout: str) -> str:
    conditions = status(cluster, rollout).get("conditions", [])
    return next((str(c["reason"]) for c in conditions if c["type"] == "Ready"), "")


def is_all(percent: object) -> bool:
    return percent == 100


def stable_length(cluster: Cluster) -> int:
    return int(cluster.get("specialist", NAME)["status"]["stable"]["model"]["maxModelLen"])


@contextmanager
def users(cluster: Cluster) -> Iterator[list[int]]:
    """Three people who ask and judge all the while; gives the statuses of their answers."""
    codes: list[int] = []
    ended = threading.Event()

    def keep_asking(person: int) -> None:
        number = 0
        while not ended.is_set():
            number += 1
            response = cluster.ask("sort dbca", model=NAME, user=f"user-{person}-{number}")
            codes.append(response.status_code)
            if response.status_code == httpx.codes.OK:
                said = {
                    "decision": response.headers["x-tierwise-decision"],
                    "accepted": answer(response) == "abcd",
                }
                httpx.post(f"{cluster.url}/v1/feedback", json=said, timeout=20)

    people = [threading.Thread(target=keep_asking, args=(person,)) for person in range(3)]
    for person in people:
        person.start()
    try:
        yield codes
    finally:
        ended.set()
        for person in people:
            person.join()


def test_an_equal_candidate_is_inconclusive_though_operator_and_ledger_went_meanwhile(
    cluster: Cluster, journeyman: dict[str, Any]
) -> None:
    rollout = apply_and_name(cluster, as_long_as(journeyman, 192))
    with users(cluster) as codes:
        eventually(lambda: stage(cluster, rollout), lambda now: now in {"Canary", "Shifting"}, 120)
        cluster.kubectl("scale", LEDGER, "-n", SYSTEM, "--replicas=0")
        cluster.kubectl(
            *("delete", "pod", "-n", SYSTEM, "-l", "app.kubernetes.io/component=operator"),
            "--wait=false",
        )
        eventually(lambda: ready_reason(cluster, rollout), lambda why: why == "LedgerSilent", 60)
        assert status(cluster, rollout)["weights"]["green"] == 50
        cluster.kubectl("scale", LEDGER, "-n", SYSTEM, "--replicas=1")
        eventually(lambda: stage(cluster, rollout), lambda now: now == "Inconclusive", 240)
    told = status(cluster, rollout)
    assert set(codes) == {200}
    assert told["verdict"]["outcome"] == "Inconclusive"
    assert told["windows"]["green"]["interactions"] >= 10
    assert told["forecast"]["message"]

    aborted = cluster.tierwise("rollout", "abort", rollout)

    assert aborted.returncode == 0, aborted.stderr
    eventually(lambda: stage(cluster, rollout), lambda now: now == "Aborted", 60)
    rejected = eventually(
        lambda: cluster.condition(NAME, "RolloutRejected"), lambda c: c.get("status") == "True", 30
    )
    assert rollout in rejected["message"]
    assert stable_length(cluster) == 256


def test_what_a_person_promotes_can_be_undone(cluster: Cluster, journeyman: dict[str, Any]) -> None:
    rollout = apply_and_name(cluster, as_long_as(journeyman, 128))
    eventually(lambda: stage(cluster, rollout), lambda now: now in {"Canary", "Shifting"}, 120)
    with users(cluster) as codes:
        promoted = cluster.tierwise("rollout", "promote", rollout)
        assert promoted.returncode == 0, promoted.stderr
        eventually(lambda: stage(cluster, rollout), lambda now: now == "Complete", 60)
        eventually(lambda: stable_length(cluster), lambda tokens: tokens == 128, 30)

        undone = cluster.tierwise("rollout", "undo", NAME)

        assert undone.returncode == 0, undone.stderr
        (back,) = [name for name in rollouts(cluster) if "undo" in name]
        eventually(lambda: status(cluster, back).get("weights", {}).get("green"), is_all, 180)
    assert set(codes) == {200}
    assert stage(cluster, back) == "Promoted"  # what is undone stays warm for the cooldown
    told = cluster.get("rollout", back)["spec"]["candidate"]["model"]
    assert told["maxModelLen"] == 256
    spec = cluster.get("specialist", NAME)["spec"]
    assert spec["model"]["maxModelLen"] == 128  # git's word is git's to change
