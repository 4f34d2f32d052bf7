"""The pod that runs vLLM: what each part of the spec becomes."""

from __future__ import annotations

from typing import Any

import pytest
from observed import a_specialist, a_tier, rendered
from stage import specialist_body

from tierwise_core.children import common_labels, service
from tierwise_core.engine import Layout
from tierwise_core.errors import UnsupportedSourceError
from tierwise_core.revision import deployment_name, dns_label, label_value
from tierwise_core.strategic_merge import PodTemplateError
from tierwise_operator import distill

LAYOUT = Layout(a_tier(), tensor_parallel=2, context_length_tokens=8192)


def pod_spec(layout: Layout = LAYOUT, **changes: Any) -> dict[str, Any]:
    made = rendered(a_specialist(**changes), layout, 1)
    spec: dict[str, Any] = made.manifest["spec"]["template"]["spec"]
    return spec


def engine(layout: Layout = LAYOUT, **changes: Any) -> dict[str, Any]:
    container: dict[str, Any] = pod_spec(layout, **changes)["containers"][0]
    return container


def argument(args: list[str], flag: str) -> str:
    return args[args.index(flag) + 1]


def test_the_engine_is_told_model_names_port_context_and_parallelism() -> None:
    args = engine()["args"]
    assert argument(args, "--model") == "/models/sorter"
    at = args.index("--served-model-name")
    assert args[at + 1 : at + 3] == ["sorter", "ai/sorter"]
    assert argument(args, "--port") == "8000"
    assert argument(args, "--max-model-len") == "8192"
    assert argument(args, "--tensor-parallel-size") == "2"
    assert argument(args, "--gpu-memory-utilization") == "0.9"


def test_the_engine_may_use_no_more_than_sizing_assumed() -> None:
    args = engine()["args"]
    assert argument(args, "--max-num-seqs") == "256"
    assert argument(args, "--max-num-batched-tokens") == "8192"


def test_the_users_arguments_come_last_and_so_win() -> None:
    assert engine(args=["--enforce-eager", "--max-num-seqs=4"])["args"][-2:] == [
        "--enforce-eager",
        "--max-num-seqs=4",
    ]


def test_the_gpus_are_requested_under_the_tiers_resource_name() -> None:
    layout = Layout(a_tier(resource_name="nvidia.com/mig-1g.10gb"), 1)
    expected = {"nvidia.com/mig-1g.10gb": "1"}
    assert engine(layout)["resources"] == {"requests": expected, "limits": expected}


def test_the_pod_goes_to_the_tiers_nodes_and_tolerates_their_taints() -> None:
    tolerations = ({"key": "gpu", "operator": "Exists"},)
    spec = pod_spec(Layout(a_tier(tolerations=tolerations), 1))
    assert spec["nodeSelector"] == {"gpu": "rtx-4090"}
    assert spec["tolerations"] == [{"key": "gpu", "operator": "Exists"}]


def test_no_probe_kills_a_pod_that_loads_for_hours() -> None:
    container = engine()
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 6 * 3600
    liveness = container["livenessProbe"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 180


def test_a_stopping_pod_has_time_to_leave_the_endpoints_and_to_drain() -> None:
    spec = pod_spec()
    container = spec["containers"][0]
    sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = int(argument(container["args"], "--shutdown-timeout"))
    assert spec["terminationGracePeriodSeconds"] > sleep + drain


def test_the_pod_has_no_token_no_service_variables_and_no_privileges() -> None:
    spec = pod_spec()
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"] is False
    assert {"name": "shm", "emptyDir": {"medium": "Memory"}} in spec["volumes"]


def test_a_directory_of_the_node_is_mounted_read_only_at_the_same_path() -> None:
    spec = pod_spec(source="file:///models/sorter")
    path = {"path": "/models/sorter", "type": "Directory"}
    assert {"name": "weights", "hostPath": path} in spec["volumes"]
    mount = {"name": "weights", "mountPath": "/models/sorter", "readOnly": True}
    assert mount in spec["containers"][0]["volumeMounts"]
    assert {"name": "HF_HUB_OFFLINE", "value": "1"} in spec["containers"][0]["env"]


def test_a_repository_of_the_hub_has_revision_cache_token_and_mirror() -> None:
    layout = Layout(a_tier(), 1, hf_endpoint="https://hub.local")
    spec = pod_spec(layout, source="hf://acme/llama", model_revision="v1")
    container = spec["containers"][0]
    assert argument(container["args"], "--model") == "acme/llama"
    assert argument(container["args"], "--revision") == "v1"
    names = {variable["name"]: variable for variable in container["env"]}
    assert names["HF_ENDPOINT"]["value"] == "https://hub.local"
    assert names["HF_TOKEN"]["valueFrom"]["secretKeyRef"]["optional"] is True
    assert "HF_HUB_OFFLINE" not in names
    assert {"name": "model-cache", "emptyDir": {}} in spec["volumes"]


def test_a_claim_is_mounted_and_the_rest_of_the_source_is_a_path_in_it() -> None:
    spec = pod_spec(source="pvc://models/llama/8b")
    claim = {"claimName": "models", "readOnly": True}
    assert {"name": "weights", "persistentVolumeClaim": claim} in spec["volumes"]
    assert argument(spec["containers"][0]["args"], "--model") == "/mnt/tierwise/weights/llama/8b"


def test_the_users_environment_wins_over_ours() -> None:
    env = engine(env=[{"name": "HF_HUB_OFFLINE", "value": "0"}])["env"]
    assert [v["value"] for v in env if v["name"] == "HF_HUB_OFFLINE"] == ["0"]


def test_the_users_patch_has_the_last_word_but_not_on_our_labels() -> None:
    patch = {
        "metadata": {"labels": {"tierwise.dev/specialist": "stolen", "team": "a"}},
        "spec": {"containers": [{"name": "engine", "command": ["vllm", "serve"]}]},
    }
    made = rendered(a_specialist(pod_template=patch), LAYOUT, 1)
    template = made.manifest["spec"]["template"]
    assert template["metadata"]["labels"]["tierwise.dev/specialist"] == "sorter"
    assert template["metadata"]["labels"]["team"] == "a"
    assert template["spec"]["containers"][0]["command"] == ["vllm", "serve"]


def test_a_patch_that_removes_the_engine_is_refused() -> None:
    patch = {"spec": {"containers": [{"name": "engine", "$patch": "delete"}]}}
    with pytest.raises(PodTemplateError, match="must keep the container named 'engine'"):
        rendered(a_specialist(pod_template=patch), LAYOUT, 1)


def test_a_source_that_is_none_is_refused_with_the_forms_there_are() -> None:
    with pytest.raises(UnsupportedSourceError, match="file:///path"):
        pod_spec(source="ftp://models")


def test_selector_labels_and_revision_agree() -> None:
    made = rendered(a_specialist(), LAYOUT, 3)
    body = made.manifest
    labels = body["spec"]["template"]["metadata"]["labels"]
    assert body["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert labels["tierwise.dev/revision"] == made.revision
    assert body["metadata"]["name"] == f"sorter-{made.revision}"
    assert body["spec"]["replicas"] == 3


def test_children_belong_to_the_specialist() -> None:
    for body in (rendered(a_specialist(), LAYOUT, 1).manifest, service(a_specialist())):
        (owner,) = body["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == (
            "Specialist",
            "uid-sorter",
            True,
        )


def test_the_service_sends_port_80_to_the_engines_port() -> None:
    body = service(a_specialist())
    assert body["spec"]["selector"] == {"tierwise.dev/specialist": "sorter"}
    assert body["spec"]["ports"] == [{"name": "http", "port": 80, "targetPort": "http"}]


def test_long_names_stay_valid_and_distinct() -> None:
    long, longer = "a" * 62 + "b", "a" * 62 + "c"
    assert len(dns_label(long, 40)) <= 40
    assert deployment_name(long, "12345678") != deployment_name(longer, "12345678")
    assert len(deployment_name(long, "12345678")) + 17 <= 63
    assert len(label_value("x" * 200)) <= 63
    assert common_labels(a_specialist(long))["tierwise.dev/specialist"] == long


def test_a_specialist_from_the_wire_renders() -> None:
    body = specialist_body(
        engine={"env": [{"name": "A", "value": "1"}], "args": ["--x"]},
        placement={"replicas": {"min": 2, "max": 4}, "tiers": ["h100"]},
        model={"source": "hf://a/b", "adapters": [{"name": "l", "source": "hf://a/l"}]},
    )
    seen = distill.specialist({**body, "metadata": {**body["metadata"], "uid": "u"}})
    assert seen.invalid is None
    assert seen.placement.min_replicas == 2
    assert rendered(seen, LAYOUT, 2).manifest["spec"]["replicas"] == 2
