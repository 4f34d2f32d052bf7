"""From the API server's objects to what decisions read."""

from __future__ import annotations

from typing import Any

import pytest
from stage import node_body, pod_body, specialist_body, tier_body

from tierwise_core.fleet import Exit
from tierwise_operator import distill, distill_pods


def engine_pod(state: dict[str, Any], **status: Any) -> dict[str, Any]:
    deployment = {
        "metadata": {"name": "sorter-1", "namespace": "ai"},
        "spec": {
            "template": {
                "metadata": {
                    "labels": {
                        "tierwise.dev/specialist": "sorter",
                        "tierwise.dev/revision": "1",
                    }
                },
                "spec": {
                    "containers": [
                        {"name": "engine", "resources": {"limits": {"nvidia.com/gpu": "2"}}}
                    ]
                },
            }
        },
    }
    body = pod_body(deployment, ready=False)
    body["status"]["containerStatuses"] = [{"name": "engine", **state}]
    body["status"].update(status)
    return body


def test_a_pod_that_is_neither_ours_nor_holds_gpus_is_nothing() -> None:
    body = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "web"}]}}
    assert distill_pods.pod(body) is None


def test_limits_stand_in_for_requests_as_kubernetes_has_it() -> None:
    seen = distill_pods.pod(engine_pod({}))
    assert seen is not None
    assert seen.gpus == {"nvidia.com/gpu": 2}


def test_the_last_exit_of_a_crashing_engine_is_kept_while_it_starts_again() -> None:
    seen = distill_pods.pod(
        engine_pod(
            {
                "restartCount": 3,
                "state": {"running": {"startedAt": "2026-03-01T11:00:00Z"}},
                "lastState": {
                    "terminated": {"exitCode": 137, "reason": "OOMKilled", "message": "bye"}
                },
            }
        )
    )
    assert seen is not None
    assert seen.last_exit == Exit(137, "OOMKilled", "bye")
    assert (seen.restarts, seen.running_since) == (3, "2026-03-01T11:00:00Z")


def test_an_init_container_in_trouble_speaks_for_the_pod() -> None:
    stuck = {"name": "i", "state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}
    waiting = {"state": {"waiting": {"reason": "PodInitializing"}}}
    seen = distill_pods.pod(engine_pod(waiting, initContainerStatuses=[stuck]))
    assert seen is not None
    assert (seen.waiting_reason, seen.waiting_message) == ("ErrImagePull", "no")


def test_creating_a_container_is_no_trouble() -> None:
    seen = distill_pods.pod(engine_pod({"state": {"waiting": {"reason": "ContainerCreating"}}}))
    assert seen is not None
    assert seen.waiting_reason == ""


def test_the_schedulers_words_are_kept() -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/2 nodes",
    }
    seen = distill_pods.pod(engine_pod({}, conditions=[condition]))
    assert seen is not None
    assert seen.unschedulable == "0/2 nodes"


def test_init_containers_and_sidecars_count_as_the_scheduler_counts_them() -> None:
    def gpus(count: int, **more: str) -> dict[str, Any]:
        return {"resources": {"requests": {"nvidia.com/gpu": str(count)}}, **more}

    spec = {
        "containers": [gpus(1), gpus(1)],
        "initContainers": [gpus(4), gpus(1, restartPolicy="Always")],
    }
    assert distill_pods.requested_gpus(spec) == {"nvidia.com/gpu": 4}


def test_a_tier_takes_what_it_leaves_out_from_the_catalogue() -> None:
    body = tier_body("t", 24, 0.4)
    body["spec"]["gpu"] = {"product": "NVIDIA-GeForce-RTX-4090"}
    del body["spec"]["nodeSelector"]
    seen = distill.gpu_tier(body)
    assert seen.memory_bytes is not None
    assert seen.memory_text == "24.0 GiB"
    assert seen.node_selector == {"nvidia.com/gpu.product": "NVIDIA-GeForce-RTX-4090"}


def test_a_gpu_the_catalogue_does_not_know_has_no_memory() -> None:
    body = tier_body("t", 24, 0.4)
    body["spec"]["gpu"] = {"product": "Abacus-9000"}
    assert distill.gpu_tier(body).memory_bytes is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"placement": {"tiers": "h100"}}, "spec.placement.tiers"),
        ({"model": None}, "exactly one of model"),
        ({"field": 7}, "spec.field"),
    ],
)
def test_a_specialist_that_makes_no_sense_says_where(change: dict[str, Any], words: str) -> None:
    seen = distill.specialist(specialist_body(**change))
    assert seen.invalid is not None
    assert words in seen.invalid


def test_a_specialist_of_a_newer_version_is_read_without_its_new_fields() -> None:
    seen = distill.specialist(specialist_body(brandNew={"x": 1}))
    assert seen.invalid is None


def test_a_status_that_makes_no_sense_does_not_spoil_the_spec() -> None:
    body = {**specialist_body(), "status": {"conditions": "none", "replicas": "many"}}
    assert distill.specialist(body).invalid is None


def test_a_node_keeps_extended_resources_and_what_keeps_pods_away() -> None:
    body = node_body("n1", "h100", 2)
    body["spec"] = {"unschedulable": True, "taints": [{"key": "k", "effect": "NoExecute"}]}
    seen = distill.node(body)
    assert seen.gpus == {"nvidia.com/gpu": 2}
    assert (seen.ready, seen.cordoned) == (True, True)
    assert seen.taints[0].effect == "NoExecute"


def test_a_child_without_labels_still_belongs_to_its_owner() -> None:
    body = {
        "metadata": {
            "name": "d",
            "namespace": "ai",
            "ownerReferences": [{"kind": "Specialist", "name": "sorter"}],
        },
        "spec": {"replicas": 2},
    }
    assert distill.child("Deployment", body).specialist == "sorter"
