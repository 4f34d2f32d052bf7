"""Users begin to ask in other words: that is found out, and the model trained again proves itself.

Nobody lends a hand: what users say of the answers is all there is.
"""

import itertools
import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from apprenticeship import ASLEEP, AT_ONCE, ENDED, LONG_S, MODELS, STRATEGY, Apprentice, crowd
from cluster import Cluster, KubectlError, answer, eventually
from host_claim import host_claim

from forge.questions import Question, newly_worded_questions, some_questions

__all__ = ["ASLEEP"]

NAME = "student"
SHELF = "trained"
SYSTEM = "tierwise-system"
KEYS = "tierwise-contents"
KEY = "2026-11"
PARTS = "app.kubernetes.io/component in (ledger,router)"
FIRST_ANSWERS = 120


@pytest.fixture(scope="module")
def kept_contents(cluster: Cluster) -> Iterator[None]:
    """A policy that keeps what was asked and answered: there is nothing to learn from otherwise."""
    made = ("create", "secret", "generic", KEYS, "-n", SYSTEM, "--from-literal")
    cluster.kubectl(*made, f"{KEY}={secrets.token_hex(32)}")
    cluster.apply(
        {
            "apiVersion": "tierwise.dev/v1alpha1",
            "kind": "RouterPolicy",
            "metadata": {"name": "default"},
            "spec": {"contents": {"tenants": ["*"]}},
        }
    )
    # A changed annotation has kubelet bring the Secret now, and not within a minute.
    cluster.kubectl("annotate", "pods", "-l", PARTS, "-n", SYSTEM, f"tierwise.dev/keys={KEY}")
    eventually(lambda: without_key(cluster), lambda left: not left)
    yield
    cluster.delete("routerpolicy", "default")
    cluster.kubectl("delete", "secret", KEYS, "-n", SYSTEM)


def without_key(cluster: Cluster) -> list[str]:
    return [pod for pod in cluster.names("pods", PARTS, SYSTEM) if not has_key(cluster, pod)]


def has_key(cluster: Cluster, pod: str) -> bool:
    look = "import os; print(*os.listdir('/var/run/tierwise/keys'))"  # there is no shell in it
    try:
        return KEY in cluster.kubectl("exec", pod, "-n", SYSTEM, "--", "python", "-c", look).split()
    except KubectlError:
        return False


@pytest.fixture(scope="module")
def shelf(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A claim that the trainer writes to, and pods read from."""
    folder = tmp_path_factory.mktemp("trained")
    folder.chmod(0o777)  # the reader's pod runs as another user
    cluster.apply(*host_claim(SHELF, folder, "ReadWriteMany"))
    yield
    for kind in ("pvc", "pv", "storageclass"):
        cluster.delete(kind, SHELF)


@pytest.fixture(scope="module")
def student(cluster: Cluster, kept_contents: None, shelf: None) -> Iterator[None]:
    """A Specialist that sorts well what it is asked in words that it knows."""
    spec = cluster.get("specialist", "sorter")["spec"]
    model = {**spec["model"], "source": f"file://{MODELS}/sorter"}
    cluster.apply(
        held_out(),
        {
            "apiVersion": "tierwise.dev/v1alpha1",
            "kind": "Specialist",
            "metadata": {"name": NAME, "namespace": "default"},
            "spec": {
                "field": "studies",
                "model": model,
                "engine": spec["engine"],
                "placement": spec["placement"],
                "routing": {"confidenceFloor": 0.0},
                "rollout": strategy(spec["engine"]),
            },
        },
    )
    cluster.wait(f"specialist/{NAME}", "condition=Ready")
    yield
    cluster.delete("specialist", NAME)
    cluster.delete("configmap", "studies-held-out")


def held_out() -> dict[str, Any]:
    """Questions in old and in new words, none of which users ask."""
    asked = some_questions("sorting", "checking", 15, 1) + newly_worded_questions("sorting", 15, 99)
    lines = [json.dumps({"question": one.text, "answer": one.answer}) for one in asked]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "studies-held-out", "namespace": "default"},
        "data": {"questions.jsonl": "\n".join(lines)},
    }


def strategy(engine: dict[str, Any]) -> dict[str, Any]:
    return {
        **STRATEGY,
        "onInconclusive": "Promote",
        "skipGates": ["MeasuredCost", "Compliance", "RollbackPath", "RampPlan"],
        "benchmark": {"configMap": {"name": "studies-held-out"}},
        "training": {"minPairs": 60, "jobTemplate": {"spec": {"template": trainer(engine)}}},
    }


def trainer(engine: dict[str, Any]) -> dict[str, Any]:
    """The example's trainer, in the Python that vLLM has here, on the processors."""
    pod = engine["podTemplate"]["spec"]
    mounts = pod["containers"][0]["volumeMounts"]
    examples = {"name": "examples", "hostPath": {"path": str(MODELS), "type": "Directory"}}
    trained = {"name": SHELF, "persistentVolumeClaim": {"claimName": SHELF}}
    return {
        "spec": {
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "train",
                    "image": engine["image"],
                    "imagePullPolicy": "Never",
                    "command": ["python", "-m", "forge", "retrain"],
                    "args": [
                        "--out=/trained/$(TIERWISE_RUN)",
                        f"--source=pvc://{SHELF}/$(TIERWISE_RUN)",
                    ],
                    "env": [*engine["env"], {"name": "PYTHONPATH", "value": str(MODELS)}],
                    "volumeMounts": [
                        *mounts,
                        {"name": "examples", "mountPath": str(MODELS), "readOnly": True},
                        {"name": SHELF, "mountPath": "/trained"},
                    ],
                }
            ],
            "volumes": [*pod["volumes"], examples, trained],
        }
    }


class Users:
    """They ask, and tell what would have been right where it was not."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.codes: list[int] = []

    def ask(self, question: Question) -> bool:
        response = self.cluster.ask(question.text, model=NAME, user=question.payload)
        self.codes.append(response.status_code)
        if response.status_code != httpx.codes.OK:
            return False
        right = answer(response) == question.answer
        said = {"decision": response.headers["x-tierwise-decision"], "accepted": right}
        if not right:
            said["corrected"] = question.answer
        httpx.post(f"{self.cluster.url}/v1/feedback", json=said, timeout=20)
        return right

    def ask_all(self, questions: list[Question]) -> float:
        """Ask, some at a time; return the share of right answers."""
        with ThreadPoolExecutor(AT_ONCE) as crowd:
            return sum(crowd.map(self.ask, questions)) / len(questions)


def drift(cluster: Cluster) -> str:
    return str(cluster.condition(NAME, "DriftDetected").get("reason", ""))


def drifted_rollout(cluster: Cluster) -> str:
    found = cluster.get("specialist", NAME)["status"].get("training") or {}
    assert found.get("state") != "Failed", found
    return str(found.get("rollout", ""))


def made_by_training(cluster: Cluster, name: str) -> str:
    """Where the model lies that the Rollout waits for; empty while it is being made."""
    told = cluster.get("rollout", name).get("status", {}).get("training", {})
    assert not told.get("problem"), told
    return str(told.get("model", {}).get("source", ""))


def test_a_model_that_users_outgrow_is_trained_again_and_promoted(
    cluster: Cluster, student: None
) -> None:
    specialist, users = Apprentice(cluster, NAME), Users(cluster)
    assert users.ask_all(some_questions("sorting", "held out", FIRST_ANSWERS, 3)) > 0.9
    eventually(lambda: drift(cluster), lambda reason: reason == "Steady")

    anew = itertools.cycle(newly_worded_questions("sorting", 1500, 7))
    assert users.ask_all([next(anew) for _ in range(80)]) < 0.2

    def reason_after_more() -> str:
        users.ask_all([next(anew) for _ in range(AT_ONCE)])
        return drift(cluster)

    eventually(reason_after_more, lambda reason: reason == "UtilityFell")
    found = cluster.condition(NAME, "DriftDetected")
    assert "utility fell to" in found["message"]

    name = eventually(lambda: drifted_rollout(cluster), bool)
    rollout = cluster.get("rollout", name)
    assert rollout["metadata"]["annotations"]["tierwise.dev/trigger"] == "Drift"
    made = eventually(lambda: made_by_training(cluster, name), bool, LONG_S)
    assert made.startswith(f"pvc://{SHELF}/")

    with crowd(lambda: users.ask(next(anew))):
        specialist.reaches(name, *ENDED)

    status = specialist.told(name)
    assert status["stage"] == "Complete", status
    assert "Training" in specialist.stages(name)
    assert status["benchmark"]["onlyGreen"] > status["benchmark"]["onlyBlue"]
    assert set(users.codes) == {200}
    eventually(specialist.stable, lambda model: model.get("source", "").startswith("pvc://"))
    eventually(
        lambda: float(specialist.status()["stable"].get("utility", {}).get("base") or 0.0),
        lambda base: base > found_utility(found),
    )
    assert users.ask_all([next(anew) for _ in range(30)]) > 0.8
    eventually(lambda: drift(cluster), lambda reason: reason in {"Learning", "Steady"})


def found_utility(condition: dict[str, Any]) -> float:
    """The utility that a condition says it has fallen to."""
    return float(condition["message"].split("fell to ")[1].split()[0])
