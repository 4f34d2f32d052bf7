"""The pod of a Specialist that takes adapters: room for them, their files, and no list of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from observed import a_specialist, a_tier, live_child, rendered

from tierwise_core.delivery import Delivery
from tierwise_core.engine import Layout
from tierwise_core.lasting import lasting
from tierwise_core.model_metadata import AdapterLimits
from tierwise_core.plan import Apply

LAYOUT = Layout(a_tier(), tensor_parallel=1, context_length_tokens=256)
A = ("a", "file:///models/adapters/a")
B = ("b", "file:///models/adapters/b")


def revision(**changes: Any) -> str:
    return rendered(a_specialist(**changes), LAYOUT, 1).revision


def pod_spec(**changes: Any) -> dict[str, Any]:
    made = rendered(a_specialist(**changes), LAYOUT, 1)
    spec: dict[str, Any] = made.manifest["spec"]["template"]["spec"]
    return spec


def engine(**changes: Any) -> dict[str, Any]:
    container: dict[str, Any] = pod_spec(**changes)["containers"][0]
    return container


def mounted(**changes: Any) -> list[str]:
    return [mount["mountPath"] for mount in engine(**changes)["volumeMounts"]]


def test_a_base_alone_takes_no_adapters() -> None:
    container = engine()
    assert "--enable-lora" not in container["args"]
    names = {variable["name"] for variable in container["env"]}
    assert "VLLM_ALLOW_RUNTIME_LORA_UPDATING" not in names


def test_the_engine_is_told_its_room_and_no_adapter() -> None:
    container = engine(adapters=[A], adapter_limits=AdapterLimits(max_rank=32, max_loaded=3))
    args = container["args"]
    at = args.index("--enable-lora")
    assert args[at + 1 : at + 7] == [
        *("--max-lora-rank", "32"),
        *("--max-loras", "3"),
        *("--max-cpu-loras", "6"),
    ]
    assert "--lora-modules" not in args
    assert {"name": "VLLM_ALLOW_RUNTIME_LORA_UPDATING", "value": "True"} in container["env"]


def test_an_adapter_that_comes_goes_or_changes_its_source_keeps_the_revision() -> None:
    prepared = revision(adapter_limits=AdapterLimits())
    assert revision(adapters=[A]) == prepared
    assert revision(adapters=[A, B]) == prepared
    assert revision(adapters=[("a", B[1])]) == prepared


def test_other_limits_are_another_revision() -> None:
    small, large = (revision(adapters=[A], adapter_limits=AdapterLimits(r)) for r in (16, 64))
    assert len({small, large, revision()}) == 3


def test_the_directory_around_the_model_is_mounted_once() -> None:
    assert mounted(adapters=[A, B]) == ["/dev/shm", "/models/sorter", "/models"]  # noqa: S108


def test_an_adapter_from_elsewhere_brings_its_directory() -> None:
    paths = mounted(adapters=[A, ("c", "file:///srv/adapters/c")])
    assert paths[-2:] == ["/models", "/srv/adapters"]


def test_the_disk_itself_is_never_mounted() -> None:
    assert "/" not in mounted(source="file:///sorter", adapters=[("a", "file:///a")])


def test_a_directory_that_is_missing_fails_the_adapter_and_not_the_pod() -> None:
    volumes = {volume["name"]: volume for volume in pod_spec(adapters=[A])["volumes"]}
    (name,) = [name for name in volumes if name.startswith("adapters-")]
    assert volumes[name]["hostPath"] == {"path": "/models", "type": "DirectoryOrCreate"}


def test_a_claim_is_mounted_whole_for_all_its_adapters() -> None:
    adapters = [("a", "pvc://store/x/a"), ("b", "pvc://store/y/b")]
    spec = pod_spec(source="pvc://models/sorter", adapters=adapters)
    claims = [v["persistentVolumeClaim"]["claimName"] for v in spec["volumes"][-2:]]
    assert claims == ["models", "store"]
    mounts = [m["mountPath"] for m in spec["containers"][0]["volumeMounts"]]
    assert mounts[-2:] == ["/mnt/tierwise/claims/models", "/mnt/tierwise/claims/store"]


def fetching_spec(**changes: Any) -> dict[str, Any]:
    delivery = Delivery(image="tierwise-operator:1", insecure_registries=("registry:5000",))
    layout = replace(LAYOUT, hf_endpoint="https://hub.local", delivery=delivery)
    found = rendered(a_specialist(**changes), layout)
    spec: dict[str, Any] = found.manifest["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("source", ["hf://acme/lora", "s3://bucket/lora", "oci://ghcr.io/a/b:1"])
def test_an_adapter_of_the_network_is_fetched_beside_the_engine(source: str) -> None:
    spec = fetching_spec(adapters=[("a", source)])
    (fetcher,) = spec["initContainers"]
    assert (fetcher["name"], fetcher["restartPolicy"]) == ("adapters", "Always")
    assert fetcher["command"] == ["python", "-m", "tierwise_operator.weights"]
    assert fetcher["args"][:3] == ["adapters", "--to", "/mnt/tierwise/adapters"]
    assert fetcher["args"][-2:] == ["--insecure-registry", "registry:5000"]
    assert {"name": "HF_ENDPOINT", "value": "https://hub.local"} in fetcher["env"]
    assert {"name": "adapters", "emptyDir": {}} in spec["volumes"]
    mount = {"name": "adapters", "mountPath": "/mnt/tierwise/adapters", "readOnly": True}
    engine_container = spec["containers"][0]
    assert mount in engine_container["volumeMounts"]
    assert {"name": "HF_HUB_OFFLINE", "value": "1"} in engine_container["env"]


def test_the_next_adapter_of_the_network_keeps_the_pod() -> None:
    one = fetching_spec(adapters=[("a", "hf://acme/lora")])
    assert fetching_spec(adapters=[("a", "hf://acme/lora"), ("b", "s3://bucket/b")]) == one
    assert fetching_spec(adapters=[A]) != one


def test_a_new_version_of_the_operator_keeps_the_pods_with_the_image_they_began_with() -> None:
    specialist = a_specialist(adapters=[("a", "hf://acme/lora")])
    before = replace(LAYOUT, delivery=Delivery(image="operator:1"))
    after = replace(LAYOUT, delivery=Delivery(image="operator:2"))
    manifest = rendered(specialist, before).manifest
    name = manifest["metadata"]["name"]
    child = live_child(Apply("Deployment", "ai", name, manifest, exists=True, reason=""))
    assert lasting(specialist, after, [child]) == before


def test_adapters_that_are_mounted_need_no_container_beside() -> None:
    assert "initContainers" not in fetching_spec(adapters=[A])


def test_a_source_that_is_none_does_not_hold_up_the_pod() -> None:
    assert revision(adapters=[A, ("x", "file:///models/../x")]) == revision(adapters=[A])
