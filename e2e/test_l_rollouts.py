"""A changed model proves itself on live traffic: the better one stays, the others go back."""

from collections.abc import Iterator
from typing import Any

import pytest
from apprenticeship import ASLEEP, STRATEGY, Apprentice, watched, with_model
from cluster import Cluster, KubectlError, eventually

__all__ = ["ASLEEP"]

NAME = "apprentice"
FIELD = "apprenticeship"


@pytest.fixture(scope="module")
def apprentice(cluster: Cluster) -> Iterator[Apprentice]:
    """A Specialist that was given the wrong model: asked to sort, it reverses."""
    specialist = Apprentice(cluster, NAME)
    specialist.begin(given(specialist, "reverser"))
    yield specialist
    cluster.delete("specialist", NAME)


def given(apprentice: Apprentice, model: str) -> Any:
    return with_model(apprentice.manifest(FIELD, STRATEGY), model)


def test_a_better_model_is_promoted_and_its_pods_are_not_restarted(
    cluster: Cluster, apprentice: Apprentice
) -> None:
    before = apprentice.pods()
    rollout = apprentice.given(given(apprentice, "sorter"))

    users, stages = watched(apprentice, rollout)

    assert stages[-1] == "Complete", apprentice.told(rollout)
    assert set(users.codes) == {200}
    eventually(apprentice.status, lambda status: "rollout" not in status)
    assert apprentice.stable()["source"].endswith("/sorter")
    after = eventually(apprentice.pods, lambda seen: not set(seen) & set(before))
    serving = apprentice.status()["endpoints"]
    assert {row["pod"] for row in serving} == set(after)
    assert all("side" not in row for row in serving)
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
    cluster: Cluster, apprentice: Apprentice
) -> None:
    before = apprentice.pods()
    worse = given(apprentice, "adder")
    rollout = apprentice.given(worse)

    users, stages = watched(apprentice, rollout)

    assert stages[-1] == "RolledBack", apprentice.told(rollout)
    assert set(users.codes) == {200}
    assert sum(not right for right in users.right) < 60
    apprentice.is_rejected_for(rollout)
    assert cluster.get("specialist", NAME)["spec"]["model"] == worse["spec"]["model"]
    apprentice.has(before)
    assert all(users.ask() for _ in range(10))
    assert cluster.condition(NAME, "Ready")["status"] == "True"


def test_an_image_that_cannot_be_pulled_never_reaches_a_user(
    cluster: Cluster, apprentice: Apprentice
) -> None:
    before = apprentice.pods()
    broken = given(apprentice, "frontier")
    broken["spec"]["engine"] = {
        **broken["spec"]["engine"],
        "image": "127.0.0.1:9/no/such:image",
    }
    rollout = apprentice.given(broken)

    users, stages = watched(apprentice, rollout)

    assert stages[-1] == "RolledBack"
    assert "Canary" not in stages
    verdict = apprentice.told(rollout)["verdict"]
    assert verdict["reason"] == "GreenFailed"
    assert "cannot pull it" in verdict["message"]
    assert set(users.codes) == {200}
    assert all(users.right)
    apprentice.has(before)
    cluster.apply(given(apprentice, "sorter"))  # what serves: adopted without a rollout
    eventually(lambda: cluster.condition(NAME, "RolloutRejected"), lambda found: found == {})
    apprentice.has(before)


def test_without_room_it_is_said_what_would_help_before_anything_is_touched(
    cluster: Cluster, apprentice: Apprentice
) -> None:
    before = apprentice.pods()
    cluster.kubectl("scale", "specialist", "generalist", "--replicas=1")
    eventually(cluster.free_gpus, lambda free: free == 0)

    rollout = apprentice.given(given(apprentice, "frontier"))

    waits = eventually(
        lambda: str(apprentice.told(rollout).get("waitsFor")), lambda told: "no room" in told
    )
    assert "tier rtx-4090 has 0 of 4 free" in waits
    assert "allow tier h100" in waits
    assert "USD/h" in waits
    assert apprentice.pods() == before
    cluster.kubectl("scale", "specialist", "generalist", "--replicas=0")
    cluster.apply(given(apprentice, "sorter"))
    apprentice.reaches(rollout, "Aborted")
    apprentice.has(before)


def test_a_rollout_of_a_specialist_that_is_deleted_goes_with_it(
    cluster: Cluster, apprentice: Apprentice
) -> None:
    rollout = apprentice.given(given(apprentice, "generalist"))
    eventually(lambda: apprentice.stage(rollout), bool)

    cluster.delete("specialist", NAME)

    def gone() -> bool:
        try:
            cluster.get("rollout", rollout)
        except KubectlError:
            return True
        return False

    eventually(gone, bool)
    apprentice.has({})
