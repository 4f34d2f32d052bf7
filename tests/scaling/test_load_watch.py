"""The operator scales: what it asks of the API server as a Specialist's load comes and goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from observed import NOON
from scaling_scene import Scene
from stage import Stage, pod_body, specialist_body

from tierwise_core.engine_metrics import EngineMetrics
from tierwise_core.fleet import Pod
from tierwise_operator.load import SLOW_LOOK_SECONDS, WAKE_FRESH_SECONDS


@pytest.fixture
def scene(stage: Stage) -> Scene:
    return Scene(stage)


async def test_load_brings_replicas_and_calm_takes_them_away(scene: Scene) -> None:
    await scene.begin(1, 4)
    await scene.run_pods()
    scene.load = 14
    await scene.pass_time(2)
    assert scene.replicas == 3
    assert scene.status["scaling"]["desiredReplicas"] == 3
    assert scene.status["scaling"]["reason"] == "14 requests in flight / 5 for each replica"
    assert scene.status["scaling"]["lastScaleTime"] == "2026-03-01T12:00:02Z"

    await scene.run_pods()
    scene.load = 1
    await scene.pass_time(18)
    assert scene.replicas == 3
    await scene.pass_time(6)
    assert scene.replicas == 1
    assert "Normal Scaled" in scene.stage.cluster.events


async def test_nothing_is_taken_away_while_a_pod_loads(scene: Scene) -> None:
    await scene.begin(1, 4)
    await scene.run_pods()
    scene.load = 14
    await scene.pass_time(2)
    await scene.run_pods(ready=False)
    scene.load = 0
    await scene.pass_time(120)

    assert scene.replicas == 3


async def test_replicas_that_were_asked_for_are_on_their_way_before_their_pods_exist(
    scene: Scene,
) -> None:
    """A quick fall of the load must not catch a Deployment that has not created its pods yet."""
    await scene.begin(1, 4)
    await scene.run_pods()
    scene.load = 14
    await scene.pass_time(2)
    scene.load = 0
    await scene.pass_time(60)

    assert scene.replicas == 3


async def test_a_pod_that_no_node_takes_keeps_nobody_from_shrinking(scene: Scene) -> None:
    await scene.begin(1, 4)
    await scene.run_pods()
    scene.load = 9
    await scene.pass_time(2)
    lost = pod_body(scene.deployment, f"{scene.deployment['metadata']['name']}-1", ready=False)
    lost["spec"].pop("nodeName")
    lost["status"] = {
        "phase": "Pending",
        "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no"}
        ],
    }
    scene.stage.cluster.put(lost)
    scene.load = 0
    await scene.pass_time(30)

    assert scene.replicas == 1


async def test_a_pod_that_does_not_answer_takes_nothing_away(scene: Scene) -> None:
    await scene.begin(1, 4)
    await scene.run_pods()
    scene.load = 14
    await scene.pass_time(2)
    await scene.run_pods()
    scene.load = 0
    scene.silent = {f"ai/{scene.deployment['metadata']['name']}-2"}
    await scene.pass_time(60)
    assert scene.replicas == 3

    scene.silent = set()
    await scene.pass_time(24)
    assert scene.replicas == 1


async def test_it_falls_asleep_and_is_woken(scene: Scene) -> None:
    await scene.begin(0, 3)
    assert (scene.replicas, scene.status["scaling"]["asleep"]) == (0, True)
    assert scene.ready["ServingReady"] == "ScaledToZero"

    await scene.wake(waiting=7)
    assert scene.replicas == 2
    assert scene.status["scaling"]["waitingRequests"] == 7
    assert "Normal Woken" in scene.stage.cluster.events

    await scene.run_pods()
    assert scene.ready["ServingReady"] == "PodsReady"
    await scene.pass_time(WAKE_FRESH_SECONDS + 46)
    assert (scene.replicas, scene.status["scaling"]["asleep"]) == (0, True)
    assert scene.status["scaling"]["reason"] == "no request for 40 s"
    assert "Normal FellAsleep" in scene.stage.cluster.events


async def test_more_who_wait_bring_more_replicas_while_the_first_one_loads(scene: Scene) -> None:
    await scene.begin(0, 3)
    await scene.wake(waiting=1)
    await scene.run_pods(ready=False)
    assert scene.replicas == 1

    await scene.wake(waiting=14)
    await scene.pass_time(2)

    assert scene.replicas == 3


async def test_a_fleet_that_sleeps_is_hardly_looked_at(scene: Scene) -> None:
    """Thousands of sleepers must not cost a processor: routers tell when one is wanted."""
    await scene.begin(0, 3)
    await scene.pass_time(2)
    registry = scene.stage.operator.metrics.registry
    before = registry.get_sample_value("tierwise_operator_load_looks_total") or 0
    await scene.pass_time(120)
    after = registry.get_sample_value("tierwise_operator_load_looks_total") or 0

    assert 3 <= after - before <= 5


async def test_a_request_that_only_the_counters_saw_keeps_it_awake(scene: Scene) -> None:
    await scene.begin(0, 3)
    await scene.wake(waiting=1)
    await scene.run_pods()
    await scene.wake(waiting=0)
    for _ in range(4):
        await scene.pass_time(30)
        scene.generated += 25.0
    assert scene.replicas == 1

    await scene.pass_time(46)
    assert scene.replicas == 0


async def test_what_a_router_wrote_long_ago_wakes_nobody(scene: Scene) -> None:
    await scene.begin(0, 3)
    await scene.wake(waiting=1)
    await scene.run_pods()
    await scene.pass_time(WAKE_FRESH_SECONDS + 46)
    assert scene.replicas == 0

    await scene.pass_time(30)
    assert scene.replicas == 0


async def test_the_number_outlives_the_operator(scene: Scene) -> None:
    await scene.begin(1, 4)
    await scene.run_pods()
    scene.load = 14
    await scene.pass_time(2)
    await scene.run_pods()
    before = scene.status["scaling"]
    scene.stage.restart()
    scene.watch()

    assert await scene.stage.start() == []
    assert (scene.replicas, scene.status["scaling"]) == (3, before)

    scene.load = 0
    await scene.pass_time(18)
    assert scene.replicas == 3  # a whole window has to be seen anew
    await scene.pass_time(6)
    assert scene.replicas == 1


async def test_an_operator_that_died_between_two_writes_takes_nothing_back(scene: Scene) -> None:
    await scene.begin(1, 4)
    await scene.run_pods()
    stored = scene.stage.cluster.find("Deployment", f"ai/{scene.deployment['metadata']['name']}")
    stored["spec"]["replicas"] = 3  # asked for, and not yet in the status
    await scene.run_pods(ready=False)
    scene.stage.restart()
    scene.watch()
    await scene.stage.start()

    assert scene.replicas == 3


async def test_a_steady_load_costs_no_writes(scene: Scene) -> None:
    await scene.begin(1, 4)
    await scene.run_pods()
    scene.load = 4
    await scene.pass_time(60)
    scene.stage.cluster.forget_writes()
    await scene.pass_time(120)

    assert scene.stage.cluster.writes == []


async def test_without_a_max_the_number_is_min_and_somebody_else_s(scene: Scene) -> None:
    await scene.begin(2, None)
    await scene.run_pods()
    scene.load = 200
    await scene.pass_time(10)

    assert scene.replicas == 2
    assert "scaling" not in scene.status


async def test_a_number_that_becomes_ours_begins_where_it_was(scene: Scene) -> None:
    await scene.begin(1, None)
    await scene.run_pods()
    await scene.pass_time(2)
    await scene.respec(3, None)
    await scene.run_pods()
    await scene.pass_time(2)

    await scene.respec(1, 4)
    assert scene.replicas == 3

    await scene.pass_time(26)
    assert scene.replicas == 1


async def test_at_rest_by_hand_it_is_not_woken(scene: Scene) -> None:
    await scene.begin(0, None)

    await scene.wake(waiting=5)

    assert scene.replicas == 0
    assert "scaling" not in scene.status


async def test_a_specialist_that_does_not_scale_is_looked_at_now_and_then(scene: Scene) -> None:
    await scene.begin(1, None)
    await scene.run_pods()
    await scene.pass_time(SLOW_LOOK_SECONDS)
    answered = [names for names in scene.asked if names]

    assert 1 <= len(answered) <= 3
    assert list(scene.stage.operator.load_watch.engines("ai/sorter")) == answered[0]


async def test_one_odd_specialist_keeps_nobody_else_from_scaling(scene: Scene) -> None:
    await scene.begin(1, 4)
    await scene.run_pods()
    healthy = scene.scrape

    async def scrape(pods: Iterable[Pod]) -> Mapping[str, EngineMetrics]:
        found = list(pods)
        if not any(pod.specialist == "sorter" for pod in found):
            raise RuntimeError("odd")
        return await healthy(found)

    scene.stage.operator.load_watch.scrape = scrape
    odd = specialist_body("odd", placement={"replicas": {"min": 1, "max": 2}})
    scene.stage.cluster.put(odd)
    await scene.stage.operator.settle()
    scene.load = 14
    await scene.pass_time(4)

    assert int(scene.status["scaling"]["desiredReplicas"]) == 3


async def test_prometheus_sees_what_is_wanted(scene: Scene) -> None:
    await scene.begin(1, 4)
    await scene.run_pods()
    scene.load = 14
    await scene.pass_time(2)
    operator = scene.stage.operator
    operator.refresh_metrics()

    def value(name: str, **labels: str) -> float | None:
        return operator.metrics.registry.get_sample_value(f"tierwise_operator_{name}", labels)

    assert value("scaling_desired_replicas", specialist="ai/sorter") == 3
    assert value("scaling_requests", specialist="ai/sorter") == 14
    assert value("scaling_changes_total", specialist="ai/sorter", direction="up") == 1
    assert value("engine_scrapes_total", outcome="answered") == 1
    assert scene.stage.now[0] > NOON
