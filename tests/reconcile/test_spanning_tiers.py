"""One Specialist on several tiers: when one is full, how it moves, how it changes revision."""

from __future__ import annotations

from dataclasses import replace

from observed import GPU, SMALL, a_node, a_specialist, a_tier, said
from simulated import Living, where

from tierwise_core.fleet_plan import plan_fleet
from tierwise_core.placement import Policy

TIERS = [a_tier(), a_tier("h100")]


def spanning(replicas: int = 3) -> Living:
    """Two RTX 4090 and two H100, and a sorter that wants more than the cheap ones hold."""
    world = Living(
        specialists=[a_specialist(replicas=replicas)],
        nodes=[a_node("n1", gpus=2), a_node("n2", "h100", gpus=2)],
    )
    world.live()
    return world


def shares(world: Living) -> dict[str, int]:
    placement = world.specialist().status["placement"]
    return {share["tier"]: share["replicas"] for share in placement["tiers"]}


def test_a_full_tier_makes_a_specialist_span_two() -> None:
    world = spanning()
    assert where(world.serving()) == {"n1": 2, "n2": 1}
    assert shares(world) == {"rtx-4090": 2, "h100": 1}
    assert said(world, "Ready") == ("True", "Ready")
    message = world.conditions()["Placed"]["message"]
    assert message.startswith("3 replicas, because no tier has room for all: 2 on rtx-4090")


def test_the_status_sums_the_price_and_names_the_tier_of_most() -> None:
    world = spanning()
    placement = world.specialist().status["placement"]
    assert placement["tier"] == "rtx-4090"
    assert placement["usdPerHour"] == 2 * 0.4 + 3.0
    assert [share["readyReplicas"] for share in placement["tiers"]] == [2, 1]
    assert sorted(e["tier"] for e in world.specialist().status["endpoints"]) == [
        "h100",
        "rtx-4090",
        "rtx-4090",
    ]


def test_room_on_the_cheaper_tier_is_taken_new_first_then_the_old_leaves() -> None:
    world = spanning()
    world.nodes.append(a_node("n3", gpus=1))
    plan = world.step()
    told = [event.message for event in plan.events if event.reason == "Moving"]
    assert len(told) == 1
    assert told[0].startswith("1 replica goes from h100 to rtx-4090: ")
    world.schedule()
    world.step()
    assert where(world.serving()) == {"n1": 2, "n2": 1}
    world.load()
    world.live()
    assert where(world.serving()) == {"n1": 2, "n3": 1}
    assert shares(world) == {"rtx-4090": 3}
    assert [child.tier for child in world.deployments] == ["rtx-4090"]
    move = world.specialist().status["placement"]["lastMove"]
    assert (move["from"], move["to"]) == ("h100", "rtx-4090")


def test_a_move_does_not_turn_back_while_it_goes_on() -> None:
    world = spanning()
    world.nodes.append(a_node("n3", gpus=1))
    world.step()
    world.schedule()
    for _ in range(5):
        assert world.step().actions == ()
    assert shares(world) == {"rtx-4090": 3}


def test_a_replica_that_still_loads_is_not_stopped_for_a_cheaper_place() -> None:
    world = Living(
        specialists=[a_specialist(replicas=1)], nodes=[a_node("n2", "h100", gpus=1)], tiers=TIERS
    )
    world.step()
    world.schedule()
    world.nodes.append(a_node("n1", gpus=1))
    for _ in range(3):
        world.step()
        world.schedule()
    assert {pod.node for pod in world.pods if not pod.terminating} == {"n1", "n2"}
    world.load()
    world.live()
    assert where(world.serving()) == {"n1": 1}


def test_a_small_saving_moves_nobody() -> None:
    world = spanning()
    world.tiers = [a_tier(), a_tier("h100", usd_per_gpu_hour=0.45)]
    world.live()
    world.nodes.append(a_node("n3", gpus=1))
    world.live()
    assert where(world.serving()) == {"n1": 2, "n2": 1}


def test_a_change_of_revision_goes_through_all_tiers() -> None:
    world = spanning()
    old = {pod.revision for pod in world.serving()}
    world.nodes = [a_node("n1", gpus=4), a_node("n2", "h100", gpus=2)]
    world.live()
    world.edit(image="vllm:2", replicas=3)
    fewest = len(world.serving())
    for _ in range(12):
        world.step()
        world.reap()
        world.schedule()
        fewest = min(fewest, len(world.serving()))
        endpoints = {e["revision"] for e in world.specialist().status["endpoints"]}
        assert endpoints <= old or not endpoints & old
        world.load(most=1)
    world.live()
    assert fewest >= 2
    assert not {pod.revision for pod in world.serving()} & old
    assert said(world, "Ready") == ("True", "Ready")


def test_scaling_down_leaves_the_cheapest() -> None:
    world = spanning()
    world.edit(replicas=1)
    world.live()
    assert where(world.serving()) == {"n1": 1}


def test_a_higher_priority_takes_a_place_only_when_the_site_allows_it() -> None:
    world = Living(
        specialists=[a_specialist("low", tiers=["rtx-4090"])], nodes=[a_node("n1", gpus=1)]
    )
    world.live(name="low")
    world.specialists.append(a_specialist("high", priority=9, tiers=["rtx-4090"]))
    world.readings["ai/high"] = SMALL
    assert "ai/high" not in world.plan().placements.assignments
    allowed = plan_fleet(replace(world.fleet(), policy=Policy(preempt=True)))
    assert "ai/high" in allowed.placements.assignments
    assert [move.key for move in allowed.placements.moves] == ["ai/low"]


def test_a_lost_gpu_moves_nobody_who_serves_on_any_tier() -> None:
    world = Living(
        specialists=[a_specialist(replicas=5)],
        nodes=[a_node("n1", gpus=2), a_node("n2", gpus=2), a_node("n3", "h100", gpus=2)],
    )
    world.live()
    assert where(world.serving()) == {"n1": 2, "n2": 2, "n3": 1}
    world.change_node("n1", gpus={GPU: 1})
    assert world.step().actions == ()
