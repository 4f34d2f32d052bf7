"""What the operator decides about one Specialist, told as stories."""

from dataclasses import replace
from typing import Any

import pytest
from observed import (
    HUGE,
    LARGE,
    SMALL,
    World,
    a_node,
    a_pod,
    a_specialist,
    a_tier,
    an_external,
    crashed,
    said,
    serving_world,
)

from tierwise_core.model_metadata import SizeOverrides
from tierwise_core.plan import Apply, Delete
from tierwise_core.specialist import ReadingFailed, ReadingPending

NOT_THERE = ReadingFailed("SourceNotFound", "spec.model.source: /models/sorter does not exist")


def test_a_new_specialist_gets_a_deployment_and_a_service_on_the_cheapest_tier_that_fits() -> None:
    world = World(specialists=[a_specialist()])
    plan = world.look()
    assert [(a.kind, type(a)) for a in plan.actions] == [("Deployment", Apply), ("Service", Apply)]
    assert plan.status is not None
    placement = plan.status.status["placement"]
    assert (placement["tier"], placement["gpusPerReplica"]) == ("rtx-4090", 1)
    assert placement["usdPerHour"] == 0.4


def test_a_model_too_large_for_the_cheap_tier_goes_to_the_next_and_says_why() -> None:
    world = World(specialists=[a_specialist(tensor_parallel=1)], readings={"ai/sorter": LARGE})
    world.settle()
    placement = world.specialist().status["placement"]
    assert placement["tier"] == "h100"
    (rejected,) = placement["rejected"]
    assert rejected["tier"] == "rtx-4090"
    assert "24.0 GiB" in rejected["reason"]


def test_a_model_that_fits_no_tier_starts_nothing_and_is_explained_in_numbers() -> None:
    world = World(specialists=[a_specialist()], readings={"ai/sorter": HUGE})
    plan = world.settle()
    assert plan.actions == ()
    assert said(world, "Placed") == ("False", "NoTierFits")
    assert "GiB" in world.conditions()["Placed"]["message"]
    assert said(world, "Ready") == ("False", "NoTierFits")
    assert world.specialist().status["phase"] == "Failed"


def test_more_gpus_than_any_node_has_names_the_largest_node() -> None:
    world = World(specialists=[a_specialist(tensor_parallel=8, tiers=["rtx-4090"])])
    world.settle()
    assert said(world, "Placed") == ("False", "NoTierFits")
    message = world.conditions()["Placed"]["message"]
    assert "8 GPUs" in message
    assert "largest node has 4" in message


def test_a_full_fleet_is_no_capacity_and_not_a_failure() -> None:
    others = [a_pod("", f"other-{n}", specialist="", gpus=4, node=f"n{n}") for n in (1, 2)]
    world = World(specialists=[a_specialist()], pods=others)
    plan = world.settle()
    assert plan.actions == ()
    assert said(world, "Placed") == ("False", "NoCapacity")
    assert world.specialist().status["phase"] == "Placing"


def test_an_unknown_tier_names_the_field_and_the_tiers_there_are() -> None:
    world = World(specialists=[a_specialist(tiers=["h1000"])])
    world.settle()
    assert said(world, "Placed") == ("False", "UnknownTier")
    message = world.conditions()["Placed"]["message"]
    assert "spec.placement.tiers" in message
    assert "h1000" in message


def test_without_any_tier_the_message_asks_for_one() -> None:
    world = World(specialists=[a_specialist()], tiers=[])
    world.settle()
    assert said(world, "Placed") == ("False", "NoTierFits")
    assert "create one" in world.conditions()["Placed"]["message"]


def test_a_parent_that_does_not_exist_blocks_a_new_specialist() -> None:
    world = World(specialists=[a_specialist(parent="nobody")])
    assert world.settle().actions == ()
    assert said(world, "Placed") == ("False", "ParentNotFound")
    assert "'nobody'" in world.conditions()["Placed"]["message"]


def test_the_parent_may_come_later() -> None:
    world = World(specialists=[a_specialist(parent="generalist")])
    world.settle()
    world.specialists.append(a_specialist("generalist"))
    world.settle()
    assert said(world, "Placed") == ("True", "Placed")


def test_parents_in_a_circle_are_told_the_whole_circle() -> None:
    family = [a_specialist("a", parent="b"), a_specialist("b", parent="a")]
    world = World(specialists=family)
    assert world.settle("a").actions == ()
    assert said(world, "Placed", "a") == ("False", "ParentCycle")
    assert "a -> b -> a" in world.conditions("a")["Placed"]["message"]


def test_a_parent_that_vanishes_leaves_the_running_pods_alone() -> None:
    world = World(specialists=[a_specialist(parent="generalist"), a_specialist("generalist")])
    world.settle()
    world.run_pods()
    world.settle()
    world.specialists.pop()
    plan = world.settle()
    assert plan.actions == ()
    assert said(world, "Ready") == ("False", "ParentNotFound")
    assert len(world.specialist().status["endpoints"]) == 1


def test_an_escalation_that_leads_nowhere_is_told_and_stops_nothing() -> None:
    world = serving_world(escalate_to=("nobody",))
    assert said(world, "EscalationResolved") == ("False", "UnknownSpecialist")
    assert said(world, "Ready") == ("True", "Ready")


def test_a_source_that_does_not_exist_is_told_in_every_condition_it_concerns() -> None:
    world = World(specialists=[a_specialist()], readings={"ai/sorter": NOT_THERE})
    assert world.settle().actions == ()
    for condition in ("Sized", "Placed", "WeightsReady", "ServingReady", "Ready"):
        assert said(world, condition) == ("False", "SourceNotFound")


def test_a_source_that_vanishes_leaves_the_running_pods_alone() -> None:
    world = serving_world()
    world.readings["ai/sorter"] = NOT_THERE
    plan = world.settle()
    assert plan.actions == ()
    assert said(world, "Sized") == ("False", "SourceNotFound")
    assert said(world, "ServingReady") == ("True", "PodsReady")
    assert len(world.specialist().status["endpoints"]) == 1


def test_overrides_stand_in_for_a_source_that_cannot_be_read() -> None:
    size = SizeOverrides(weights_bytes=8 * 2**30, kv_bytes_per_token=1024)
    world = World(
        specialists=[a_specialist(source="pvc://models/x", size=size, max_model_len=2048)],
        readings={"ai/sorter": ReadingFailed("UnsupportedSource", "give spec.model.size")},
    )
    world.settle()
    assert said(world, "Sized") == ("True", "OverridesUsed")
    assert said(world, "Placed") == ("True", "Placed")


def test_while_the_metadata_is_read_quickly_nothing_is_written() -> None:
    world = World(specialists=[a_specialist()], readings={"ai/sorter": ReadingPending(0.5)})
    plan = world.look()
    assert plan.converged
    assert plan.recheck_seconds


def test_metadata_that_takes_long_is_reported_as_being_read() -> None:
    world = World(specialists=[a_specialist()], readings={"ai/sorter": ReadingPending(5.0)})
    world.settle()
    assert said(world, "Ready") == ("Unknown", "ReadingMetadata")


def test_an_invalid_spec_keeps_what_serves_and_says_what_is_wrong() -> None:
    world = serving_world()
    broken = replace(world.specialist(), generation=2, model=None, invalid="spec.model: missing")
    world.specialists[0] = broken
    plan = world.settle()
    assert plan.actions == ()
    assert said(world, "Ready") == ("False", "InvalidSpec")
    assert len(world.specialist().status["endpoints"]) == 1


def test_a_pod_template_that_cannot_be_merged_is_an_invalid_spec() -> None:
    template = {"spec": {"containers": [{"image": "nameless"}]}}
    world = World(specialists=[a_specialist(pod_template=template)])
    assert world.settle().actions == ()
    assert said(world, "Ready") == ("False", "InvalidSpec")
    assert "engine.podTemplate.spec.containers[0].name" in world.conditions()["Ready"]["message"]


def test_a_converged_specialist_is_left_alone() -> None:
    world = serving_world()
    world.wait(hours=5)
    assert world.look().converged


def test_ready_pods_become_endpoints_sorted_by_name() -> None:
    world = World(specialists=[a_specialist(replicas=2)])
    world.settle()
    world.run_pods()
    world.pods.reverse()
    world.settle()
    status = world.specialist().status
    assert [e["url"] for e in status["endpoints"]] == [
        "http://10.0.0.1:8000",
        "http://10.0.0.2:8000",
    ]
    assert (status["replicas"], status["readyReplicas"]) == (2, 2)
    assert said(world, "Ready") == ("True", "Ready")


def test_a_terminating_pod_is_no_endpoint() -> None:
    world = serving_world()
    world.pods = [replace(world.pods[0], terminating=True)]
    world.settle()
    assert "endpoints" not in world.specialist().status
    assert said(world, "ServingReady") == ("False", "PodsStarting")


@pytest.mark.parametrize(
    ("pod", "serving", "weights", "words"),
    [
        pytest.param(
            {"waiting_reason": "ImagePullBackOff", "waiting_message": "not found"},
            "ImagePullFailed",
            "Loading",
            ("spec.engine.image", "'vllm:1'", "not found"),
            id="an image that cannot be pulled names the image and the registry's answer",
        ),
        pytest.param(
            crashed(),
            "CrashLoop",
            "LoadFailed",
            ("exit code 1", "4 restarts", "CUDA out of memory"),
            id="an engine that crashes tells its exit code and last words",
        ),
        pytest.param(
            {"unschedulable": "0/2 nodes are available: 2 Insufficient nvidia.com/gpu", "node": ""},
            "Unschedulable",
            "Loading",
            ("Insufficient nvidia.com/gpu",),
            id="a pod without a node repeats the scheduler's words",
        ),
        pytest.param(
            {"running_since": "2026-03-01T11:59:00Z"},
            "PodsStarting",
            "Loading",
            ("loading the model since 2026-03-01T11:59:00Z",),
            id="an engine that loads says since when",
        ),
        pytest.param(
            {"waiting_reason": "CreateContainerConfigError", "waiting_message": 'secret "x"'},
            "ContainerError",
            "Loading",
            ('secret "x"',),
            id="a container that cannot be created says what it lacks",
        ),
    ],
)
def test_a_pod_in_trouble_is_explained(
    pod: dict[str, Any], serving: str, weights: str, words: tuple[str, ...]
) -> None:
    world = World(specialists=[a_specialist()])
    world.settle()
    world.run_pods(ready=False, **pod)
    world.settle()
    assert said(world, "ServingReady") == ("False", serving)
    assert world.conditions()["WeightsReady"]["reason"] == weights
    assert said(world, "Ready")[1] in {serving, weights}
    for word in words:
        assert word in world.conditions()["ServingReady"]["message"]


def test_a_deployment_that_may_not_create_pods_repeats_why() -> None:
    world = World(specialists=[a_specialist()])
    world.settle()
    world.deployments[0] = replace(world.deployments[0], failure="exceeded quota: gpus")
    world.settle()
    assert "exceeded quota: gpus" in world.conditions()["ServingReady"]["message"]


def test_zero_replicas_keep_the_deployment_and_hold_no_gpu() -> None:
    world = serving_world()
    world.edit(replicas=0)
    plan = world.settle()
    (apply,) = plan.actions
    assert isinstance(apply, Apply)
    assert apply.manifest["spec"]["replicas"] == 0
    world.pods.clear()
    world.settle()
    assert said(world, "Ready") == ("False", "ScaledToZero")


def test_only_as_many_replicas_start_as_have_room() -> None:
    world = World(specialists=[a_specialist(replicas=6, tiers=["rtx-4090"])])
    plan = world.settle()
    assert isinstance(plan.actions[0], Apply)
    assert plan.actions[0].manifest["spec"]["replicas"] == 4
    assert said(world, "Placed") == ("False", "NoCapacity")
    assert "room for 4 of 6 replicas" in world.conditions()["Placed"]["message"]


def test_a_replica_count_changed_by_hand_is_put_right() -> None:
    world = serving_world()
    tampered = world.deployments[0].live.replace('"replicas": 1', '"replicas": 3')
    world.deployments[0] = replace(world.deployments[0], live=tampered, replicas=3)
    (action,) = world.look().actions
    assert isinstance(action, Apply)
    assert action.reason == "spec.replicas is 3, not 1"


def test_a_service_deleted_by_hand_comes_back() -> None:
    world = serving_world()
    world.services.clear()
    (action,) = world.look().actions
    assert (action.kind, action.reason) == ("Service", "does not exist")


def test_a_specialist_on_its_way_out_is_left_to_the_garbage_collector() -> None:
    world = serving_world()
    world.specialists[0] = replace(world.specialist(), deleting=True)
    assert world.look().converged


def test_an_external_specialist_has_its_address_and_no_children() -> None:
    world = World(specialists=[an_external()])
    plan = world.settle("frontier")
    assert plan.actions == ()
    status = world.specialist("frontier").status
    assert status["endpoints"] == [{"url": "https://api.example.com/v1"}]
    assert all(c["reason"] in {"External", "Ready"} for c in status["conditions"])
    assert said(world, "Ready", "frontier") == ("True", "Ready")


def test_a_model_that_becomes_external_loses_its_pods() -> None:
    world = serving_world()
    external = an_external("sorter", generation=2, status=world.specialist().status)
    world.specialists[0] = external
    plan = world.settle()
    assert [type(action) for action in plan.actions] == [Delete, Delete]
    assert "selector" not in world.specialist().status


def test_pods_of_others_count_as_used() -> None:
    world = World(
        specialists=[a_specialist()],
        pods=[a_pod("", "notebook", specialist="", gpus=4, node="n1")],
    )
    world.settle()
    assert world.specialist().status["placement"]["tier"] == "h100"


def test_a_node_with_an_untolerated_taint_takes_nothing() -> None:
    from tierwise_core.fleet import Taint  # noqa: PLC0415 - this story alone

    world = World(
        specialists=[a_specialist(tiers=["rtx-4090"])],
        nodes=[a_node("n1", taints=(Taint("gpu", "reserved"),))],
    )
    world.settle()
    assert said(world, "Placed") == ("False", "NoCapacity")
    world.tiers[0] = a_tier(tolerations=({"key": "gpu", "operator": "Exists"},))
    world.settle()
    assert said(world, "Placed") == ("True", "Placed")


def test_the_reasons_against_other_tiers_are_not_rewritten_for_every_pod_in_the_fleet() -> None:
    world = serving_world()
    world.pods.append(a_pod("", "notebook", specialist="", gpus=2, node="n2"))
    assert world.look().converged


def test_the_weights_verdict_does_not_flap_when_one_of_two_pods_dies() -> None:
    world = World(specialists=[a_specialist(replicas=2)])
    world.settle()
    world.run_pods()
    world.settle()
    world.pods[0] = replace(world.pods[0], ready=False, **crashed())
    world.settle()
    assert said(world, "WeightsReady") == ("True", "Readable")
    assert said(world, "ServingReady") == ("False", "CrashLoop")
    assert world.specialist().status["phase"] == "Degraded"


def test_an_error_nobody_expected_in_one_model_concerns_that_model_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    odd = a_specialist("odd", source="file:///models/odd")
    world = World(specialists=[odd, a_specialist()])
    world.readings["ai/odd"] = replace(SMALL, layers=-1, kv_heads=0, hidden_size="?")
    world.settle()
    world.settle("odd")
    assert said(world, "Placed") == ("True", "Placed")
    assert said(world, "Sized", "odd")[1] == "InternalError"
