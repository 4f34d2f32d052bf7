"""The exact writes of the operator: what it asks of the API server, and when it asks nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from dispatchers import until
from fake_cluster import refuse
from observed import HUGE
from stage import Stage, node_body, pod_body, specialist_body, tier_body

from tierwise_core.errors import SourceNotFoundError
from tierwise_operator.cluster import ClusterError
from tierwise_operator.kinds import NODE, POD, SPECIALIST
from tierwise_operator.pruning import Pruner
from tierwise_operator.workqueue import Item

STATUS = "apply Specialist/status ai/sorter"


def deployment_of(stage: Stage, name: str = "sorter") -> dict[str, Any]:
    return next(
        body
        for (kind, _), body in stage.cluster.objects_by_key.items()
        if kind == "Deployment" and body["metadata"]["labels"]["tierwise.dev/specialist"] == name
    )


async def serve(stage: Stage, name: str = "sorter") -> None:
    """Bring a Specialist to the point where it serves."""
    stage.cluster.put(specialist_body(name))
    await stage.start()
    stage.cluster.put(pod_body(deployment_of(stage, name)))
    await stage.settle()


def conditions(stage: Stage, name: str = "sorter") -> dict[str, tuple[str, str]]:
    status = stage.cluster.find("Specialist", f"ai/{name}")["status"]
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


async def test_a_new_specialist_costs_one_deployment_one_service_and_one_status(
    stage: Stage,
) -> None:
    stage.cluster.put(specialist_body())
    writes = await stage.start()
    name = deployment_of(stage)["metadata"]["name"]
    assert sorted(writes) == [
        f"apply Deployment ai/{name}",
        "apply GPUTier/status h100",
        "apply GPUTier/status rtx-4090",
        "apply Service ai/sorter",
        STATUS,
    ]


async def test_children_come_before_the_status_that_speaks_of_them(stage: Stage) -> None:
    stage.cluster.put(specialist_body())
    writes = [w for w in await stage.start() if "GPUTier" not in w]
    assert [w.split()[1] for w in writes] == ["Deployment", "Service", "Specialist/status"]


async def test_the_status_names_only_what_the_operator_owns(stage: Stage) -> None:
    stage.cluster.put(specialist_body())
    await stage.start()
    body = stage.cluster.body_of(STATUS)
    assert body["metadata"] == {"name": "sorter", "namespace": "ai"}
    assert set(body) == {"apiVersion", "kind", "metadata", "status"}
    assert "performance" not in body["status"]


async def test_a_pod_that_becomes_ready_costs_its_status_and_the_tiers(stage: Stage) -> None:
    stage.cluster.put(specialist_body())
    await stage.start()
    stage.cluster.put(pod_body(deployment_of(stage)))
    assert sorted(await stage.settle()) == ["apply GPUTier/status rtx-4090", STATUS]
    assert conditions(stage)["Ready"] == ("True", "Ready")


async def test_a_restart_beside_a_converged_cluster_writes_nothing(stage: Stage) -> None:
    await serve(stage)
    stage.restart()
    assert await stage.start() == []
    assert stage.cluster.events == []


async def test_a_resync_of_a_converged_cluster_writes_nothing(stage: Stage) -> None:
    await serve(stage)
    await stage.operator.resync()
    assert await stage.settle() == []


async def test_the_echo_of_our_own_status_causes_no_pass(stage: Stage) -> None:
    await serve(stage)
    stage.operator.store.observe(SPECIALIST, stage.cluster.find("Specialist", "ai/sorter"))
    assert stage.operator.queue.idle


async def test_a_heartbeat_of_a_node_causes_no_pass(stage: Stage) -> None:
    await serve(stage)
    beat = node_body("n1", "rtx-4090", 4)
    beat["status"]["conditions"][0]["lastHeartbeatTime"] = "2026-03-01T12:00:10Z"
    stage.cluster.put(beat)
    assert stage.operator.queue.idle


async def test_pods_without_gpus_are_not_even_kept(stage: Stage) -> None:
    web = {
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"nodeName": "n1", "containers": [{"name": "web"}]},
    }
    stage.cluster.put(web)
    assert len(stage.operator.store.shelf(POD)) == 0


async def test_a_status_overwritten_by_somebody_is_put_right(stage: Stage) -> None:
    await serve(stage)
    body = stage.cluster.find("Specialist", "ai/sorter")
    stage.cluster.put({**body, "status": {"phase": "Broken"}})
    assert await stage.settle() == [STATUS]
    assert conditions(stage)["Ready"] == ("True", "Ready")


async def test_a_child_edited_by_hand_is_put_right_by_one_write(stage: Stage) -> None:
    await serve(stage)
    body = deployment_of(stage)
    spec = {**body["spec"], "replicas": 5}
    stage.cluster.put({**body, "spec": spec})
    writes = await stage.settle()
    assert writes == [f"apply Deployment ai/{body['metadata']['name']}"]
    assert deployment_of(stage)["spec"]["replicas"] == 1


async def test_a_child_that_loses_our_label_is_taken_back(stage: Stage) -> None:
    await serve(stage)
    body = deployment_of(stage)
    name = body["metadata"]["name"]
    body["metadata"]["labels"].pop("app.kubernetes.io/managed-by")
    stage.cluster.put(body)
    assert await stage.settle() == [f"apply Deployment ai/{name}"]


async def test_a_pass_that_comes_before_the_fleet_is_planned_anew_is_made_again(
    stage: Stage,
) -> None:
    """Workers run side by side: the Specialist's turn may come first."""
    await serve(stage)
    body = stage.cluster.find("Specialist", "ai/sorter")
    stage.cluster.forget_writes()
    image = {**body["spec"], "engine": {"image": "vllm:2"}}
    stage.cluster.put({**body, "spec": image})
    queue = stage.operator.queue
    fleet, specialist = queue.take(), queue.take()
    assert (fleet, specialist) == (Item("Fleet"), Item("Specialist", "ai/sorter"))
    for item in (specialist, fleet):
        assert item is not None
        await stage.operator._pass(item)
    await stage.operator.settle()
    assert [w.split()[1] for w in stage.cluster.writes] == ["Deployment", "Specialist/status"]


async def test_what_we_delete_is_forgotten_without_waiting_for_the_watch(stage: Stage) -> None:
    await serve(stage)
    old = deployment_of(stage)["metadata"]["name"]
    stage.cluster.told = lambda *_: None  # the watch is not open yet
    body = stage.cluster.find("Specialist", "ai/sorter")
    external = {"baseURL": "https://api.example.com/v1", "model": "m"}
    moved = {**body["spec"], "external": external}
    del moved["model"]
    stage.operator.store.observe(SPECIALIST, stage.cluster.put({**body, "spec": moved}))
    writes = await stage.settle()
    assert f"delete Deployment ai/{old}" in writes
    assert len(stage.operator.store.deployments) == 0
    await stage.operator.resync()
    assert await stage.settle() == []


async def test_a_deleted_specialist_is_forgotten_without_a_write(stage: Stage) -> None:
    await serve(stage)
    stage.cluster.remove(SPECIALIST, "ai/sorter")
    assert await stage.settle() == []


async def test_one_bad_object_disturbs_no_other(stage: Stage) -> None:
    bad = specialist_body("bad")
    bad["spec"]["placement"] = {"tiers": "not a list"}
    stage.cluster.put(bad)
    stage.cluster.put(specialist_body("worse", model={"source": "file:///models/gone"}))
    stage.library.models["file:///models/gone"] = SourceNotFoundError("spec.model.source: gone")
    stage.cluster.put(specialist_body())
    await stage.start()
    assert conditions(stage, "bad")["Ready"] == ("False", "InvalidSpec")
    assert conditions(stage, "worse")["Ready"] == ("False", "SourceNotFound")
    assert conditions(stage)["Placed"] == ("True", "Placed")


async def test_an_invalid_spec_names_the_field(stage: Stage) -> None:
    bad = specialist_body()
    bad["spec"]["placement"] = {"tiers": "not a list"}
    stage.cluster.put(bad)
    await stage.start()
    stalled, ready = stage.cluster.find("Specialist", "ai/sorter")["status"]["conditions"]
    assert (stalled["type"], stalled["status"]) == ("Stalled", "True")
    assert "spec.placement.tiers" in ready["message"]


async def test_an_unexpected_exception_is_told_on_the_object_and_retried(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = stage.operator.passes.executor._apply

    async def fail_for_sorter(action: Any) -> None:
        if action.name.startswith("sorter"):
            raise ZeroDivisionError("surprise")
        await real(action)

    monkeypatch.setattr(stage.operator.passes.executor, "_apply", fail_for_sorter)
    stage.cluster.put(specialist_body())
    stage.cluster.put(specialist_body("reverser"))
    await stage.start()
    assert conditions(stage)["Ready"] == ("False", "InternalError")
    assert conditions(stage, "reverser")["Placed"] == ("True", "Placed")
    assert stage.operator.queue.is_delayed(Item("Specialist", "ai/sorter"))


async def test_a_manifest_that_the_api_server_refuses_is_told_on_the_object(stage: Stage) -> None:
    stage.cluster.faults.append(
        refuse("apply Deployment", 422, 'Deployment is invalid: "x" is not allowed')
    )
    stage.cluster.put(specialist_body())
    await stage.start()
    assert conditions(stage)["Ready"] == ("False", "ApplyRejected")
    ready = stage.cluster.find("Specialist", "ai/sorter")["status"]["conditions"][-1]
    assert '"x" is not allowed' in ready["message"]


async def test_an_api_server_that_is_away_is_asked_again_and_nothing_is_lost(
    stage: Stage,
) -> None:
    stage.cluster.faults.append(refuse("apply", 0, "connection refused"))
    stage.cluster.put(specialist_body())
    await stage.start()
    stage.cluster.faults.clear()
    for name in ("ai/sorter",):
        stage.operator.queue.add(Item("Specialist", name))
    writes = await stage.settle()
    assert [w.split()[1] for w in writes] == ["Deployment", "Service", "Specialist/status"]


async def test_a_service_of_that_name_that_is_not_ours_is_never_taken_over(stage: Stage) -> None:
    stage.cluster.put(
        {
            "kind": "Service",
            "apiVersion": "v1",
            "metadata": {"name": "sorter", "namespace": "ai", "labels": {"app": "shop"}},
            "spec": {"selector": {"app": "shop"}},
        }
    )
    stage.cluster.put(specialist_body())
    await stage.start()
    assert "apply Service ai/sorter" not in stage.cluster.writes
    assert conditions(stage)["Ready"] == ("False", "NameTaken")


async def test_writes_of_a_specialist_deleted_meanwhile_are_no_error(stage: Stage) -> None:
    stage.cluster.put(specialist_body())
    stage.cluster.faults.append(refuse("Specialist/status", 404, "not found"))
    await stage.start()
    assert not stage.operator.queue.is_delayed(Item("Specialist", "ai/sorter"))


async def test_what_vanished_while_no_watch_was_open_is_pruned(stage: Stage) -> None:
    await serve(stage)
    del stage.cluster.objects_by_key["Node", "n2"]
    await stage.operator.resync()
    await stage.settle()
    assert stage.operator.store.shelf(NODE).get("n2") is None
    assert stage.cluster.find("GPUTier", "h100")["status"]["nodes"] == 0


async def test_what_a_new_listing_does_not_name_is_pruned_soon(stage: Stage) -> None:
    """A watch of nodes was lost: kopf lists them again, and only that kind is looked through."""
    await serve(stage)
    await stage.operator.resync()
    del stage.cluster.objects_by_key["Node", "n2"]
    stage.cluster.reads.clear()
    stage.operator.pruner.listed(NODE)
    stage.cluster.missing.add("Node")
    with pytest.raises(ClusterError):
        await stage.operator.pruner.prune_listed()
    stage.cluster.missing.clear()

    await stage.operator.pruner.prune_listed()

    await stage.settle()
    assert stage.operator.store.shelf(NODE).get("n2") is None
    assert stage.cluster.find("GPUTier", "h100")["status"]["nodes"] == 0
    assert stage.cluster.reads == ["list Node", "list Node"]


async def test_a_server_that_cannot_be_asked_for_names_is_asked_again(stage: Stage) -> None:
    await serve(stage)
    pruner = Pruner(stage.cluster, stage.operator.store, listing_s=0.0)
    await pruner.prune_all()
    del stage.cluster.objects_by_key["Node", "n2"]
    stage.cluster.missing.add("Node")
    stage.cluster.reads.clear()
    looking = asyncio.create_task(pruner.run())

    pruner.listed(NODE)

    await until(lambda: len(stage.cluster.reads) > 1)
    stage.cluster.missing.clear()
    await until(lambda: stage.operator.store.shelf(NODE).get("n2") is None)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)


async def test_the_listings_that_the_watches_begin_with_are_left_to_the_first_resync(
    stage: Stage,
) -> None:
    await serve(stage)
    stage.cluster.reads.clear()
    stage.operator.pruner.listed(NODE)

    await stage.operator.pruner.prune_listed()

    assert stage.cluster.reads == []


async def test_a_source_is_read_once_for_all_who_use_it(stage: Stage) -> None:
    for name in ("a", "b", "c"):
        stage.cluster.put(specialist_body(name, model={"source": "file:///models/shared"}))
    await stage.start()
    assert stage.library.reads == ["file:///models/shared"]


async def test_a_source_that_appears_later_is_found_by_the_resync(stage: Stage) -> None:
    stage.library.models["file:///models/sorter"] = SourceNotFoundError("not there")
    stage.cluster.put(specialist_body())
    await stage.start()
    del stage.library.models["file:///models/sorter"]
    stage.operator.readings.expire_failures()
    await stage.operator.resync()
    await stage.settle()
    assert conditions(stage)["Placed"] == ("True", "Placed")


async def test_a_new_tier_gives_room_to_who_waited_for_it(stage: Stage) -> None:
    stage.library.models["file:///models/sorter"] = HUGE
    stage.cluster.put(specialist_body(placement={"tensorParallel": 8}))
    await stage.start()
    assert conditions(stage)["Placed"] == ("False", "NoTierFits")
    stage.cluster.put(tier_body("b200", 180, 6.0))
    stage.cluster.put(node_body("n3", "b200", 8))
    await stage.settle()
    assert conditions(stage)["Placed"] == ("True", "Placed")


async def test_only_specialists_of_the_served_namespaces_are_touched(stage: Stage) -> None:
    stage.cluster.put(specialist_body())
    stage.restart(namespaces=("other",))
    assert [w for w in await stage.start() if "Specialist" in w] == []


async def test_events_tell_the_steps_and_the_troubles_once(stage: Stage) -> None:
    stage.cluster.put(specialist_body())
    await stage.start()
    first = [event for event in stage.cluster.events if "Matched" not in event]
    assert first == ["Normal RevisionStarted", "Normal Placed"]
    stage.cluster.put(pod_body(deployment_of(stage)))
    await stage.settle()
    assert stage.cluster.events == ["Normal PodsReady"]
    broken = pod_body(deployment_of(stage), ready=False)
    broken["status"]["containerStatuses"][0]["state"] = {
        "waiting": {"reason": "ImagePullBackOff", "message": "not found"}
    }
    stage.cluster.put(broken)
    await stage.settle()
    assert stage.cluster.events == ["Warning ImagePullFailed"]


async def test_an_event_that_cannot_be_written_stops_nothing(stage: Stage) -> None:
    stage.cluster.faults.append(refuse("create Event", 403, "forbidden"))
    stage.cluster.put(specialist_body())
    assert STATUS in await stage.start()


def leaving(name: str) -> dict[str, Any]:
    node = node_body(name, "rtx-4090", 4)
    node["spec"] = {"taints": [{"key": "tierwise.dev/leaving", "effect": "NoSchedule"}]}
    return node


async def test_a_node_about_to_go_costs_a_mark_a_deployment_and_a_status(stage: Stage) -> None:
    await serve(stage)
    name = deployment_of(stage)["metadata"]["name"]
    stage.cluster.put(node_body("n9", "rtx-4090", 4))
    await stage.settle()
    stage.cluster.put(leaving("n1"))
    writes = await stage.settle()
    assert [write for write in writes if "GPUTier" not in write] == [
        f"apply Pod ai/{name}-x",
        f"apply Deployment ai/{name}",
        STATUS,
    ]
    assert "Normal Moving" in stage.cluster.events


async def test_a_pod_that_went_before_it_was_marked_is_no_trouble(stage: Stage) -> None:
    await serve(stage)
    stage.cluster.put(node_body("n9", "rtx-4090", 4))
    stage.cluster.put(leaving("n1"))
    key = f"ai/{deployment_of(stage)['metadata']['name']}-x"
    del stage.cluster.objects_by_key["Pod", key]
    stage.cluster.faults.append(refuse("apply Pod", 403, "may not create pods"))
    await stage.settle()
    assert "ApplyRejected" not in {reason for _, reason in conditions(stage).values()}
