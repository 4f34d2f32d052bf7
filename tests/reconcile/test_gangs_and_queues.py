"""Replicas over several nodes by LeaderWorkerSet, and pods that Kueue admits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from observed import NOON, a_node, a_pod, a_specialist, a_tier
from stage import Stage, node_body, pod_body, specialist_body, tier_body

from tierwise_core.admission import Flavors, flavor_verdict, with_flavor
from tierwise_core.children import QUEUE, leader_worker_set, revise
from tierwise_core.engine import Layout
from tierwise_core.pod_health import serving, trouble
from tierwise_core.specialist import PlacementSpec, Specialist
from tierwise_core.tiers import TierSnapshot, decide_tier
from tierwise_operator.kinds import LEADER_WORKER_SET, RESOURCE_FLAVOR, WORKLOAD

LAYOUT = Layout(a_tier("h100"), 2, 8192, nodes=2)
GATE = ("kueue.x-k8s.io/admission",)


def spread() -> Specialist:
    return replace(a_specialist(), placement=PlacementSpec(nodes_per_replica=2, queue="research"))


def argument(args: list[str], flag: str) -> str:
    return args[args.index(flag) + 1]


def group(**tier: Any) -> dict[str, Any]:
    layout = LAYOUT.on(a_tier("h100", **tier), 2)
    return dict(leader_worker_set(spread(), revise(spread(), layout), 3))


def test_a_replica_over_two_nodes_is_a_group_of_a_leader_and_a_worker() -> None:
    body = group()
    assert (body["apiVersion"], body["kind"]) == ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet")
    assert body["spec"]["replicas"] == 3
    inner = body["spec"]["leaderWorkerTemplate"]
    assert (inner["size"], inner["restartPolicy"]) == (2, "RecreateGroupOnPodRestart")
    for part in ("leaderTemplate", "workerTemplate"):
        (engine,) = inner[part]["spec"]["containers"]
        assert argument(engine["args"], "--nnodes") == "2"
        assert argument(engine["args"], "--pipeline-parallel-size") == "2"
        assert argument(engine["args"], "--node-rank") == "$(LWS_WORKER_INDEX)"
        assert argument(engine["args"], "--master-addr") == "$(LWS_LEADER_ADDRESS)"
        assert engine["resources"]["limits"] == {"nvidia.com/gpu": "2"}


def test_a_worker_answers_nobody_and_no_service_selects_it() -> None:
    inner = group()["spec"]["leaderWorkerTemplate"]
    (engine,) = inner["workerTemplate"]["spec"]["containers"]
    assert engine["command"][-1] == "serve"
    assert engine["args"][0] == "/models/sorter"
    assert engine["args"][-1] == "--headless"
    assert not {"ports", "readinessProbe", "startupProbe", "livenessProbe"} & engine.keys()
    labels = inner["workerTemplate"]["metadata"]["labels"]
    assert "tierwise.dev/specialist" not in labels
    assert labels["tierwise.dev/worker-of"] == "sorter"


def test_with_a_queue_the_set_is_kueues_and_not_each_pod() -> None:
    body = group(kueue_resource_flavor="spot")
    assert body["metadata"]["labels"][QUEUE] == "research"
    inner = body["spec"]["leaderWorkerTemplate"]
    assert QUEUE not in inner["leaderTemplate"]["metadata"]["labels"]


def test_a_worker_that_runs_is_no_endpoint() -> None:
    assert serving([a_pod("r", ready=True, worker=True)]) == ()


def test_one_node_leaves_the_engine_as_it_was() -> None:
    template = revise(a_specialist(), Layout(a_tier(), 1, 8192)).template
    assert "--nnodes" not in template["spec"]["containers"][0]["args"]


def not_installed(stage: Stage) -> None:
    """The API server does not serve the kinds of the extensions."""
    stage.cluster.missing |= {LEADER_WORKER_SET.name, RESOURCE_FLAVOR.name, WORKLOAD.name}


def conditions(stage: Stage, kind: str = "Specialist", key: str = "ai/sorter") -> dict[str, Any]:
    return {c["type"]: c for c in stage.cluster.find(kind, key)["status"]["conditions"]}


async def two_nodes(stage: Stage) -> None:
    stage.cluster.put(
        specialist_body(placement={"nodesPerReplica": 2, "tensorParallel": 1, "tiers": ["h100"]})
    )


async def test_without_leaderworkerset_the_condition_says_what_to_install(stage: Stage) -> None:
    not_installed(stage)
    await two_nodes(stage)
    await stage.start()
    ready = conditions(stage)["Ready"]
    assert ready["reason"] == "LeaderWorkerSetMissing"
    assert "spec.placement.nodesPerReplica: 2 needs LeaderWorkerSet" in ready["message"]
    assert "lws.sigs.k8s.io/docs/installation" in ready["message"]
    assert [kind for kind, _ in stage.cluster.objects_by_key if kind == "Deployment"] == []


async def test_with_leaderworkerset_a_set_is_applied_once(stage: Stage) -> None:
    await two_nodes(stage)
    writes = await stage.start()
    (name,) = [write for write in writes if "LeaderWorkerSet" in write]
    assert name.startswith("apply LeaderWorkerSet ai/sorter-")
    assert not [write for write in writes if "Deployment" in write]
    await stage.operator.resync()
    assert await stage.settle() == []
    stage.restart()
    assert await stage.start() == []


async def test_the_leader_is_the_endpoint_of_its_group(stage: Stage) -> None:
    await two_nodes(stage)
    await stage.start()
    body = next(b for (k, _), b in stage.cluster.objects_by_key.items() if k == "LeaderWorkerSet")
    inner = body["spec"]["leaderWorkerTemplate"]
    for part, name in (("leaderTemplate", "sorter-0"), ("workerTemplate", "sorter-0-1")):
        stage.cluster.put(pod_body({**body, "spec": {"template": inner[part]}}, name))
    await stage.settle()
    status = stage.cluster.find("Specialist", "ai/sorter")["status"]
    assert [endpoint["pod"] for endpoint in status["endpoints"]] == ["sorter-0"]
    assert (status["replicas"], status["readyReplicas"]) == (1, 1)


def gated(pod: dict[str, Any]) -> dict[str, Any]:
    pod["spec"] = {**pod["spec"], "schedulingGates": [{"name": GATE[0]}]}
    del pod["spec"]["nodeName"]
    pod["metadata"]["uid"] = "uid-pod"
    pod["status"] = {"phase": "Pending", "conditions": []}
    return pod


async def queued(stage: Stage) -> dict[str, Any]:
    """A Specialist in a queue, with its one pod held back by Kueue."""
    stage.cluster.put(tier_body("rtx-4090", 24, 0.4, kueueResourceFlavor="spot"))
    stage.cluster.put(flavor("spot", {"gpu": "rtx-4090"}))
    stage.cluster.put(specialist_body(placement={"queue": "research", "tiers": ["rtx-4090"]}))
    await stage.start()
    body = next(b for (k, _), b in stage.cluster.objects_by_key.items() if k == "Deployment")
    stage.cluster.put(workload("uid-pod", "couldn't assign flavors: insufficient quota for gpu"))
    stage.cluster.put(gated(pod_body(body)))
    await stage.settle()
    return dict(body)


def flavor(name: str, labels: dict[str, str]) -> dict[str, Any]:
    return {"kind": "ResourceFlavor", "metadata": {"name": name}, "spec": {"nodeLabels": labels}}


def workload(uid: str, message: str) -> dict[str, Any]:
    refused = {"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": message}
    return {
        "kind": "Workload",
        "metadata": {
            "name": "pod-sorter",
            "namespace": "ai",
            "ownerReferences": [{"kind": "Pod", "uid": uid}],
        },
        "status": {"conditions": [refused]},
    }


async def test_pods_carry_the_queue_and_ask_for_the_flavors_nodes(stage: Stage) -> None:
    stage.cluster.put(flavor("spot", {"gpu": "rtx-4090", "capacity": "spot"}))
    stage.cluster.put(tier_body("rtx-4090", 24, 0.4, kueueResourceFlavor="spot"))
    node = node_body("n9", "rtx-4090", 4)
    node["metadata"]["labels"]["capacity"] = "spot"
    stage.cluster.put(node)
    stage.cluster.put(specialist_body(placement={"queue": "research", "tiers": ["rtx-4090"]}))
    await stage.start()
    body = next(b for (k, _), b in stage.cluster.objects_by_key.items() if k == "Deployment")
    template = body["spec"]["template"]
    assert template["metadata"]["labels"][QUEUE] == "research"
    assert body["metadata"]["labels"][QUEUE] == "research"
    assert template["spec"]["nodeSelector"] == {"gpu": "rtx-4090", "capacity": "spot"}
    assert stage.cluster.find("GPUTier", "rtx-4090")["status"]["nodes"] == 1


async def test_a_gated_pod_is_not_admitted_in_kueues_words_and_nothing_is_done(
    stage: Stage,
) -> None:
    await queued(stage)
    admitted = conditions(stage)["Admitted"]
    assert (admitted["status"], admitted["reason"]) == ("False", "NotAdmitted")
    assert admitted["message"] == (
        "1 of 1 pods wait in LocalQueue research: "
        "couldn't assign flavors: insufficient quota for gpu"
    )
    assert conditions(stage)["ServingReady"]["reason"] == "NotAdmitted"
    await stage.operator.resync()
    assert await stage.settle() == []


async def test_an_admitted_pod_turns_the_condition(stage: Stage) -> None:
    body = await queued(stage)
    stage.cluster.put(pod_body(body))
    await stage.settle()
    assert conditions(stage)["Admitted"]["status"] == "True"
    assert conditions(stage)["Ready"]["status"] == "True"


async def test_a_tier_whose_flavor_is_nowhere_says_so_and_goes_on(stage: Stage) -> None:
    not_installed(stage)
    stage.cluster.put(tier_body("rtx-4090", 24, 0.4, kueueResourceFlavor="spot"))
    await stage.start()
    told = conditions(stage, "GPUTier", "rtx-4090")
    assert told["FlavorResolved"]["reason"] == "KueueMissing"
    assert told["Ready"]["status"] == "True"


def test_a_flavor_that_contradicts_the_tier_is_named_with_both_values() -> None:
    tier = a_tier(kueue_resource_flavor="spot")
    flavors = Flavors({"spot": {"gpu": "h100"}})
    found = flavor_verdict(tier, flavors)
    assert found is not None
    assert found.reason == "FlavorContradicts"
    assert "gpu=rtx-4090 is h100 there" in found.message
    assert with_flavor(tier, flavors) == tier
    unknown = flavor_verdict(tier, Flavors({"other": {}}))
    assert unknown is not None
    assert unknown.message == (
        "spec.kueueResourceFlavor: 'spot' is no ResourceFlavor; there are 'other'"
    )


def test_a_gated_pod_is_no_unschedulable_one() -> None:
    found = trouble(a_pod("r", node="", gates=GATE, unschedulable="gated"), "vllm")
    assert found is not None
    assert found.reason == "NotAdmitted"


def test_a_tier_without_a_flavor_has_no_word_of_kueue() -> None:
    plan = decide_tier(TierSnapshot(a_tier(), (a_node("n1"),)), NOON)
    assert [c.type for c in plan.conditions] == ["NodesExclusive", "Ready"]
