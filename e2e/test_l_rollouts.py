"""A changed model proves itself on live traffic: the better one stays, the others go back."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from cluster import ROOT, Cluster, KubectlError, answer, eventually

NAME = "apprentice"
MODELS = ROOT / "examples" / "models"
AT_ONCE = 4
ENDED = {"Complete", "RolledBack", "Aborted"}
STRATEGY = {
    "initialWeightPercent": 50,
    "minInteractions": 10,
    "windowInteractions": 5,
    "cooldown": "5s",
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
def apprentice(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """A Specialist that was given the wrong model: asked to sort, it reverses."""
    idle = ("reverser", "generalist")
    for name in idle:
        cluster.kubectl("scale", "specialist", name, "--replicas=0")
    eventually(lambda: free_gpus(cluster), lambda free: free >= len(idle), 120)
    spec = cluster.get("specialist", "sorter")["spec"] | {"field": "apprenticeship"}
    spec.pop("routing", None)
    manifest = {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {"name": NAME, "namespace": "default"},
        "spec": {
            **spec,
            "placement": {**spec.get("placement", {}), "tiers": ["rtx-4090"]},
            "rollout": STRATEGY,
        },
    }
    manifest = with_model(manifest, "reverser")
    cluster.apply(manifest)
    cluster.wait(f"specialist/{NAME}", "condition=Ready")
    yield manifest
    cluster.delete("specialist", NAME)
    for name in idle:
        cluster.kubectl("scale", "specialist", name, "--replicas=1")


def free_gpus(cluster: Cluster) -> int:
    return int(cluster.get("gputier", "rtx-4090")["status"]["gpus"]["free"])


def with_model(manifest: dict[str, Any], model: str) -> dict[str, Any]:
    spec = manifest["spec"]
    source = {**spec["model"], "source": f"file://{MODELS}/{model}"}
    return {**manifest, "spec": {**spec, "model": source}}


def status(cluster: Cluster) -> dict[str, Any]:
    return dict(cluster.get("specialist", NAME)["status"])


def rollout_of(cluster: Cluster, manifest: dict[str, Any]) -> str:
    """Apply another model, and name the Rollout that comes of it."""
    known = rollouts(cluster)
    cluster.apply(manifest)
    (name,) = eventually(
        lambda: [name for name in rollouts(cluster) if name not in known], bool, 60
    )
    return name


def rollouts(cluster: Cluster) -> list[str]:
    found = cluster.get_all("rollouts", "")
    return [r["metadata"]["name"] for r in found if r["spec"]["specialistRef"]["name"] == NAME]


def stage(cluster: Cluster, rollout: str) -> str:
    return str(cluster.get("rollout", rollout).get("status", {}).get("stage", ""))


def pods(cluster: Cluster) -> dict[str, tuple[str, str]]:
    """The pods that run: name, with what they are and what they began as."""
    found = cluster.get_all("pods", f"tierwise.dev/specialist={NAME}")
    return {
        pod["metadata"]["name"]: (
            pod["metadata"]["labels"]["tierwise.dev/edition"],
            pod["metadata"]["uid"],
        )
        for pod in found
        if "deletionTimestamp" not in pod["metadata"]
    }


class Users:
    """They ask the apprentice to sort, each in a session, and say whether it did."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.codes: list[int] = []
        self.right: list[bool] = []
        self._asked = 0
        self._lock = threading.Lock()

    def ask_until(self, ended: threading.Event) -> None:
        """Ask for as long as the rollout lasts."""
        with ThreadPoolExecutor(AT_ONCE) as crowd:
            for asker in [crowd.submit(self._keep_asking, ended) for _ in range(AT_ONCE)]:
                asker.result()

    def _keep_asking(self, ended: threading.Event) -> None:
        while not ended.is_set():
            self.ask()

    def ask(self) -> bool:
        """Ask one question and judge the answer."""
        with self._lock:
            number = self._asked
            self._asked += 1
        letters = word(number)
        response = self.cluster.ask(f"sort {letters}", model=NAME, user=f"user-{number}")
        self.codes.append(response.status_code)
        if response.status_code != httpx.codes.OK:
            return False
        accepted = answer(response) == "".join(sorted(letters))
        self.right.append(accepted)
        decision = response.headers["x-tierwise-decision"]
        body = {"decision": decision, "accepted": accepted}
        httpx.post(f"{self.cluster.url}/v1/feedback", json=body, timeout=20)
        return accepted


def word(number: int) -> str:
    """Four letters that are sorted in neither direction."""
    letters = "abcdefghijklmnop"
    first = number % 12
    return letters[first + 3] + letters[first] + letters[first + 2] + letters[first + 1]


def watched(cluster: Cluster, rollout: str, seconds: float = 240) -> tuple[Users, Sequence[str]]:
    """Let users ask until a Rollout has ended; tell how they fared, and the stages it went by."""
    users, ended, stages = Users(cluster), threading.Event(), list[str]()

    def look() -> str:
        now = stage(cluster, rollout)
        if now and (not stages or stages[-1] != now):
            stages.append(now)
        return now

    crowd = threading.Thread(target=users.ask_until, args=(ended,))
    crowd.start()
    try:
        eventually(look, lambda now: now in ENDED, seconds)
    finally:
        ended.set()
        crowd.join()
    return users, stages


def test_a_better_model_is_promoted_and_its_pods_are_not_restarted(
    cluster: Cluster, apprentice: dict[str, Any]
) -> None:
    before = pods(cluster)
    rollout = rollout_of(cluster, with_model(apprentice, "sorter"))

    users, stages = watched(cluster, rollout)

    assert stages[-1] == "Complete", cluster.get("rollout", rollout)["status"]
    assert set(users.codes) == {200}
    told = eventually(lambda: status(cluster), lambda s: "rollout" not in s, 30)
    assert told["stable"]["model"]["source"].endswith("/sorter")
    after = eventually(lambda: pods(cluster), lambda seen: not set(seen) & set(before), 60)
    assert {row["pod"] for row in told["endpoints"]} == set(after)
    assert all("side" not in row for row in told["endpoints"])
    assert all(users.ask() for _ in range(5))
    selector = cluster.get("service", NAME)["spec"]["selector"]
    assert {edition for edition, _ in after.values()} == {selector["tierwise.dev/edition"]}
    started = [
        status["restartCount"]
        for pod in cluster.get_all("pods", f"tierwise.dev/specialist={NAME}")
        for status in pod["status"]["containerStatuses"]
    ]
    assert set(started) == {0}


def test_a_worse_model_goes_back_and_the_spec_is_left_as_it_was_written(
    cluster: Cluster, apprentice: dict[str, Any]
) -> None:
    before = pods(cluster)
    worse = with_model(apprentice, "adder")
    rollout = rollout_of(cluster, worse)

    users, stages = watched(cluster, rollout)

    assert stages[-1] == "RolledBack", cluster.get("rollout", rollout)["status"]
    assert set(users.codes) == {200}
    assert sum(not right for right in users.right) < 60
    rejected = eventually(
        lambda: cluster.condition(NAME, "RolloutRejected"), lambda c: c.get("status") == "True", 30
    )
    assert rollout in rejected["message"]
    assert cluster.get("specialist", NAME)["spec"]["model"] == worse["spec"]["model"]
    eventually(lambda: pods(cluster), lambda seen: seen == before, 60)
    assert all(users.ask() for _ in range(10))
    assert cluster.condition(NAME, "Ready")["status"] == "True"


def test_an_image_that_cannot_be_pulled_never_reaches_a_user(
    cluster: Cluster, apprentice: dict[str, Any]
) -> None:
    before = pods(cluster)
    broken = with_model(apprentice, "frontier")
    engine = {**broken["spec"]["engine"], "image": "127.0.0.1:9/no/such:image"}
    broken["spec"] = {**broken["spec"], "engine": engine}
    rollout = rollout_of(cluster, broken)

    users, stages = watched(cluster, rollout)

    assert stages[-1] == "RolledBack"
    assert "Canary" not in stages
    verdict = cluster.get("rollout", rollout)["status"]["verdict"]
    assert verdict["reason"] == "GreenFailed"
    assert "cannot pull it" in verdict["message"]
    assert set(users.codes) == {200}
    assert all(users.right)
    eventually(lambda: pods(cluster), lambda seen: seen == before, 60)
    cluster.apply(with_model(apprentice, "sorter"))  # what serves: adopted without a rollout
    eventually(lambda: pods(cluster), lambda seen: seen == before, 90)
    assert cluster.condition(NAME, "RolloutRejected") == {}


def test_without_room_it_is_said_what_would_help_before_anything_is_touched(
    cluster: Cluster, apprentice: dict[str, Any]
) -> None:
    before = pods(cluster)
    cluster.kubectl("scale", "specialist", "generalist", "--replicas=1")
    eventually(lambda: free_gpus(cluster), lambda free: free == 0, 60)

    rollout = rollout_of(cluster, with_model(apprentice, "frontier"))

    waits = eventually(
        lambda: str(cluster.get("rollout", rollout).get("status", {}).get("waitsFor")),
        lambda told: "no room" in told,
        60,
    )
    assert "tier rtx-4090 has 0 of 4 free" in waits
    assert "allow tier h100" in waits
    assert "USD/h" in waits
    assert pods(cluster) == before
    cluster.kubectl("scale", "specialist", "generalist", "--replicas=0")
    cluster.apply(with_model(apprentice, "sorter"))
    eventually(lambda: stage(cluster, rollout), lambda now: now == "Aborted", 60)
    assert pods(cluster) == before


def test_a_rollout_of_a_specialist_that_is_deleted_goes_with_it(
    cluster: Cluster, apprentice: dict[str, Any]
) -> None:
    rollout = rollout_of(cluster, with_model(apprentice, "generalist"))
    eventually(lambda: stage(cluster, rollout), bool, 30)

    cluster.delete("specialist", NAME)

    def gone() -> bool:
        try:
            cluster.get("rollout", rollout)
        except KubectlError:
            return True
        return False

    eventually(gone, bool, 60)
    eventually(lambda: pods(cluster), lambda seen: seen == {}, 90)
