"""A changed model proves itself on live traffic: the better one stays, the others go back."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from apprenticeship import ASLEEP, STRATEGY, Apprentice, Users, changed, watched, with_model, word
from cluster import Cluster, KubectlError, eventually

__all__ = ["ASLEEP"]

NAME = "apprentice"
FIELD = "apprenticeship"
SYSTEM = "tierwise-system"
LEDGER = "app.kubernetes.io/component=ledger"
OPERATOR = "app.kubernetes.io/component=operator"
HELD_OUT = "apprenticeship-held-out"
EXAMINED = {
    **STRATEGY,
    "skipGates": ["MeasuredCost", "RampPlan"],
    "cooldown": "1h",
    "benchmark": {"configMap": {"name": HELD_OUT}},
    # What two equal models differ in by chance, on a machine with other things to do.
    "signals": {"ignore": ["CostPerAcceptedAnswer", "LatencyVariance"]},
}


@pytest.fixture(scope="module")
def apprentice(cluster: Cluster) -> Iterator[Apprentice]:
    """A Specialist that was given the wrong model: asked to sort, it reverses."""
    specialist = Apprentice(cluster, NAME)
    specialist.begin(given(specialist, "reverser"))
    yield specialist
    cluster.delete("specialist", NAME)
    cluster.delete("configmap", HELD_OUT)


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
    eventually(
        lambda: {row["pod"]: row.get("side", "") for row in apprentice.status()["endpoints"]},
        lambda serving: serving == dict.fromkeys(after, ""),
    )
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

    # What so many saw is enough, however fast the machine is that answers them.
    users, stages = watched(apprentice, rollout, bears=60)

    assert stages[-1] == "RolledBack", apprentice.told(rollout)
    assert set(users.codes) == {200}
    apprentice.is_rejected_for(rollout)
    assert cluster.get("specialist", NAME)["spec"]["model"] == worse["spec"]["model"]
    apprentice.has(before)
    users.bears = None  # those who had enough come back
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


def test_a_rollout_goes_on_where_it_was_whichever_of_its_stages_the_operator_is_killed_in(
    cluster: Cluster, apprentice: Apprentice
) -> None:
    """An equal candidate in a cluster that gives it trouble, and back by a person's word."""
    before, stable = apprentice.pods(), apprentice.stable()
    rollout = apprentice.given(as_long_as(apprentice, 192))
    the_operator_is_killed(cluster)
    apprentice.reaches(rollout, "Benchmark")  # there are no questions: it waits for them
    the_operator_is_killed(cluster)
    cluster.apply(held_out())
    apprentice.reaches(rollout, "Canary")
    the_operator_is_killed(cluster)
    users = Users(cluster, NAME)
    with users.asking():
        apprentice.reaches(rollout, "Shifting")
    share = apprentice.told(rollout)["weights"]["green"]
    the_ledger_goes(cluster)
    the_operator_is_killed(cluster)
    eventually(lambda: apprentice.reason(rollout), lambda why: why == "LedgerSilent")
    assert apprentice.told(rollout)["weights"]["green"] == share
    the_ledger_comes_back(cluster)
    with users.asking():
        apprentice.reaches(rollout, "Inconclusive")
        said(cluster, "promote", rollout)
        apprentice.reaches(rollout, "Promoted")
        the_ledger_goes(cluster)
        the_operator_is_killed(cluster)
        said(cluster, "undo", NAME)
        eventually(lambda: apprentice.reason(rollout), lambda why: why == "FailuresNotKept")
        assert apprentice.told(rollout)["weights"]["green"] == 0
        the_operator_is_killed(cluster)
        the_ledger_comes_back(cluster)
        apprentice.reaches(rollout, "Aborted")

    assert set(users.codes) == {200}
    told = apprentice.told(rollout)
    assert told["benchmark"]["questions"] == len(QUESTIONS)
    assert told["windows"]["green"]["interactions"] >= 10
    assert told["forecast"]["message"]
    assert told["failuresKept"] is not None
    stages = apprentice.stages(rollout)
    assert stages[-3:] == ["Promoted", "RollingBack", "Aborted"], told
    apprentice.is_rejected_for(rollout)
    apprentice.has(before)
    assert apprentice.stable() == stable
    spec = cluster.get("specialist", NAME)["spec"]
    assert spec["model"]["maxModelLen"] == 192  # git's word is git's to change


QUESTIONS = [
    {"question": f"sort {letters}", "answer": "".join(sorted(letters))}
    for letters in map(word, range(4))
]


def held_out() -> dict[str, Any]:
    """Questions that both sides get right."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": HELD_OUT, "namespace": "default"},
        "data": {"questions.jsonl": "\n".join(map(json.dumps, QUESTIONS))},
    }


def as_long_as(apprentice: Apprentice, tokens: int) -> dict[str, Any]:
    """The same model with another context length: other pods that give the same answers."""
    sorter = with_model(apprentice.manifest(FIELD, EXAMINED), "sorter")
    return changed(sorter, maxModelLen=tokens)


def the_operator_is_killed(cluster: Cluster) -> None:
    """Without a word of farewell: its successor has to wait until its lease has run out."""
    cluster.kubectl(
        *("delete", "pod", "-n", SYSTEM, "-l", OPERATOR),
        *("--grace-period=0", "--force", "--wait=false"),
    )


def the_ledger_goes(cluster: Cluster) -> None:
    cluster.kubectl("scale", "deployment/tierwise-ledger", "-n", SYSTEM, "--replicas=0")
    eventually(lambda: cluster.names("pods", LEDGER, SYSTEM), lambda left: not left)


def the_ledger_comes_back(cluster: Cluster) -> None:
    cluster.kubectl("scale", "deployment/tierwise-ledger", "-n", SYSTEM, "--replicas=1")


def said(cluster: Cluster, *words: str) -> None:
    """A person says it on the command line."""
    done = cluster.tierwise("rollout", *words)
    assert done.returncode == 0, done.stderr


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
