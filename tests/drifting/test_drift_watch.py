"""The watch over drift: what it sees, says, starts, and leaves alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import yaml
from drifting_sorter import NOON, SORTER, ScriptedLessons
from fake_cluster import FakeCluster, refuse

from tierwise_api import Rollout, Specialist
from tierwise_core.conditions import Condition, read_conditions
from tierwise_core.rollout.order import Order
from tierwise_core.windows import Window
from tierwise_operator.cluster import ClusterError
from tierwise_operator.distill_rollouts import rollout as observed_rollout
from tierwise_operator.drifting.watch import DriftWatch
from tierwise_operator.kinds import CONFIG_MAP, JOB, ROLLOUT, WATCHED, Kind
from tierwise_operator.metrics import Metrics
from tierwise_operator.recorder import Recorder
from tierwise_operator.store import Store


class Scene:
    """A cluster with a Specialist, a ledger, a clock, and the watch over both."""

    def __init__(self, **changes: Any) -> None:
        self.cluster = FakeCluster()
        self.now = NOON
        self.store = Store(lambda _: None)
        self.cluster.told = self.hear
        self.ledger = ScriptedLessons()
        body = yaml.safe_load(SORTER)
        body["spec"]["rollout"] |= changes
        self.cluster.put(body)
        self.watch = self.fresh()

    def hear(self, kind: Kind, body: Any, key: str) -> None:
        """Tell the store what the operator watches."""
        if kind not in WATCHED:
            return
        if body:
            self.store.observe(kind, body)
        else:
            self.store.forget(kind, key)

    def fresh(self) -> DriftWatch:
        """Return what a restarted operator has."""
        recorder = Recorder(self.cluster, "op", lambda: self.now)
        return DriftWatch(self.store, self.cluster, recorder, self.ledger, lambda: self.now)

    async def look(self, right: int = 0, wrong: int = 0) -> None:
        self.ledger.add(right, wrong)
        self.now += timedelta(seconds=15)
        await self.watch.round()

    async def learn(self) -> None:
        for _ in range(12):
            await self.look(right=18, wrong=2)

    async def drift(self) -> None:
        await self.learn()
        for _ in range(12):
            await self.look(right=2, wrong=18)

    @property
    def status(self) -> Any:
        return self.cluster.find("Specialist", "ai/sorter")["status"]

    def condition(self, kind: str) -> Condition | None:
        return read_conditions(self.status).get(kind)

    def reason(self, kind: str = "DriftDetected") -> str:
        found = self.condition(kind)
        return found.reason if found else ""

    def job(self) -> Any:
        (job,) = [b for (k, _), b in self.cluster.objects_by_key.items() if k == "Job"]
        return job

    def ends(self, message: str, code: int = 0) -> None:
        """Let the Job's pod end with a termination message."""
        job = self.job()
        ended = {"exitCode": code, "message": message}
        template = job["spec"]["template"]
        self.cluster.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": job["metadata"]["name"] + "-x",
                    "namespace": "ai",
                    "labels": template["metadata"]["labels"],
                },
                "spec": template["spec"],
                "status": {"containerStatuses": [{"state": {"terminated": ended}}]},
            }
        )
        kind = "Complete" if code == 0 else "Failed"
        state = {"type": kind, "status": "True", "message": "BackoffLimitExceeded"}
        self.cluster.put({**job, "status": {"conditions": [state], "succeeded": int(code == 0)}})

    def order(self) -> Order:
        """The Rollout as the operator observes it."""
        (body,) = self.rollouts()
        return observed_rollout(body)

    def rollouts(self) -> list[Any]:
        return [b for (k, _), b in self.cluster.objects_by_key.items() if k == "Rollout"]


async def test_it_learns_first_and_then_says_that_all_is_steady() -> None:
    scene = Scene()
    await scene.look(right=5)
    assert scene.reason() == "Learning"
    await scene.learn()
    found = scene.condition("DriftDetected")
    assert found is not None
    assert (found.status, found.reason) == ("False", "Steady")
    Specialist.from_cluster(scene.cluster.find("Specialist", "ai/sorter"))
    assert scene.rollouts() == []


async def test_a_fall_is_found_with_its_evidence_and_a_training_begins() -> None:
    scene = Scene()
    await scene.drift()
    found = scene.condition("DriftDetected")
    assert found is not None
    assert (found.status, found.reason) == ("True", "UtilityFell")
    assert "utility fell to 0.3" in found.message
    assert scene.reason("Retraining") == "TrainingRunning"
    assert "Warning UtilityFell" in scene.cluster.events
    metrics = Metrics()
    metrics.survey(scene.store.specialists.all(), ())
    told = {"specialist": "ai/sorter"}
    of = metrics.registry.get_sample_value
    assert of("tierwise_operator_drift_detected", told) == 1
    assert (of("tierwise_operator_drift_utility_change", told) or 0) < -0.3
    job = scene.job()
    container = job["spec"]["template"]["spec"]["containers"][0]
    told = {one["name"]: one["value"] for one in container["env"]}
    assert told["TIERWISE_MODEL_SOURCE"] == "file:///models/sorter"
    assert job["metadata"]["ownerReferences"][0]["name"] == "sorter"
    file = scene.cluster.find("ConfigMap", f"ai/{job['metadata']['name']}")
    assert file["data"]["pairs.jsonl"].count("\n") == 40


async def test_its_rollout_waits_for_the_training_and_tells_how_far_it_is() -> None:
    scene = Scene()
    await scene.drift()
    name = scene.job()["metadata"]["name"]
    (body,) = scene.rollouts()
    assert Rollout.from_cluster(body).spec.candidate.trained_by == name
    assert scene.status["training"]["rollout"] == body["metadata"]["name"]
    scene.cluster.put({**scene.job(), "status": {"active": 1, "failed": 1}})
    await scene.look()
    order = scene.order()
    assert order.candidate is None
    assert order.making is not None
    assert order.making.message.endswith("40 preference pairs: runs, after 1 failed attempt")
    scene.cluster.forget_writes()
    await scene.look()
    assert "apply Rollout/status" not in " ".join(scene.cluster.writes)  # nothing is new


@pytest.mark.parametrize("gone", [True, False])
async def test_a_training_whose_rollout_ends_is_stopped(gone: bool) -> None:  # noqa: FBT001
    scene = Scene()
    await scene.drift()
    (body,) = scene.rollouts()
    name = body["metadata"]["name"]
    if gone:
        scene.cluster.remove(ROLLOUT, f"ai/{name}")
        said = "was deleted before the training had ended"
    else:
        verdict = {"outcome": "Aborted", "reason": "Superseded"}
        scene.cluster.put({**body, "status": {"stage": "Aborted", "verdict": verdict}})
        said = "ended before the training did: Superseded"
    await scene.look()
    assert said in str(scene.condition("Retraining"))
    kinds = {kind for kind, _ in scene.cluster.objects_by_key}
    assert not kinds & {"Job", "ConfigMap"}


async def test_what_the_job_made_becomes_a_candidate_and_the_pairs_are_deleted() -> None:
    scene = Scene()
    await scene.drift()
    name = scene.job()["metadata"]["name"]
    scene.ends('epoch 3\n{"source": "pvc://models/sorter-2"}')
    await scene.look(right=2, wrong=18)
    (rollout,) = scene.rollouts()
    read = Rollout.from_cluster(rollout)
    order = scene.order()
    assert order.candidate is not None
    assert order.candidate.source == "pvc://models/sorter-2"
    assert order.candidate.max_model_len_tokens == 256
    assert "training" not in order.status  # it is not the passes' to write
    assert read.spec.strategy.on_inconclusive == "Promote"
    annotations = rollout["metadata"]["annotations"]
    assert annotations["tierwise.dev/trigger"] == "Drift"
    assert "utility fell" in annotations["tierwise.dev/trigger-message"]
    assert scene.reason("Retraining") == "CandidateReady"
    assert ("ConfigMap", f"ai/{name}") not in scene.cluster.objects_by_key


async def test_while_a_rollout_is_under_way_nothing_is_judged_and_afterwards_all_counts() -> None:
    scene = Scene()
    await scene.drift()
    scene.ends('{"source": "pvc://models/sorter-2"}')
    await scene.look()
    (rollout,) = scene.rollouts()
    scene.cluster.put(rollout)  # the operator's watch tells of it
    scene.ledger.asked.clear()
    await scene.look(right=20)
    assert scene.ledger.asked == []
    scene.cluster.put({**rollout, "status": {"stage": "RolledBack"}})
    await scene.look(right=20)
    assert scene.ledger.asked


def takes_over(scene: Scene, **routing: Any) -> None:
    """Let a model serve that a rollout promoted, with the base that it left."""
    body = scene.cluster.find("Specialist", "ai/sorter")
    stable = {
        "model": {"source": "pvc://models/sorter-2"},
        "answers": "d",
        "utility": {"base": 0.9, "variance": 0.05, "accepted": 0.95},
    }
    endpoints = [{"url": "http://10.0.0.9:8000", "pod": "sorter-9", "revision": "r9"}]
    shares = scene.cluster.applied["Specialist", "ai/sorter"]
    shares["a-pass"] = {"stable": stable, "endpoints": endpoints}
    spec = body["spec"] | {"routing": body["spec"].get("routing", {}) | routing}
    scene.cluster.put(body | {"spec": spec, "status": body["status"] | shares["a-pass"]})
    scene.ledger.window = Window()


async def test_a_new_model_that_serves_begins_anew_with_the_base_its_rollout_left() -> None:
    scene = Scene()
    await scene.drift()
    takes_over(scene)
    await scene.look(right=10)
    assert scene.reason() == "Steady"
    assert scene.status["drift"]["baseUtility"] == pytest.approx(0.9, abs=0.01)
    assert scene.ledger.asked[-1].blue == ("r9",)


async def test_where_verifiers_judged_more_during_the_rollout_it_learns_anew() -> None:
    """Or it would be held against answers that nobody judges from then on."""
    scene = Scene()
    await scene.drift()
    takes_over(scene, verifiers=["json"])
    await scene.look(right=10)
    assert scene.reason() == "Learning"
    assert scene.status["drift"]["baseAnswers"] == 10


async def test_without_a_benchmark_nothing_is_claimed_and_nothing_trained() -> None:
    scene = Scene(benchmark=None)
    await scene.drift()
    found = scene.condition("DriftDetected")
    assert found is not None
    assert (found.status, found.reason) == ("Unknown", "NoBenchmark")
    assert "spec.rollout.benchmark" in found.message
    assert scene.reason("Retraining") == ""


async def test_too_few_pairs_are_waited_for() -> None:
    scene = Scene()
    scene.ledger.pairs_known = 3
    await scene.drift()
    assert scene.reason("Retraining") == "TooFewPairs"
    assert "3 preference pairs, and spec.rollout.training.minPairs is 5" in str(
        scene.condition("Retraining")
    )
    scene.ledger.pairs_known = 30
    await scene.look(right=2, wrong=18)
    assert scene.reason("Retraining") == "TrainingRunning"


@pytest.mark.parametrize(
    ("message", "code", "why"),
    [
        ("out of memory", 1, "its Job failed: BackoffLimitExceeded (out of memory)"),
        ("done!", 0, "it must end with a line such as"),
        ("", 0, "its Job ended without a word"),
        ('{"source": "pvc://models/two words"}', 0, "source must say where the files are"),
    ],
)
async def test_a_training_that_fails_says_why_and_is_not_tried_again_at_once(
    message: str, code: int, why: str
) -> None:
    scene = Scene()
    await scene.drift()
    scene.ends(message, code)
    await scene.look(right=2, wrong=18)
    assert scene.reason("Retraining") == "TrainingFailed"
    assert why in str(scene.condition("Retraining"))
    order = scene.order()
    assert order.making is not None
    assert why in order.making.problem
    await scene.look(right=2, wrong=18)
    assert scene.status["training"]["number"] == 1
    scene.now += timedelta(hours=1)
    await scene.look(right=2, wrong=18)
    assert scene.status["training"]["number"] == 2
    assert scene.reason("Retraining") == "TrainingRunning"


async def test_a_job_that_somebody_deletes_has_failed() -> None:
    scene = Scene()
    await scene.drift()
    scene.cluster.remove(JOB, f"ai/{scene.job()['metadata']['name']}")
    await scene.look()
    assert "its Job was deleted" in str(scene.condition("Retraining"))


async def test_a_job_that_is_refused_says_so_and_leaves_no_pairs_behind() -> None:
    scene = Scene()
    scene.cluster.faults.append(refuse("apply Job", 422, "spec.template: Invalid value"))
    await scene.drift()
    assert scene.reason("Retraining") == "TrainingFailed"
    assert "jobTemplate: the Job was refused" in str(scene.condition("Retraining"))
    assert not [key for key in scene.cluster.objects_by_key if key[0] == CONFIG_MAP.name]


async def test_while_the_ledger_is_away_nothing_changes() -> None:
    scene = Scene()
    await scene.learn()
    before = scene.condition("DriftDetected")
    scene.ledger.away = True
    scene.cluster.forget_writes()
    await scene.look(wrong=200)
    assert scene.condition("DriftDetected") == before
    assert scene.cluster.writes == []
    scene.ledger.away = False
    for _ in range(6):
        await scene.look(wrong=20)
    assert scene.reason() == "UtilityFell"


async def test_an_operator_killed_between_any_two_writes_makes_no_object_twice() -> None:
    """Every write fails once, after which a new operator goes on."""
    for fails_at in range(1, 9):
        scene = Scene()
        await scene.learn()
        count = 0

        def killed(_: Any, fails_at: int = fails_at) -> ClusterError | None:
            nonlocal count
            count += 1
            return ClusterError("killed", 0) if count == fails_at else None

        scene.cluster.faults.append(killed)
        for _ in range(16):
            await scene.look(right=2, wrong=18)
            scene.watch = scene.fresh()
        scene.ends('{"source": "pvc://models/sorter-2"}')
        for _ in range(3):
            await scene.look(right=2, wrong=18)
            scene.watch = scene.fresh()
        assert len(scene.rollouts()) == 1, fails_at
        assert scene.status["training"]["number"] == 1, fails_at


async def test_one_odd_specialist_stops_no_other() -> None:
    scene = Scene()
    odd = yaml.safe_load(SORTER)
    odd["metadata"]["name"] = "odd"
    odd["status"]["endpoints"] = [{"revision": "r1"}, "nonsense"]
    scene.cluster.put(odd)
    await scene.look(right=5)
    assert scene.reason() == "Learning"


async def test_a_quiet_specialist_is_not_written_again_and_again() -> None:
    scene = Scene()
    await scene.learn()
    await scene.look()
    scene.cluster.forget_writes()
    for _ in range(20):
        await scene.look()
    assert len(scene.cluster.writes) <= 1
