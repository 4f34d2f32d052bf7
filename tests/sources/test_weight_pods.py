"""Engine pods whose model is fetched first: what is rendered, and what conditions tell of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fake_cluster import FakeCluster
from observed import NOON, World, a_pod, a_specialist, a_tier, live_child, rendered
from stage import Library, an_operator, node_body, specialist_body, tier_body

from tierwise_core.delivery import Delivery
from tierwise_core.engine import Layout
from tierwise_core.errors import UnsupportedSourceError
from tierwise_core.fleet import Exit
from tierwise_core.lasting import lasting
from tierwise_core.load import loading
from tierwise_core.plan import Apply
from tierwise_core.pod_health import trouble
from tierwise_core.specialist import Specialist
from tierwise_operator import distill_pods

IMAGE = "operator:1"
ALONE = Delivery(image=IMAGE, s3_endpoint="http://minio:9000", insecure_registries=("reg:5000",))
ON_NODE = replace(
    ALONE, cache="Node", cache_path="/var/lib/w", cache_max_bytes=10**12, run_as_user=0
)
IN_CLAIM = replace(ALONE, cache="Claim", cache_claim="weights")


def a_model(source: str, **changes: Any) -> Specialist:
    specialist = a_specialist(source=source, **changes)
    assert specialist.model is not None
    return replace(specialist, model=replace(specialist.model, secret_name="store"))


def pod_spec(source: str, delivery: Delivery, **changes: Any) -> dict[str, Any]:
    layout = Layout(a_tier(), 1, hf_endpoint="https://hub.local", delivery=delivery)
    made = rendered(a_model(source, **changes), layout)
    spec: dict[str, Any] = made.manifest["spec"]["template"]["spec"]
    return spec


def fetcher(source: str, delivery: Delivery, **changes: Any) -> dict[str, Any]:
    (container,) = pod_spec(source, delivery, **changes)["initContainers"]
    assert container["name"] == "weights"
    return dict(container)


def env(container: dict[str, Any]) -> dict[str, Any]:
    return {
        variable["name"]: variable.get("value")
        or (
            variable["valueFrom"]["secretKeyRef"]["name"],
            variable["valueFrom"]["secretKeyRef"]["key"],
        )
        for variable in container["env"]
    }


@pytest.mark.parametrize("source", ["s3://models/llama", "oci://reg:5000/acme/llama:v1"])
def test_without_a_cache_an_init_container_fetches_into_the_pod(source: str) -> None:
    spec = pod_spec(source, ALONE)
    container, engine = spec["initContainers"][0], spec["containers"][0]
    assert container["args"][:4] == ["fetch", source, "--to", "/mnt/tierwise/weights/model"]
    assert "restartPolicy" not in container
    assert "--cache" not in container["args"]
    at = engine["args"].index("--model")
    assert engine["args"][at + 1] == "/mnt/tierwise/weights/model"
    assert "--revision" not in engine["args"]
    assert "--load-format" not in engine["args"]
    mount = {"name": "weights", "mountPath": "/mnt/tierwise/weights"}
    assert mount in container["volumeMounts"]
    assert {**mount, "readOnly": True} in engine["volumeMounts"]
    assert {"name": "weights", "emptyDir": {}} in spec["volumes"]


def test_with_a_cache_a_sidecar_holds_the_lease_for_the_life_of_the_pod() -> None:
    container = fetcher("s3://models/llama", ON_NODE)
    assert container["restartPolicy"] == "Always"
    assert container["startupProbe"]["exec"]["command"] == [
        "test",
        "-d",
        "/mnt/tierwise/weights/model/",
    ]
    assert container["args"][4:9] == [
        "--cache",
        "/mnt/tierwise/cache",
        "--hold",
        "--max-bytes",
        "1000000000000",
    ]
    assert container["securityContext"]["runAsUser"] == 0


@pytest.mark.parametrize(
    ("delivery", "volume"),
    [
        (ON_NODE, {"hostPath": {"path": "/var/lib/w", "type": "DirectoryOrCreate"}}),
        (IN_CLAIM, {"persistentVolumeClaim": {"claimName": "weights"}}),
    ],
)
def test_the_cache_is_seen_by_the_engine_and_written_by_the_fetcher_alone(
    delivery: Delivery, volume: dict[str, Any]
) -> None:
    spec = pod_spec("hf://acme/llama", delivery)
    mount = {"name": "weight-cache", "mountPath": "/mnt/tierwise/cache"}
    assert {"name": "weight-cache", **volume} in spec["volumes"]
    assert mount in spec["initContainers"][0]["volumeMounts"]
    assert {**mount, "readOnly": True} in spec["containers"][0]["volumeMounts"]


def test_a_model_of_the_hub_is_fetched_when_there_is_a_cache_and_else_left_to_the_engine() -> None:
    cached = pod_spec("hf://acme/llama", ON_NODE, model_revision="v1")
    assert cached["initContainers"][0]["args"][1:4] == ["hf://acme/llama", "--revision", "v1"]
    assert {"name": "HF_HUB_OFFLINE", "value": "1"} in cached["containers"][0]["env"]
    alone = pod_spec("hf://acme/llama", ALONE)
    assert "initContainers" not in alone
    token = next(v for v in alone["containers"][0]["env"] if v["name"] == "HF_TOKEN")
    reference = token["valueFrom"]["secretKeyRef"]
    assert reference == {"name": "store", "key": "HF_TOKEN", "optional": True}


def test_credentials_reach_the_fetcher_and_not_the_engine() -> None:
    assert env(fetcher("s3://models/llama", ALONE)) == {
        "AWS_ACCESS_KEY_ID": ("store", "AWS_ACCESS_KEY_ID"),
        "AWS_SECRET_ACCESS_KEY": ("store", "AWS_SECRET_ACCESS_KEY"),
        "AWS_SESSION_TOKEN": ("store", "AWS_SESSION_TOKEN"),
        "AWS_REGION": ("store", "AWS_REGION"),
        "AWS_ENDPOINT_URL": ("store", "AWS_ENDPOINT_URL"),
        "TIERWISE_S3_ENDPOINT": "http://minio:9000",
    }
    assert env(fetcher("oci://reg:5000/x/y:1", ALONE)) == {
        "TIERWISE_DOCKER_CONFIG_JSON": ("store", ".dockerconfigjson")
    }
    assert env(fetcher("hf://acme/llama", ON_NODE)) == {
        "HF_ENDPOINT": "https://hub.local",
        "HF_TOKEN": ("store", "HF_TOKEN"),
    }
    engine = pod_spec("s3://models/llama", ALONE)["containers"][0]
    assert not any(v["name"].startswith("AWS") for v in engine["env"])


def test_an_insecure_registry_is_named_to_the_fetcher() -> None:
    args = fetcher("oci://reg:5000/x/y:1", ALONE)["args"]
    assert args[args.index("--insecure-registry") + 1] == "reg:5000"


def test_the_fetcher_has_no_privileges() -> None:
    context = fetcher("s3://models/llama", ALONE)["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert "runAsUser" not in context


def test_an_operator_without_an_image_says_so() -> None:
    with pytest.raises(UnsupportedSourceError, match=r"set the chart's weights\.image"):
        pod_spec("s3://models/llama", Delivery())


@pytest.mark.parametrize("changed", [{}, {"args": ["--enforce-eager"]}])
def test_a_new_operator_restarts_nobody_for_the_image_that_fetches(changed: Any) -> None:
    before = Layout(a_tier(), 1, delivery=ON_NODE)
    after = replace(before, delivery=replace(ON_NODE, image="operator:2"))
    old = rendered(a_model("s3://models/llama"), before)
    metadata = old.manifest["metadata"]
    applied = Apply(
        "Deployment", metadata["namespace"], metadata["name"], old.manifest, exists=True, reason=""
    )
    children = (live_child(applied),)
    wanted = a_model("s3://models/llama", **changed)
    kept = lasting(wanted, after, children)
    assert kept.delivery.image == ("operator:2" if changed else IMAGE)
    assert (rendered(wanted, kept).revision == old.revision) is not bool(changed)


# What conditions tell.


def a_fetching_pod(fetch: dict[str, Any], *, sidecar: bool = True) -> dict[str, Any]:
    policy = {"restartPolicy": "Always"} if sidecar else {}
    waiting = {"name": "engine", "state": {"waiting": {"reason": "PodInitializing"}}}
    return {
        "metadata": {"name": "p", "labels": {"tierwise.dev/specialist": "sorter"}},
        "spec": {"nodeName": "n1", "initContainers": [{"name": "weights", **policy}]},
        "status": {
            "initContainerStatuses": [{"name": "weights", **fetch}],
            "containerStatuses": [waiting],
        },
    }


RUNNING = {"state": {"running": {"startedAt": "2026-03-01T11:00:00Z"}}}


@pytest.mark.parametrize(
    ("fetch", "sidecar", "since"),
    [
        ({**RUNNING, "started": False}, True, "2026-03-01T11:00:00Z"),
        ({**RUNNING, "started": True}, True, ""),
        ({**RUNNING, "started": True}, False, "2026-03-01T11:00:00Z"),
        ({"state": {"terminated": {"exitCode": 0}}}, False, ""),
    ],
)
def test_a_pod_fetches_until_the_model_is_there(
    fetch: dict[str, Any], *, sidecar: bool, since: str
) -> None:
    seen = distill_pods.pod(a_fetching_pod(fetch, sidecar=sidecar))
    assert seen is not None
    assert (seen.fetching_since, seen.running_since) == (since, "")


def test_the_last_words_of_a_fetch_are_kept_while_it_is_tried_again() -> None:
    words = {"exitCode": 1, "message": "CacheFull: no room"}
    for state in (RUNNING["state"], {"waiting": {"reason": "CrashLoopBackOff"}}):
        fetch = {"state": state, "lastState": {"terminated": words}, "restartCount": 2}
        seen = distill_pods.pod(a_fetching_pod(fetch))
        assert seen is not None
        assert seen.fetch_exit == Exit(1, "", "CacheFull: no room")
        assert seen.last_exit is None


def told(**pod: Any) -> tuple[str, str, str]:
    """The condition WeightsReady for a Specialist whose one pod is so."""
    world = World([a_specialist()])
    first = world.look()
    deployment = next(a for a in first.actions if a.kind == "Deployment")
    world.deployments = [live_child(deployment)]  # type: ignore[arg-type]
    revision = world.deployments[0].revision
    world.pods = [a_pod(revision, ready=False, ip="", **pod)]
    found = next(c for c in world.look().conditions if c.type == "WeightsReady")
    return found.status, found.reason, found.message


def test_a_fetch_under_way_is_told_with_the_command_that_shows_it() -> None:
    status, reason, message = told(fetching_since="2026-03-01T11:00:00Z")
    assert (status, reason) == ("False", "CacheFetching")
    assert "kubectl logs" in message
    assert "-c weights tells how far it is" in message


@pytest.mark.parametrize(
    ("words", "reason", "said"),
    [
        ("CacheCorrupt: model.safetensors: its source promises", "CacheCorrupt", "its source"),
        ("SourceUnauthorized: refuses it", "SourceUnauthorized", "refuses it"),
        ("Traceback: out of luck\n", "LoadFailed", "could not be fetched: Traceback"),
        ("", "LoadFailed", "could not be fetched: exit code 1"),
    ],
)
def test_a_fetch_that_failed_is_told_in_its_own_words(words: str, reason: str, said: str) -> None:
    found = told(fetch_exit=Exit(1, "Error", words), restarts=2, waiting_reason="CrashLoopBackOff")
    assert found[:2] == ("False", reason)
    assert said in found[2]
    assert "tried 3 times" in found[2]


def test_an_image_that_cannot_be_pulled_names_the_chart_s_value() -> None:
    pod = a_pod("r", waiting_reason="ErrImagePull", held_up_by="weights")
    found = trouble(pod, "vllm")
    assert found is not None
    assert found.reason == "ImagePullFailed"
    assert "weights.image" in found.message


def test_a_pod_that_fetches_counts_as_loading_and_is_not_scaled_away() -> None:
    assert loading([a_pod("r", fetching_since="2026-03-01T11:00:00Z")], "vllm") == 1


async def test_a_manifest_with_a_bucket_and_a_secret_becomes_a_pod_that_fetches() -> None:
    cluster = FakeCluster()
    model = {"source": "s3://models/llama", "secretRef": {"name": "store"}}
    for body in (
        tier_body("rtx-4090", 24, 0.4),
        node_body("n1", "rtx-4090", 4),
        specialist_body("sorter", model=model),
    ):
        cluster.put(body)
    library = Library()
    operator = an_operator(cluster, library, lambda: NOON, delivery=ON_NODE)
    await operator.load()
    await operator.settle()
    (deployment,) = (b for (kind, _), b in cluster.objects_by_key.items() if kind == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["initContainers"]
    assert container["image"] == IMAGE
    assert env(container)["AWS_ACCESS_KEY_ID"] == ("store", "AWS_ACCESS_KEY_ID")
    operator.queue.close()
