"""An equal candidate, an operator and a ledger that go meanwhile, and the ways out by hand."""

from collections.abc import Iterator
from typing import Any

import pytest
from apprenticeship import ASLEEP, STRATEGY, Apprentice, Users, changed
from cluster import Cluster, eventually

__all__ = ["ASLEEP"]

NAME = "journeyman"
FIELD = "journeywork"
SYSTEM = "tierwise-system"
LEDGER = "deployment/tierwise-ledger"
# What two equal models differ in by chance, on a machine with other things to do.
TIMES = ["CostPerAcceptedAnswer", "LatencyVariance"]
EQUAL = {**STRATEGY, "signals": {"ignore": TIMES}}


@pytest.fixture(scope="module")
def journeyman(cluster: Cluster) -> Iterator[Apprentice]:
    """A Specialist of its own that sorts."""
    specialist = Apprentice(cluster, NAME)
    specialist.begin(as_long_as(specialist, 256))
    yield specialist
    cluster.delete("specialist", NAME)


def as_long_as(journeyman: Apprentice, tokens: int) -> dict[str, Any]:
    """The same model with another context length: other pods that give the same answers."""
    return changed(journeyman.manifest(FIELD, EQUAL), maxModelLen=tokens)


def test_an_equal_candidate_is_inconclusive_though_operator_and_ledger_went_meanwhile(
    cluster: Cluster, journeyman: Apprentice
) -> None:
    rollout = journeyman.given(as_long_as(journeyman, 192))
    users = Users(cluster, NAME)
    with users.asking():
        journeyman.reaches(rollout, "Canary", "Shifting")
        the_ledger_and_the_operator_go(cluster, journeyman, rollout)
        journeyman.reaches(rollout, "Inconclusive")
    told = journeyman.told(rollout)
    assert set(users.codes) == {200}
    assert told["verdict"]["outcome"] == "Inconclusive"
    assert told["windows"]["green"]["interactions"] >= 10
    assert told["forecast"]["message"]

    aborted = cluster.tierwise("rollout", "abort", rollout)

    assert aborted.returncode == 0, aborted.stderr
    journeyman.reaches(rollout, "Aborted")
    journeyman.is_rejected_for(rollout)
    assert journeyman.stable()["maxModelLen"] == 256


def the_ledger_and_the_operator_go(cluster: Cluster, journeyman: Apprentice, rollout: str) -> None:
    """Nothing is decided without the ledger, by whichever operator; then it comes back."""
    share = journeyman.told(rollout)["weights"]["green"]
    cluster.kubectl("scale", LEDGER, "-n", SYSTEM, "--replicas=0")
    cluster.kubectl(
        *("delete", "pod", "-n", SYSTEM, "-l", "app.kubernetes.io/component=operator"),
        "--wait=false",
    )
    eventually(lambda: journeyman.reason(rollout), lambda why: why == "LedgerSilent")
    assert journeyman.told(rollout)["weights"]["green"] == share
    cluster.kubectl("scale", LEDGER, "-n", SYSTEM, "--replicas=1")


def test_what_a_person_promotes_can_be_undone(cluster: Cluster, journeyman: Apprentice) -> None:
    rollout = journeyman.given(as_long_as(journeyman, 128))
    users = Users(cluster, NAME)
    journeyman.reaches(rollout, "Canary", "Shifting")
    with users.asking():
        promoted = cluster.tierwise("rollout", "promote", rollout)
        assert promoted.returncode == 0, promoted.stderr
        journeyman.reaches(rollout, "Complete")
        eventually(lambda: journeyman.stable()["maxModelLen"], lambda tokens: tokens == 128)

        undone = cluster.tierwise("rollout", "undo", NAME)

        assert undone.returncode == 0, undone.stderr
        (back,) = [name for name in journeyman.rollouts() if "undo" in name]
        eventually(
            lambda: journeyman.told(back).get("weights", {}).get("green"), lambda all_: all_ == 100
        )
    assert set(users.codes) == {200}
    assert journeyman.stage(back) == "Promoted"  # what is undone stays warm for the cooldown
    told = cluster.get("rollout", back)["spec"]["candidate"]["model"]
    assert told["maxModelLen"] == 256
    spec = cluster.get("specialist", NAME)["spec"]
    assert spec["model"]["maxModelLen"] == 128  # git's word is git's to change
