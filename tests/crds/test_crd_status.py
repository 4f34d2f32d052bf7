"""Status and scale are written apart from spec, on a real API server."""

import json
from typing import Any

import pytest
from apiserver import ApiServer
from manifests import manifest

from tierwise_api import Specialist

pytestmark = pytest.mark.apiserver

READY = {
    "type": "Ready",
    "status": "True",
    "reason": "PodsReady",
    "message": "1 of 1",
    "lastTransitionTime": "2026-01-31T12:00:00Z",
}


def test_a_reported_specialist_shows_its_status(
    api_server: ApiServer, stored: dict[str, dict[str, Any]]
) -> None:
    status = {
        "conditions": [READY],
        "replicas": 1,
        "readyReplicas": 1,
        "placement": {"tier": "rtx-4090", "gpusPerReplica": 1, "usdPerHour": 0.4},
    }
    assert api_server.merge(stored["Specialist"], {"status": status}, subresource="status").accepted

    row = api_server.kubectl("get", "sp", "sorter", "--no-headers").split()

    assert row[:-1] == ["sorter", "sorting", "rtx-4090", "1", "1", "1", "True", "PodsReady", "0.4"]


def test_a_whole_status_is_stored_as_written(
    api_server: ApiServer, stored: dict[str, dict[str, Any]]
) -> None:
    status = {
        "observedGeneration": 1,
        "conditions": [READY],
        "phase": "Ready",
        "replicas": 1,
        "readyReplicas": 1,
        "selector": "tierwise.dev/specialist=sorter",
        "activeRevision": "5d8f7c9b",
        "placement": {
            "tier": "h100",
            "gpusPerReplica": 1,
            "tensorParallel": 1,
            "usdPerHour": 3.0,
            "memory": {
                "weightsBytes": 42_949_672_960,
                "kvCacheBytes": 8_589_934_592,
                "activationBytes": 1_073_741_824,
                "overheadBytes": 1_073_741_824,
                "totalBytesPerGPU": 53_687_091_200,
                "usableBytesPerGPU": 77_309_411_328,
                "headroomBytes": 23_622_320_128,
            },
            "tiers": [
                {
                    "tier": "h100",
                    "replicas": 1,
                    "readyReplicas": 1,
                    "gpusPerReplica": 1,
                    "tensorParallel": 1,
                    "usdPerHour": 3.0,
                }
            ],
            "lastMove": {
                "from": "rtx-4090",
                "to": "h100",
                "replicas": 1,
                "reason": "node n1 is gone",
                "time": "2026-01-31T12:00:00Z",
            },
            "rejected": [{"tier": "rtx-4090", "reason": "needs 50.0 GiB, 21.6 GiB usable"}],
        },
        "performance": {
            "kvCacheTokens": 20_000,
            "loadSeconds": 90.5,
            "estimateErrorPercent": -1.5,
            "measuredAt": "2026-01-31T12:00:00Z",
            "pods": 1,
        },
        "adapters": [{"name": "x", "state": "Loaded", "absentFrom": ["p"]}],
        "model": {"architecture": "LlamaForCausalLM", "parameters": 20_000_000_000},
        "endpoints": [{"url": "http://10.1.2.3:8000", "pod": "p", "revision": "5d8f7c9b"}],
    }

    answer = api_server.merge(stored["Specialist"], {"status": status}, subresource="status")

    assert answer.accepted, answer.body["message"]
    assert answer.body["status"] == status
    assert Specialist.from_cluster(answer.body).to_dict()["status"] == status


def test_scaling_sets_the_least_replicas(
    api_server: ApiServer, stored: dict[str, dict[str, Any]]
) -> None:
    api_server.kubectl("scale", "specialist", "sorter", "--replicas=3")

    assert api_server.get(stored["Specialist"]).body["spec"]["placement"]["replicas"] == {"min": 3}


def test_scaling_over_the_maximum_says_what_to_do(api_server: ApiServer) -> None:
    body = manifest(
        "Specialist", {"metadata.name": "bounded", "spec.placement.replicas": {"min": 1, "max": 2}}
    )
    assert api_server.create(body).accepted

    refused = api_server.try_kubectl("scale", "specialist", "bounded", "--replicas=5")

    assert refused.returncode != 0
    assert "raise max, lower min, or leave max out; got min 5 and max 2" in refused.stderr
    assert api_server.delete(body).accepted


def test_the_scale_subresource_reports_replicas_and_selector(
    api_server: ApiServer, stored: dict[str, dict[str, Any]]
) -> None:
    reported = {"replicas": 2, "selector": "tierwise.dev/specialist=sorter"}
    api_server.merge(stored["Specialist"], {"status": reported}, subresource="status")

    path = "/apis/tierwise.dev/v1alpha1/namespaces/default/specialists/sorter/scale"
    scale = json.loads(api_server.kubectl("get", "--raw", path))

    assert scale["spec"] == {"replicas": 1}
    assert scale["status"] == reported


def test_a_user_cannot_write_status_by_the_way(
    api_server: ApiServer, stored: dict[str, dict[str, Any]]
) -> None:
    body = stored["Specialist"]

    api_server.merge(body, {"status": {"replicas": 7}})

    assert "status" not in api_server.get(body).body


def test_writing_status_changes_neither_spec_nor_generation(
    api_server: ApiServer, stored: dict[str, dict[str, Any]]
) -> None:
    body = stored["Specialist"]
    before = api_server.get(body).body

    patch = {"spec": {"priority": 9}, "status": {"replicas": 1}}
    assert api_server.merge(body, patch, subresource="status").accepted

    after = api_server.get(body).body
    assert after["spec"] == before["spec"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["status"] == {"replicas": 1}


def test_two_writers_own_conditions_of_their_own(
    api_server: ApiServer, stored: dict[str, dict[str, Any]]
) -> None:
    for manager, kind in (("tierwise-operator", "Ready"), ("auditor", "Audited")):
        body = {
            "apiVersion": "tierwise.dev/v1alpha1",
            "kind": "Specialist",
            "metadata": {"name": "sorter", "namespace": "default"},
            "status": {"conditions": [READY | {"type": kind}]},
        }
        arguments = ("--server-side", "--subresource=status", f"--field-manager={manager}")
        api_server.kubectl("apply", *arguments, "-f", "-", stdin=json.dumps(body))

    status = api_server.get(stored["Specialist"]).body["status"]
    assert [condition["type"] for condition in status["conditions"]] == ["Ready", "Audited"]
