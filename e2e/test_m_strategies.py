"""Fixed stages that begin unseen, a candidate that declines nothing, and everybody at once."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from apprenticeship import (
    ASLEEP,
    LONG_S,
    STRATEGY,
    Apprentice,
    Users,
    changed,
    watched,
    with_model,
    word,
)
from cluster import Cluster, eventually

__all__ = ["ASLEEP"]

NAME = "fellow"
FIELD = "fellowship"
PROBES = "fellowship-probes"
LOOSE = f"{NAME}-loose"
STAGES = {
    **STRATEGY,
    "type": "Stages",
    "stages": [
        {"shadowPercent": 100, "minInteractions": 10},
        # More than ever come: it does not end before the person's word.
        {"percent": 50, "minInteractions": 100_000},
    ],
    # What two equal models differ in by chance, on a machine with other things to do.
    "signals": {"ignore": ["CostPerAcceptedAnswer", "LatencyVariance"]},
}
AT_ONCE = {**STRATEGY, "type": "BlueGreen", "cooldown": "1h"}


@pytest.fixture(scope="module")
def fellow(cluster: Cluster) -> Iterator[Apprentice]:
    """A Specialist of its own that sorts."""
    specialist = Apprentice(cluster, NAME)
    specialist.begin(as_long_as(specialist, 256))
    yield specialist
    cluster.delete("specialist", NAME)
    cluster.delete("rollout", LOOSE)
    cluster.delete("configmap", PROBES)


def as_long_as(
    fellow: Apprentice, tokens: int, strategy: dict[str, Any] = STAGES
) -> dict[str, Any]:
    """The same model with another context length: other pods that give the same answers."""
    manifest = changed(fellow.manifest(FIELD, strategy), maxModelLen=tokens)
    return {**manifest, "spec": {**manifest["spec"], "routing": {"verifiers": ["finished"]}}}


def test_a_stage_that_nobody_sees_is_judged_and_a_person_may_promote(
    cluster: Cluster, fellow: Apprentice
) -> None:
    """All clients name the Specialist, and none says anything of the answers."""
    rollout = fellow.given(as_long_as(fellow, 192))
    users = Users(cluster, NAME, speak=False)
    shares: list[int] = []

    def share() -> int:
        shares.append(int(fellow.told(rollout).get("weights", {}).get("green", 0)))
        return shares[-1]

    with users.asking():
        eventually(share, lambda percent: percent == 50, LONG_S)
        promoted = cluster.tierwise("rollout", "promote", rollout)
        assert promoted.returncode == 0, promoted.stderr
        fellow.reaches(rollout, "Complete")

    assert set(users.codes) == {200}
    assert all(users.right)
    assert set(shares) <= {0, 50}
    told = [step["reason"] for step in fellow.told(rollout)["trajectory"]]
    assert any("stage 1 of 2 is passed" in reason for reason in told)
    assert {"Shadow", "Canary"} <= set(fellow.stages(rollout))
    assert fellow.stable()["maxModelLen"] == 192


def test_a_candidate_that_does_what_the_model_declines_waits_for_a_person(
    cluster: Cluster, fellow: Apprentice
) -> None:
    probes = [
        {"question": f"sort {letters}", "answer": "".join(sorted(letters))}
        for letters in map(word, range(8))
    ]
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": PROBES, "namespace": "default"},
            "data": {"questions.jsonl": "\n".join(map(json.dumps, probes))},
        }
    )
    loose = with_model(fellow.manifest(FIELD, {}), "reverser")["spec"]["model"]
    safety = {"configMap": {"name": PROBES}, "verifier": "exact"}
    cluster.apply(
        {
            "apiVersion": "tierwise.dev/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": LOOSE, "namespace": "default"},
            "spec": {
                "specialistRef": {"name": NAME},
                "candidate": {"model": loose},
                "strategy": {**STRATEGY, "safety": safety},
            },
        }
    )
    users = Users(cluster, NAME)
    with users.asking():
        waits = eventually(
            lambda: fellow.reason(LOOSE), lambda why: why == "SafetyRegression", LONG_S
        )
        aborted = cluster.tierwise("rollout", "abort", LOOSE)
        assert aborted.returncode == 0, aborted.stderr
        fellow.reaches(LOOSE, "Aborted")

    assert waits
    told = fellow.told(LOOSE)
    assert told["safety"]["onlyBlue"] == len(probes)
    assert set(users.codes) == {200}
    assert "green" not in users.sides


def test_a_worse_one_that_got_everybody_at_once_goes_back_in_its_cooldown(
    cluster: Cluster, fellow: Apprentice
) -> None:
    """Nothing was asked of it before: what everybody says is the first that is known of it."""
    before = fellow.pods()
    rollout = fellow.given(with_model(as_long_as(fellow, 192, AT_ONCE), "reverser"))

    users, stages = watched(fellow, rollout)

    told = fellow.told(rollout)
    assert stages[-1] == "RolledBack", told
    assert {"Promoted", "RollingBack"} <= set(stages)
    assert told["verdict"]["reason"] == "RegressionInCooldown"
    assert set(users.codes) == {200}
    fellow.has(before)
    fellow.is_rejected_for(rollout)
