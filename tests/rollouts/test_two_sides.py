"""Two sides of one Specialist: what serves, and the candidate that has to prove itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests._support.observed import (
    HUGE,
    NOON,
    SMALL,
    World,
    a_node,
    a_pod,
    a_specialist,
    crashed,
    said,
    serving_world,
)

from tierwise_core.adapter_checks import Finding
from tierwise_core.adapter_status import AdaptersSeen
from tierwise_core.adapters import Sight
from tierwise_core.children import EDITION, SIDE
from tierwise_core.plan import Apply, Delete, Plan
from tierwise_core.rollout.green_state import GreenState
from tierwise_core.rollout.order import Making, Order
from tierwise_core.rollout.situation import Standing
from tierwise_core.rollout.stages import Stage
from tierwise_core.sides_observed import state_of_sides
from tierwise_core.specialist import Adapter, ReadingFailed

NEW = "file:///models/sorter-v2"


def changed(**changes: Any) -> World:
    """A world whose sorter serves and is told to take another model."""
    world = serving_world(**changes)
    world.edit(**{**changes, "source": NEW})
    return world


def tried(percent: int = 5, stage: Stage = Stage.CANARY, **changes: Any) -> World:
    """The same with the candidate's pods ready and some traffic on them."""
    world = changed(**changes)
    world.settle()
    world.run_pods()
    world.stage(stage, percent)
    world.settle()
    return world


def sources(world: World) -> dict[str, str]:
    """What each Deployment runs, by its side."""
    return {child.side or "blue": _source(child.live) for child in world.deployments}


def _source(live: str) -> str:
    return "v2" if "sorter-v2" in live else "v1"


def endpoints(world: World) -> list[str]:
    return [row.get("side", "blue") for row in status(world)["endpoints"]]


def status(world: World) -> Any:
    return world.specialist().status


def seen(world: World) -> GreenState:
    found = state_of_sides(world.snapshot(world.specialist()))
    assert found is not None
    return found


def applied(plan: Plan, kind: str) -> list[Apply]:
    return [act for act in plan.actions if isinstance(act, Apply) and act.kind == kind]


def removed(plan: Plan) -> list[str]:
    return [act.name for act in plan.actions if isinstance(act, Delete)]


def only(world: World) -> Order:
    (order,) = world.orders
    return order


def end(world: World, stage: Stage, why: str = "5 points worse") -> Plan:
    """Let the Rollout end, and the operator see it."""
    world.stage(stage, 100 if stage is Stage.COMPLETE else 0, reason="Because", why=why)
    plan = world.carry_out(world.look())
    world.settle()
    return plan


def test_what_serves_first_becomes_stable() -> None:
    world = World(specialists=[a_specialist()])
    world.settle()
    assert "stable" not in status(world)
    world.run_pods()
    world.settle()
    assert status(world)["stable"]["model"] == {"source": "file:///models/sorter"}
    assert world.orders == []


def test_a_changed_model_is_a_candidate_and_what_serves_is_not_touched() -> None:
    world = changed()
    before = world.deployments[0]
    plan = world.carry_out(world.look())
    (rollout,) = applied(plan, "Rollout")
    metadata, spec = rollout.manifest["metadata"], rollout.manifest["spec"]
    assert metadata["ownerReferences"][0]["name"] == "sorter"
    assert metadata["annotations"]["tierwise.dev/trigger"] == "ModelChanged"
    assert spec["candidate"] == {"model": {"source": NEW}}
    assert world.deployments == [before]


def test_the_candidates_strategy_is_the_specialists() -> None:
    world = changed(rollout={"onInconclusive": "Promote"})
    plan = world.look()
    (rollout,) = applied(plan, "Rollout")
    assert rollout.manifest["spec"]["strategy"] == {"onInconclusive": "Promote"}


def test_green_starts_beside_blue_and_gets_nothing_of_the_service() -> None:
    world = changed()
    world.settle()
    assert sources(world) == {"blue": "v1", "green": "v2"}
    blue = next(child for child in world.deployments if not child.side)
    assert EDITION in str(world.services[0].live)
    assert blue.edition in world.services[0].live
    assert status(world)["rollout"]["name"] == only(world).name
    assert SIDE not in next(d.live for d in world.deployments if d.side).partition("template")[2]


def test_green_that_serves_is_marked_among_the_endpoints() -> None:
    world = tried()
    assert sorted(endpoints(world)) == ["blue", "green"]
    told = seen(world)
    assert (told.ready, told.fault, told.carries_percent) == (True, "", 100)
    assert told.blue_stays
    assert told.blue_urls != told.green_urls
    assert not set(told.blue_revisions) & set(told.green_revisions)
    assert said(world, "Ready") == ("True", "Ready")


def test_a_promotion_turns_the_service_to_green_and_restarts_nobody() -> None:
    world = tried(95, Stage.SHIFTING)
    green = next(child for child in world.deployments if child.side)
    world.stage(Stage.PROMOTED, 100)
    world.settle()
    assert green.edition in world.services[0].live
    assert sources(world) == {"blue": "v1", "green": "v2"}  # blue stays warm
    pods = list(world.pods)
    plan = end(world, Stage.COMPLETE)
    assert sources(world) == {"blue": "v2"}
    assert [child.name for child in world.deployments] == [green.name]
    assert removed(plan) != [green.name]
    assert all(pod in world.pods for pod in pods if pod.revision == green.revision)
    assert status(world)["stable"]["model"] == {"source": NEW}
    assert "rollout" not in status(world)
    assert endpoints(world) == ["blue"]
    assert len(world.orders) == 1


def test_blue_goes_only_once_the_promoted_pods_serve() -> None:
    world = tried(100, Stage.PROMOTED)
    green = next(child for child in world.deployments if child.side)
    (at,) = (n for n, pod in enumerate(world.pods) if pod.revision == green.revision)
    world.pods[at] = replace(world.pods[at], ready=False)
    end(world, Stage.COMPLETE)
    assert len(world.deployments) == 2
    assert endpoints(world) == ["blue"]
    world.pods[at] = replace(world.pods[at], ready=True)
    world.settle()
    assert [child.name for child in world.deployments] == [green.name]


def test_a_promoted_model_keeps_the_utility_that_its_rollout_measured() -> None:
    world = tried(95, Stage.SHIFTING)
    utility = {"base": 0.9, "accepted": 0.95}
    world.orders[0] = replace(only(world), status={"utility": utility})
    end(world, Stage.COMPLETE)
    assert status(world)["stable"]["utility"] == utility


def test_a_rejected_candidate_goes_and_is_told_until_the_spec_changes() -> None:
    world = tried()
    end(world, Stage.ROLLED_BACK)
    assert sources(world) == {"blue": "v1"}
    assert said(world, "RolloutRejected") == ("True", "Because")
    message = world.conditions()["RolloutRejected"]["message"]
    assert only(world).name in message
    assert "5 points worse" in message
    assert said(world, "Ready")[0] == "True"
    world.settle()
    assert len(world.orders) == 1  # the same candidate is not tried again by itself
    world.edit(source="file:///models/sorter-v3")
    world.settle()
    assert len(world.orders) == 2
    assert "RolloutRejected" not in world.conditions()


def test_a_candidate_that_was_rejected_may_be_asked_for_once_more() -> None:
    world = tried()
    end(world, Stage.ROLLED_BACK)
    world.edit()
    world.settle()
    assert "RolloutRejected" not in world.conditions()
    world.wait(minutes=5)
    world.edit(source=NEW)
    world.settle()
    first, second = (order.name for order in world.orders)
    assert second == f"{first}-2"


def test_a_newer_model_supersedes_the_candidate_and_follows_it() -> None:
    world = tried()
    world.edit(source="file:///models/sorter-v3")
    world.settle()
    assert seen(world).superseded
    assert len(world.orders) == 1
    end(world, Stage.ABORTED)
    assert len(world.orders) == 2
    assert world.orders[1].candidate is not None
    assert world.orders[1].candidate.source.endswith("v3")


def test_going_back_to_what_serves_ends_the_rollout_and_rejects_nothing() -> None:
    world = tried()
    world.edit()
    world.settle()
    assert seen(world).superseded
    end(world, Stage.ABORTED)
    assert sources(world) == {"blue": "v1"}
    assert len(world.orders) == 1
    assert "RolloutRejected" not in world.conditions()


def test_going_back_after_the_promotion_is_a_rollout_of_its_own() -> None:
    world = tried(100, Stage.PROMOTED)
    world.edit()
    world.settle()
    end(world, Stage.COMPLETE)
    assert [order.ended for order in world.orders] == [True, False]
    assert status(world)["stable"]["model"] == {"source": NEW}


def by_hand(world: World, source: str = NEW, name: str = "by-hand") -> None:
    model = replace(world.specialist().model or pytest.fail("no model"), source=source)
    order = Order("ai", name, "u", 1, "ai/sorter", model, created="2026-03-01T12:30:00Z")
    world.orders.append(order)
    world.settle()
    world.stage(Stage.PENDING)
    world.settle()


def test_a_rollout_made_by_hand_leaves_the_spec_as_it_is_promoted_or_not() -> None:
    world = serving_world()
    by_hand(world)
    world.run_pods()
    world.stage(Stage.PROMOTED, 100)
    world.settle()
    end(world, Stage.COMPLETE)
    assert sources(world) == {"blue": "v2"}
    assert len(world.orders) == 1  # the spec still asks for v1, and that was answered
    assert status(world)["stable"]["model"] == {"source": NEW}


def test_a_candidate_that_runs_already_is_refused() -> None:
    world = serving_world()
    by_hand(world, "file:///models/sorter")
    assert "serves already" in seen(world).refused
    assert list(sources(world)) == ["blue"]


def test_a_candidate_that_would_run_in_the_very_same_pods_is_refused() -> None:
    world = serving_world()
    world.edit(model_revision="v2")  # of files on a node there is only one
    world.settle()
    why = seen(world).refused
    assert "very same" in why
    assert list(sources(world)) == ["blue"]
    end(world, Stage.ABORTED, why)
    assert status(world)["stable"]["model"]["revision"] == "v2"  # it serves already
    assert "RolloutRejected" not in world.conditions()
    assert len(world.orders) == 1


def test_a_candidate_that_fits_no_tier_is_refused_before_anything_is_touched() -> None:
    world = changed()
    world.readings["ai/sorter#green"] = HUGE
    world.settle()
    assert list(sources(world)) == ["blue"]
    assert seen(world).refused.startswith("NoTierFits")


def test_a_candidate_whose_files_are_not_there_is_refused() -> None:
    world = changed()
    world.readings["ai/sorter#green"] = ReadingFailed("SourceNotFound", "no such directory")
    world.settle()
    assert seen(world).refused == "SourceNotFound: no such directory"


def test_without_room_for_both_nothing_is_touched_and_the_ways_out_have_numbers() -> None:
    world = serving_world(tiers=["rtx-4090"], replicas=3)
    world.edit(tiers=["rtx-4090"], replicas=3, source=NEW)
    world.settle()
    told = seen(world)
    assert list(sources(world)) == ["blue"]
    assert told.no_room == (
        "no room beside what serves: it needs 3 replicas with 1 GPU each, and tier rtx-4090 has 1 "
        "of 4 free; the cheapest way out: lower spec.placement.replicas.min from 3 to 2 until it "
        "is over: both sides then have room on tier rtx-4090; or wait until 2 more GPUs of tier "
        "rtx-4090 are free"
    )
    world.nodes.append(a_node("n3"))
    world.settle()
    assert seen(world).no_room == ""
    assert "green" in sources(world)


def test_a_dearer_tier_that_is_not_allowed_is_a_way_out_with_its_price() -> None:
    world = serving_world(tiers=["rtx-4090"], replicas=1)
    world.nodes[0] = a_node("n1", gpus=1)
    world.edit(tiers=["rtx-4090"], source=NEW)
    world.settle()
    assert (
        "wait until 1 more GPU of tier rtx-4090 is free; or allow tier h100" in seen(world).no_room
    )
    assert "for 3.00 USD/h" in seen(world).no_room


def test_a_candidate_pushes_nobody_out_and_nobody_moves_for_it() -> None:
    world = serving_world(tiers=["rtx-4090"])
    world.nodes[0] = a_node("n1", gpus=1)
    world.specialists.append(a_specialist("other", tiers=["rtx-4090"], priority=-1_000_000))
    world.readings["ai/other"] = SMALL
    world.edit(tiers=["rtx-4090"], source=NEW)
    world.nodes.append(a_node("n3", gpus=1))
    world.settle()
    world.settle("other")
    assert [d.specialist for d in world.deployments] == ["sorter", "other"]


def test_green_begins_with_as_many_pods_as_its_first_share_takes() -> None:
    world = serving_world(tiers=["rtx-4090"], replicas=8)
    world.nodes.append(a_node("n3", gpus=16))
    world.settle()
    world.run_pods()
    world.edit(tiers=["rtx-4090"], replicas=8, source=NEW)
    world.settle()
    assert {d.side: d.replicas for d in world.deployments} == {"": 8, "green": 1}
    world.run_pods()
    assert seen(world).carries_percent == 12
    world.stage(Stage.SHIFTING, 12)
    world.settle()
    assert {d.side: d.replicas for d in world.deployments} == {"": 8, "green": 8}


def test_an_image_that_cannot_be_pulled_never_gets_a_request() -> None:
    world = changed()
    world.settle()
    green = next(child for child in world.deployments if child.side)
    stuck = a_pod(green.revision, waiting_reason="ImagePullBackOff", waiting_message="not found")
    world.pods.append(stuck)
    world.settle()
    assert "cannot pull it" in seen(world).fault
    assert endpoints(world) == ["blue"]
    assert said(world, "Ready")[0] == "True"


def test_an_engine_changed_with_the_model_is_tried_by_green_and_what_serves_is_left_alone() -> None:
    world = serving_world()
    before = world.deployments[0]
    world.edit(source=NEW, image="vllm:broken")
    world.settle()
    assert before in world.deployments
    assert [child.side for child in world.deployments] == ["", "green"]
    assert "vllm:broken" in world.deployments[1].live
    assert said(world, "Ready")[0] == "True"
    world.run_pods()
    world.pods[1] = replace(world.pods[1], ready=False, waiting_reason="ImagePullBackOff")
    end(world, Stage.ROLLED_BACK)
    assert endpoints(world) == ["blue"]
    assert world.deployments == [before]  # the broken engine went back together with the model
    assert said(world, "Ready")[0] == "True"
    world.edit(source=NEW, image="vllm:2")  # mended: tried once more
    world.settle()
    assert len(world.orders) == 2
    assert "RolloutRejected" not in world.conditions()
    assert [child.side for child in world.deployments] == ["", "green"]
    assert "vllm:2" in world.deployments[1].live


def test_what_serves_is_scaled_while_its_engine_waits() -> None:
    world = serving_world(tiers=["rtx-4090"])
    world.edit(tiers=["rtx-4090"], source=NEW, image="vllm:2")
    world.settle()
    world.edit(tiers=["rtx-4090"], source=NEW, image="vllm:2", replicas=2)
    world.settle()
    assert {child.side: child.replicas for child in world.deployments} == {"": 2, "green": 1}


def test_what_serves_does_not_give_way_while_the_candidate_still_holds_a_gpu() -> None:
    world = serving_world(tiers=["rtx-4090"])
    world.nodes[0] = a_node("n1", gpus=2)
    world.edit(tiers=["rtx-4090"], source=NEW)
    world.settle()
    world.run_pods()
    before = world.deployments[0]
    world.edit(tiers=["rtx-4090"], image="vllm:2")
    world.stage(Stage.ABORTED)
    plan = world.look()
    assert before.name not in removed(plan)
    assert len(removed(plan)) == 1


def test_an_engine_changed_with_the_model_serves_on_once_it_is_promoted() -> None:
    world = serving_world()
    world.edit(source=NEW, image="vllm:2")
    world.settle()
    world.run_pods()
    world.stage(Stage.PROMOTED, 100)
    world.settle()
    green = world.deployments[1]
    assert green.edition in world.services[0].live
    end(world, Stage.COMPLETE)
    assert [child.name for child in world.deployments] == [green.name]


def test_an_engine_that_stops_once_may_start_again_before_it_is_called_broken() -> None:
    world = changed()
    world.settle()
    green = next(child for child in world.deployments if child.side)
    once = a_pod(green.revision, **{**crashed(), "restarts": 1})
    world.pods.append(once)
    assert seen(world).fault == ""
    world.pods[-1] = replace(once, restarts=2)
    assert "CUDA out of memory" in seen(world).fault


def test_blue_that_never_served_is_replaced_without_a_rollout() -> None:
    world = World(specialists=[a_specialist()])
    world.settle()
    world.edit(source=NEW)
    world.settle()
    assert sources(world) == {"blue": "v2"}
    assert world.orders == []


def test_blue_that_is_broken_is_replaced_without_a_rollout() -> None:
    world = serving_world()
    world.pods = [replace(world.pods[0], ready=False, **crashed())]
    world.settle()
    world.edit(source=NEW)
    world.settle()
    assert sources(world) == {"blue": "v2"}
    assert world.orders == []


def test_a_pod_of_blues_that_is_just_starting_is_waited_for() -> None:
    world = serving_world()
    world.pods = [replace(world.pods[0], ready=False)]
    world.settle()
    world.edit(source=NEW)
    world.settle()
    assert sources(world) == {"blue": "v1"}
    assert world.orders == []
    assert said(world, "RolloutRejected") == ("False", "WaitsForBlue")
    world.run_pods()
    world.settle()
    assert len(world.orders) == 1
    assert "RolloutRejected" not in world.conditions()


def test_a_specialist_that_sleeps_wakes_as_what_it_was_and_then_tries_the_candidate() -> None:
    world = serving_world()
    world.edit(replicas=0)
    world.settle()
    world.pods.clear()
    world.edit(replicas=0, source=NEW)
    world.settle()
    assert sources(world) == {"blue": "v1"}
    assert world.orders == []
    world.edit(replicas=1, source=NEW)
    world.settle()
    world.run_pods()
    world.settle()
    assert sources(world) == {"blue": "v1", "green": "v2"}


def test_green_is_not_ready_before_it_has_its_adapters() -> None:
    world = tried(adapters=[("one", "file:///models/one")])
    snapshot = world.snapshot(world.specialist())
    green = snapshot.green or pytest.fail("no candidate")
    adapter = Adapter("one", "file:///models/one")
    finding = Finding(adapter, "sorter:one", "/models/one")
    (pod,) = (pod.name for pod in world.pods if pod.revision in seen(world).green_revisions)
    for loaded, ready in (({}, False), ({"sorter:one": "/models/one"}, True)):
        known = AdaptersSeen((finding,), {pod: Sight(loaded)})
        told = state_of_sides(replace(snapshot, green=replace(green, adapters=known)))
        assert told is not None
        assert (told.ready, told.fault) == (ready, "")


def test_sizes_credentials_and_added_adapters_need_no_rollout() -> None:
    world = serving_world(adapters=[("one", "file:///models/one")])
    world.edit(adapters=[("one", "file:///models/one"), ("two", "file:///models/two")])
    world.settle()
    assert world.orders == []
    rows = status(world)["stable"]["model"]["adapters"]
    assert [row["name"] for row in rows] == ["one", "two"]


def test_an_adapter_with_other_files_is_a_candidate_in_pods_of_its_own() -> None:
    world = serving_world(adapters=[("one", "file:///models/one")])
    world.edit(adapters=[("one", "file:///models/one-b")])
    world.settle()
    assert len(world.orders) == 1
    assert [child.side for child in world.deployments] == ["", "green"]
    world.run_pods()
    green = world.deployments[1].name
    world.stage(Stage.PROMOTED, 100)
    world.settle()
    end(world, Stage.COMPLETE)
    assert [child.name for child in world.deployments] == [green]
    assert [child.side for child in world.deployments] == [""]
    world.settle()
    assert len(world.orders) == 1


def test_a_rollout_that_is_deleted_takes_green_with_it() -> None:
    world = serving_world()
    by_hand(world)
    assert "green" in sources(world)
    world.orders.clear()
    world.settle()
    assert list(sources(world)) == ["blue"]
    assert "rollout" not in status(world)


def test_a_rollout_that_ended_while_nobody_looked_is_taken_in_once() -> None:
    world = changed()
    world.carry_out(world.look())
    world.stage(Stage.ABORTED, reason="CandidateRefused", why="fits nowhere")
    world.settle()
    assert said(world, "RolloutRejected") == ("True", "CandidateRefused")
    assert len(world.orders) == 1
    assert world.now == NOON


def test_old_rollouts_go_but_never_the_promotion_that_an_undo_needs() -> None:
    world = tried(rollouts_kept=2)
    end(world, Stage.COMPLETE)
    (promoted,) = [one.name for one in world.orders]
    for number in range(3, 8):
        world.wait(minutes=5)
        world.edit(source=f"file:///models/sorter-v{number}", rollouts_kept=2)
        world.settle()
        end(world, Stage.ROLLED_BACK)
    names = [one.name for one in world.orders]
    assert len(names) == 3  # the two newest, and what an undo goes back to
    assert names[0] == promoted
    assert names[-1] in world.conditions()["RolloutRejected"]["message"]
    world.settle()
    assert [one.name for one in world.orders] == names
    assert said(world, "RolloutRejected") == ("True", "Because")


def test_a_rollout_that_somebody_applied_is_never_taken_from_them() -> None:
    world = tried(rollouts_kept=0)
    end(world, Stage.ROLLED_BACK)
    world.orders = [replace(one, trigger="Applied") for one in world.orders]
    applied_by_hand = only(world).name
    for number in range(3, 5):
        world.wait(minutes=5)
        world.edit(source=f"file:///models/sorter-v{number}", rollouts_kept=0)
        world.settle()
        end(world, Stage.ROLLED_BACK)
    assert [one.name for one in world.orders] == [applied_by_hand, world.orders[-1].name]


def test_a_changed_model_supersedes_a_candidate_that_is_still_in_training() -> None:
    world = tried()
    end(world, Stage.COMPLETE)
    world.orders = [
        Order(
            "ai",
            "sorter-train-1",
            "u",
            1,
            "ai/sorter",
            making=Making("sorter-train-1"),
            standing=Standing(Stage.TRAINING),
            trigger="Drift",
            created="2027-01-01T00:00:00Z",
        )
    ]
    world.settle()
    assert seen(world) == GreenState(
        blue_revisions=seen(world).blue_revisions,
        blue_urls=seen(world).blue_urls,
        blue_stays=True,
    )
    world.edit(source="file:///models/sorter-v3")
    world.settle()
    assert seen(world).superseded
    end(world, Stage.ABORTED)
    assert [one.name for one in world.orders if not one.ended] != []
