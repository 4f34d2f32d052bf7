"""Nodes that come and go: what is replaced, when, and what stays where it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from observed import GPU, a_node, a_specialist, said
from simulated import Living, where

from tierwise_core.departure import LEAVING_TAINT
from tierwise_core.fleet import Node, Taint
from tierwise_operator.distill import node

TAKEN = {"taints": (Taint(LEAVING_TAINT),), "leaving": f"taint {LEAVING_TAINT}"}


def two_nodes(replicas: int = 1, gpus: int = 1, **spec: object) -> Living:
    """A tier of two nodes, and a sorter that serves from the first."""
    world = Living(
        specialists=[a_specialist(replicas=replicas, tiers=["rtx-4090"], **spec)],
        nodes=[a_node("n1", gpus=gpus), a_node("n2", gpus=gpus)],
    )
    world.live()
    assert len(world.serving()) == min(replicas, 2 * gpus)
    return world


def pod_on(world: Living, node: str) -> str:
    return next(pod.name for pod in world.pods if pod.node == node)


def test_a_cordon_moves_nobody() -> None:
    world = two_nodes()
    world.change_node("n1", cordoned=True)
    assert world.step().actions == ()
    assert where(world.serving()) == {"n1": 1}


def test_a_pod_is_replaced_before_its_node_goes() -> None:
    world = two_nodes()
    old = pod_on(world, "n1")
    world.change_node("n1", **TAKEN)
    world.step()
    world.schedule()
    world.step()
    assert [pod.name for pod in world.serving()] == [old]
    world.load()
    world.step()
    assert where(world.serving()) == {"n2": 1}
    world.live()
    assert [child.replicas for child in world.deployments] == [1]
    assert said(world, "Ready") == ("True", "Ready")


def test_a_replacement_that_still_loads_is_not_taken_for_one_too_many() -> None:
    """Told to have a pod less, Kubernetes would take the one that is not ready yet."""
    world = two_nodes(replicas=2, gpus=2)
    assert where(world.serving()) == {"n1": 2}
    world.change_node("n1", **TAKEN)
    world.step()
    world.schedule()
    world.load(most=1)
    world.step()
    loading = [pod for pod in world.pods if pod.node == "n2" and not pod.ready]
    assert len(loading) == 1
    assert not loading[0].terminating
    world.live()
    assert where(world.serving()) == {"n2": 2}


def test_the_status_and_an_event_say_why_it_moved() -> None:
    world = two_nodes()
    world.change_node("n1", **TAKEN)
    plan = world.step()
    told = [event.message for event in plan.events if event.reason == "Moving"]
    why = "node n1 is about to go (taint tierwise.dev/leaving)"
    assert told == [f"1 replica goes to other nodes of rtx-4090: {why}"]
    world.live()
    move = world.specialist().status["placement"]["lastMove"]
    assert (move["from"], move["to"], move["replicas"]) == ("rtx-4090", "rtx-4090", 1)
    assert move["time"] == "2026-03-01T12:00:00Z"


def test_where_there_is_no_room_the_pod_stays_for_as_long_as_its_node() -> None:
    world = two_nodes(replicas=2)
    world.change_node("n1", **TAKEN)
    world.live()
    assert where(world.serving()) == {"n1": 1, "n2": 1}
    assert said(world, "Placed") == ("False", "NoCapacity")
    world.lose_node("n1")
    world.live()
    assert where(world.serving()) == {"n2": 1}
    world.nodes.append(a_node("n3", gpus=1))
    world.live()
    assert where(world.serving()) == {"n2": 1, "n3": 1}
    assert said(world, "Ready") == ("True", "Ready")


def test_a_node_that_was_reclaimed_is_replaced_on_another_tier() -> None:
    world = Living(
        specialists=[a_specialist()],
        nodes=[a_node("n1", gpus=1), a_node("n2", "h100", gpus=1)],
    )
    world.live()
    assert where(world.serving()) == {"n1": 1}
    world.change_node("n1", **TAKEN)
    world.step()
    world.schedule()
    world.step()
    assert where(world.serving()) == {"n1": 1}
    world.load()
    world.live()
    assert where(world.serving()) == {"n2": 1}
    assert world.specialist().status["placement"]["tier"] == "h100"


def test_a_taint_that_is_taken_back_leaves_things_as_they_are() -> None:
    world = two_nodes()
    stays = pod_on(world, "n1")
    world.change_node("n1", **TAKEN)
    world.step()
    world.schedule()
    world.change_node("n1", taints=(), leaving="")
    world.live()
    assert [pod.name for pod in world.serving()] == [stays]
    assert [pod.deletion_cost for pod in world.serving()] == [0]


def test_a_dead_node_does_not_hold_the_plan_with_pods_that_never_end() -> None:
    world = two_nodes(gpus=2)
    world.change_node("n1", ready=False)
    stuck = next(pod for pod in world.pods if pod.node == "n1")
    world.change(stuck, terminating=True)
    world.live()
    assert where(world.serving()) == {"n2": 1}
    assert stuck.name in {pod.name for pod in world.pods}
    assert said(world, "Ready") == ("True", "Ready")


def test_a_node_that_is_not_ready_is_replaced_at_once_and_spared_when_it_returns() -> None:
    world = two_nodes()
    world.change_node("n1", ready=False)
    world.live()
    assert where(world.serving()) == {"n2": 1}
    world.change_node("n1", ready=True)
    world.live()
    assert where(world.serving()) == {"n2": 1}


def test_a_node_deleted_with_its_pod_is_replaced() -> None:
    world = two_nodes()
    world.lose_node("n1")
    world.live()
    assert where(world.serving()) == {"n2": 1}


def test_a_lost_gpu_moves_nobody_who_serves() -> None:
    world = two_nodes(replicas=2, gpus=2)
    assert where(world.serving()) == {"n1": 2}
    world.change_node("n1", gpus={GPU: 1})
    assert world.step().actions == ()
    assert where(world.serving()) == {"n1": 2}


def test_a_pod_whose_engine_fails_on_a_lost_gpu_is_replaced_elsewhere() -> None:
    world = two_nodes(replicas=2, gpus=2)
    world.change_node("n1", gpus={GPU: 1})
    world.fail(world.serving()[0])
    world.step()
    world.schedule()
    world.step()
    assert where(world.serving()) == {"n1": 1}
    world.live()
    assert where(world.serving()) == {"n1": 1, "n2": 1}
    assert len(world.pods) == 2


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_full_tier_changes_revision_one_replica_at_a_time(count: int) -> None:
    world = Living(
        specialists=[a_specialist(replicas=count, tiers=["rtx-4090"])],
        nodes=[a_node("n1", gpus=count)],
    )
    world.live()
    world.edit(image="vllm:2", replicas=count, tiers=["rtx-4090"])
    fewest = count
    for turn in range(16 * count):
        world.step()
        world.reap()
        world.schedule()
        fewest = min(fewest, len(world.serving()))
        if turn % 4 == 3:  # engines take longer to load than the operator to look
            world.load()
    assert fewest == count - 1
    assert len(world.serving()) == count
    assert len(world.deployments) == 1
    assert said(world, "Ready") == ("True", "Ready")


def test_a_node_is_known_to_leave_by_any_of_the_clouds_taints() -> None:
    body = {
        "metadata": {"name": "n1"},
        "spec": {"taints": [{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]},
    }
    assert node(body).leaving == "taint karpenter.sh/disrupted"
    body["spec"]["taints"][0]["key"] = "example.com/out"
    assert node(body).leaving == ""
    assert node(body, ["example.com/out"]).leaving == "taint example.com/out"


def test_nodes_are_compared_by_what_they_announce() -> None:
    assert Node("n") != replace(Node("n"), leaving="taint x")
