"""How one revision replaces another."""

from dataclasses import replace

import pytest
from observed import World, a_node, a_pod, a_specialist, a_tier, crashed, said, serving_world

from tierwise_core.plan import Action, Apply, Delete

NO_GPU = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."


def verbs(actions: tuple[Action, ...]) -> list[str]:
    names = {Apply: "apply", Delete: "delete"}
    return [f"{names[type(action)]} {action.kind}" for action in actions]


def full_tier_world() -> World:
    """One node of one GPU, which the sorter has."""
    world = World(specialists=[a_specialist(tiers=["rtx-4090"])], nodes=[a_node("n1", gpus=1)])
    world.settle()
    world.run_pods()
    world.settle()
    return world


def test_a_new_image_starts_a_new_revision_beside_the_old_one() -> None:
    world = serving_world()
    old = world.deployments[0].revision
    world.edit(image="vllm:2")
    plan = world.settle()
    assert verbs(plan.actions) == ["apply Deployment"]
    assert len({d.revision for d in world.deployments}) == 2
    status = world.specialist().status
    assert status["activeRevision"] == old
    assert [e["revision"] for e in status["endpoints"]] == [old]
    assert said(world, "ServingReady") == ("False", "PodsStarting")
    assert f"revision {old} serves meanwhile" in world.conditions()["ServingReady"]["message"]


def test_the_old_revision_leaves_when_the_new_one_is_ready() -> None:
    world = serving_world()
    old = world.deployments[0].revision
    world.edit(image="vllm:2")
    world.settle()
    world.run_pods()
    plan = world.settle()
    assert verbs(plan.actions) == ["apply Service", "delete Deployment"]
    assert plan.status is not None
    assert plan.status.status["activeRevision"] != old
    assert said(world, "Ready") == ("True", "Ready")


def test_the_old_revision_stays_while_the_new_one_has_too_few_ready_pods() -> None:
    world = serving_world(replicas=2)
    world.edit(image="vllm:2", replicas=2)
    world.settle()
    pods = world.run_pods()
    new = world.deployments[-1].revision
    late = next(pod for pod in pods if pod.revision == new)
    world.pods[world.pods.index(late)] = replace(late, ready=False)
    world.settle()
    assert len(world.deployments) == 2
    assert {e["revision"] for e in world.specialist().status["endpoints"]} != {new}


def test_an_image_that_cannot_be_pulled_leaves_the_old_revision_serving() -> None:
    world = serving_world()
    old = world.deployments[0].revision
    world.edit(image="vllm:typo")
    world.settle()
    new = world.deployments[-1].revision
    bad = a_pod(new, waiting_reason="ImagePullBackOff")
    world.pods.append(bad)
    world.settle()
    assert said(world, "Ready") == ("False", "ImagePullFailed")
    assert world.specialist().status["phase"] == "Degraded"
    assert {e["revision"] for e in world.specialist().status["endpoints"]} == {old}


def test_taking_the_edit_back_returns_to_the_old_revision_at_once() -> None:
    world = serving_world()
    old = world.deployments[0].revision
    world.edit(image="vllm:typo")
    world.settle()
    world.edit()
    plan = world.settle()
    assert verbs(plan.actions) == ["delete Deployment"]
    assert [d.revision for d in world.deployments] == [old]


def test_a_third_revision_removes_the_second_that_never_served_and_keeps_the_first() -> None:
    world = serving_world()
    first = world.deployments[0].revision
    world.edit(image="vllm:2")
    world.settle()
    second = world.deployments[-1].revision
    world.edit(image="vllm:3")
    world.settle()
    revisions = {d.revision for d in world.deployments}
    assert first in revisions
    assert second not in revisions


def test_with_no_room_for_both_the_old_one_goes_first_and_the_condition_says_so() -> None:
    world = full_tier_world()
    old = world.deployments[0].revision
    world.edit(image="vllm:2", tiers=["rtx-4090"])
    plan = world.settle()
    assert verbs(plan.actions) == ["delete Deployment", "apply Deployment"]
    world.pods.clear()
    world.settle()
    message = world.conditions()["ServingReady"]["message"]
    assert f"revision {old} left first" in message
    assert "no room for both" in message


def test_the_note_about_no_room_goes_when_the_new_revision_is_ready() -> None:
    world = full_tier_world()
    world.edit(image="vllm:2", tiers=["rtx-4090"])
    world.settle()
    world.run_pods()
    world.settle()
    assert said(world, "Ready") == ("True", "Ready")
    assert world.deployments[0].replaced == ""
    assert world.look().converged


def test_room_that_vanished_while_the_new_revision_started_is_noticed() -> None:
    world = serving_world(tiers=["rtx-4090"])
    world.edit(image="vllm:2", tiers=["rtx-4090"])
    world.settle()
    new = world.deployments[-1].revision
    world.pods.append(a_pod(new, node="", ip="", unschedulable=NO_GPU))
    plan = world.look()
    assert verbs(plan.actions)[0] == "delete Deployment"


def test_a_pod_that_finds_no_processor_drives_nobody_out() -> None:
    """Room on the GPUs would not help it, so the old revision goes on serving."""
    world = serving_world(tiers=["rtx-4090"])
    world.edit(image="vllm:2", tiers=["rtx-4090"])
    world.settle()
    new = world.deployments[-1].revision
    world.pods.append(a_pod(new, node="", ip="", unschedulable="2 Insufficient cpu"))
    assert world.look().actions == ()


def test_an_old_revision_in_another_tier_is_not_removed_for_room_it_does_not_hold() -> None:
    world = serving_world(tiers=["h100"])
    world.edit(tiers=["rtx-4090"])
    world.settle()
    new = next(d.revision for d in world.deployments if d.tier == "rtx-4090")
    world.pods.append(a_pod(new, node="", ip="", unschedulable=NO_GPU))
    world.settle()
    assert {d.tier for d in world.deployments} == {"h100", "rtx-4090"}


def test_an_old_revision_that_serves_nobody_makes_way_at_once() -> None:
    world = serving_world()
    world.pods = [replace(world.pods[0], ready=False, **crashed())]
    world.edit(image="vllm:2")
    plan = world.settle()
    assert verbs(plan.actions) == ["apply Service", "delete Deployment", "apply Deployment"]


def test_moving_to_another_tier_does_not_turn_back_when_the_new_pods_fill_it() -> None:
    world = serving_world(tiers=["h100"])
    world.nodes[0] = a_node("n1", gpus=1)
    world.edit(tiers=["rtx-4090"])
    world.settle()
    new = next(d for d in world.deployments if d.tier == "rtx-4090")
    world.pods.append(a_pod(new.revision, "new-pod", node="n1", running_since="now"))
    world.tiers.append(a_tier("another", node_selector={"gpu": "another"}))
    world.settle()
    assert world.specialist().status["placement"]["tier"] == "rtx-4090"


@pytest.mark.parametrize(
    "change",
    [
        {"priority": 7},
        {"escalate_to": ("sorter2",)},
        {"max_replicas": 5},
        {"concurrency": 3},
    ],
)
def test_a_change_that_does_not_concern_the_pod_keeps_the_revision(
    change: dict[str, object],
) -> None:
    world = serving_world()
    world.edit(**change)
    assert world.settle().actions == ()


@pytest.mark.parametrize(
    "change",
    [
        {"image": "vllm:2"},
        {"args": ["--enforce-eager"]},
        {"env": [{"name": "A", "value": "1"}]},
        {"source": "file:///models/other"},
        {"max_model_len": 1024},
        {"quantization": "fp8"},
        {"tiers": ["h100"]},
        {"tensor_parallel": 2},
        {"pod_template": {"spec": {"priorityClassName": "high"}}},
        {"adapters": [("a", "file:///adapters/a")]},
    ],
)
def test_a_change_that_concerns_the_pod_makes_a_new_revision(change: dict[str, object]) -> None:
    world = serving_world()
    before = world.deployments[0].revision
    world.edit(**change)
    world.settle()
    assert before not in {d.revision for d in world.deployments[1:]}
    assert len(world.deployments) == 2


def test_scaling_does_not_make_a_new_revision() -> None:
    world = serving_world()
    world.edit(replicas=3)
    world.settle()
    assert len(world.deployments) == 1
    assert world.deployments[0].replicas == 3


def test_a_deployment_that_is_being_deleted_is_not_written_to() -> None:
    world = serving_world()
    world.deployments[0] = replace(world.deployments[0], deleting=True)
    assert world.look().actions == ()
