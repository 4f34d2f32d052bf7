"""Reading a model in a claim: the Job, what its pod tells, and what is left behind."""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest
from fake_cluster import FakeCluster
from hub_server import safetensors
from typer.testing import CliRunner

from tierwise_core.claim_job import MOUNT, ClaimDirectory, claim_job, told_by_pod
from tierwise_core.delivery import Delivery
from tierwise_core.errors import (
    SourceError,
    SourceNotFoundError,
    SourceUnreadableError,
    UnauthorizedError,
    UnsupportedSourceError,
)
from tierwise_core.model_metadata import SizeOverrides
from tierwise_core.safetensors_header import WeightTotals
from tierwise_core.specialist import ModelSpec, Specialist
from tierwise_operator.claim_reading import ClaimReader
from tierwise_operator.cluster import ClusterError
from tierwise_operator.kinds import JOB, SECRET
from tierwise_operator.model_reading import model_reader, secret_credentials
from tierwise_operator.readings import Asked, asked
from tierwise_operator.settings import Settings
from tierwise_operator.sources.claim_document import MAX_BYTES, packed, unpacked
from tierwise_operator.sources.model_files import ModelFiles
from tierwise_operator.weights.__main__ import app

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "max_position_embeddings": 256,
    "torch_dtype": "bfloat16",
}
TOTALS = WeightTotals(12800, MappingProxyType({"BF16": 6400}))
WHERE = ClaimDirectory("ai", "models", "llama/8b")
DELIVERY = Delivery(image="operator:1")
FOUND = packed(ModelFiles(CONFIG, TOTALS))


def ended(message: str, code: int = 0) -> dict[str, Any]:
    state = {"terminated": {"exitCode": code, "message": message}}
    return {"containerStatuses": [{"name": "read", "state": state}]}


def unscheduled(message: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "message": message}
    return {"phase": "Pending", "conditions": [condition]}


class JobController:
    """Makes the pod of a Job, which goes through the given states, one for each look."""

    def __init__(self, cluster: FakeCluster, *states: dict[str, Any]) -> None:
        self.cluster, self.states, self.looks = cluster, list(states), 0

    async def wait(self, _seconds: float) -> None:
        self.looks += 1
        for (kind, _), job in list(self.cluster.objects_by_key.items()):
            if kind == "Job" and self.states:
                labels = job["spec"]["template"]["metadata"]["labels"]
                metadata = {"name": "read-x", "namespace": "ai", "labels": labels}
                self.cluster.put(
                    {
                        "kind": "Pod",
                        "metadata": metadata,
                        "spec": {},
                        "status": self.states.pop(0),
                    }
                )


def reader(cluster: FakeCluster, *states: dict[str, Any]) -> ClaimReader:
    return ClaimReader(cluster, DELIVERY, JobController(cluster, *states).wait)


async def trouble(cluster: FakeCluster, *states: dict[str, Any]) -> SourceError:
    with pytest.raises(SourceError) as raised:
        await reader(cluster, *states).read(WHERE)
    return raised.value


async def test_a_job_reads_the_claim_and_is_cleaned_up_after() -> None:
    cluster = FakeCluster()
    waiting = unscheduled("waiting for first consumer to be created")
    found = await reader(cluster, waiting, {"phase": "Running"}, ended(FOUND)).read(WHERE)
    assert found == ModelFiles(CONFIG, TOTALS)
    name = claim_job(WHERE, "operator:1", "IfNotPresent")["metadata"]["name"]
    assert cluster.writes == [f"apply Job ai/{name}", f"delete Job ai/{name}"]


async def test_what_was_read_is_not_read_again_until_the_revision_changes() -> None:
    cluster = FakeCluster()
    known = reader(cluster, ended(FOUND), ended(FOUND))
    await known.read(WHERE)
    await known.read(WHERE)
    assert len(cluster.writes) == 2
    await known.read(ClaimDirectory("ai", "models", "llama/8b", "monday"))
    assert len(cluster.writes) == 4


def test_the_job_mounts_the_claim_read_only_and_has_no_rights() -> None:
    job = claim_job(WHERE, "operator:1", "Never")
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["volumes"] == [
        {"name": "claim", "persistentVolumeClaim": {"claimName": "models", "readOnly": True}}
    ]
    assert container["volumeMounts"] == [{"name": "claim", "mountPath": MOUNT, "readOnly": True}]
    assert container["args"][:2] == ["describe", f"{MOUNT}/llama/8b"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["ttlSecondsAfterFinished"] > 0


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (
            unscheduled('persistentvolumeclaim "models" not found'),
            SourceNotFoundError,
            "there is no claim models in namespace ai; create the PersistentVolumeClaim",
        ),
        (
            ended(f"SourceNotFound: spec.model.source: {MOUNT}/llama/8b has no config.json", 1),
            SourceNotFoundError,
            "spec.model.source: pvc://models/llama/8b has no config.json",
        ),
        (
            ended(f"SourceUnreadable: {MOUNT}/llama: permission denied", 1),
            SourceUnreadableError,
            "could not be read by its Job: SourceUnreadable: pvc://models/llama: permission",
        ),
        (ended("", 137), SourceUnreadableError, "it ended with code 137 and no word"),
        (ended("hello"), SourceUnreadableError, "is weights.image of this version?"),
    ],
)
async def test_every_failure_says_what_to_do_and_leaves_no_job(
    status: dict[str, Any], kind: type[SourceError], said: str
) -> None:
    cluster = FakeCluster()
    error = await trouble(cluster, status)
    assert isinstance(error, kind)
    assert said in str(error)
    assert not [key for key in cluster.objects_by_key if key[0] == "Job"]


def test_an_image_that_cannot_be_pulled_is_told_at_once() -> None:
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
    pod = {"status": {"containerStatuses": [{"name": "read", "state": waiting}]}}
    with pytest.raises(SourceUnreadableError, match=r"weights\.image"):
        told_by_pod(WHERE, pod)


async def test_a_job_that_never_ends_is_given_up_with_the_scheduler_s_words() -> None:
    cluster = FakeCluster()
    error = await trouble(cluster, unscheduled("0/3 nodes are available"))
    assert error.retryable
    assert "did not finish in 240 s (0/3 nodes are available)" in str(error)


async def test_an_operator_without_an_image_says_so() -> None:
    with pytest.raises(UnsupportedSourceError, match=r"weights\.image"):
        await ClaimReader(FakeCluster(), Delivery()).read(WHERE)


def test_a_config_of_any_size_fits_the_last_words_of_a_container() -> None:
    ignored = {"quantization_config": {"ignore": [f"model.layers.{n}.mlp" for n in range(9000)]}}
    labels = {"id2label": {str(n): f"label {n * 7919 % 10007}" for n in range(2000)}}
    text = packed(ModelFiles({**CONFIG, **ignored, **labels}, TOTALS))
    assert len(text) <= MAX_BYTES
    back = unpacked(text)
    assert {key: back.config[key] for key in CONFIG} == CONFIG
    assert back.totals == TOTALS


def test_a_model_without_safetensors_is_told_too() -> None:
    assert unpacked(packed(ModelFiles(CONFIG, None))).totals is None


def test_the_job_s_own_command_tells_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "model.safetensors").write_bytes(safetensors({"w": ("BF16", [100, 64])}))
    words = tmp_path / "words"
    done = CliRunner().invoke(app, ["describe", str(tmp_path), "--termination-log", str(words)])
    assert done.exit_code == 0
    assert unpacked(words.read_text()) == ModelFiles(CONFIG, TOTALS)

    done = CliRunner().invoke(
        app, ["describe", str(tmp_path / "x"), "--termination-log", str(words)]
    )
    assert done.exit_code == 1
    assert words.read_text().startswith("SourceNotFound: ")


# The operator's reader, with Secrets and claims of a namespace.


async def test_the_operator_reads_claims_in_the_specialist_s_namespace() -> None:
    cluster = FakeCluster()
    controller = JobController(cluster, ended(FOUND))
    async with httpx.AsyncClient() as client:
        read = model_reader(client, Settings(delivery=DELIVERY), cluster, controller.wait)
        found = await read(Asked("pvc://models/llama", None, SizeOverrides(), "ai"))
    assert (found.layers, found.weights_bytes) == (3, 12800)


async def test_overrides_that_suffice_spare_the_job() -> None:
    cluster = FakeCluster()
    size = SizeOverrides(weights_bytes=5, kv_bytes_per_token=1)
    model = ModelSpec("pvc://models/llama", max_model_len_tokens=256, size=size)
    wanted = asked(Specialist("ai", "sorter", "u", 1, model=model))
    assert wanted is not None
    async with httpx.AsyncClient() as client:
        read = model_reader(client, Settings(delivery=DELIVERY), cluster)
        with pytest.raises(SourceError):
            await read(wanted)
    assert [write for write in cluster.writes if "Job" in write] == []


def secret(**data: str) -> dict[str, Any]:
    return {"kind": "Secret", "metadata": {"name": "store", "namespace": "ai"}, "data": data}


async def test_credentials_come_from_the_secret() -> None:
    cluster = FakeCluster()
    cluster.put(secret(HF_TOKEN="aGZfeA=="))
    found = await secret_credentials(cluster, "ai", "store")
    assert found.hf_token == "hf_x"
    assert "hf_x" not in repr(found)


async def test_a_secret_that_is_missing_or_forbidden_says_what_to_do() -> None:
    cluster = FakeCluster()
    with pytest.raises(UnauthorizedError, match="there is no Secret store in namespace ai"):
        await secret_credentials(cluster, "ai", "store")

    async def forbidden(*_: object) -> None:
        raise ClusterError("secrets is forbidden", 403)

    cluster.get = forbidden  # type: ignore[method-assign, assignment]
    with pytest.raises(UnauthorizedError, match=r"add its name to the chart's weights\.secrets"):
        await secret_credentials(cluster, "ai", "store")


async def test_a_secret_of_binary_is_refused() -> None:
    cluster = FakeCluster()
    cluster.put(secret(HF_TOKEN="/w=="))
    with pytest.raises(UnauthorizedError, match="not text"):
        await secret_credentials(cluster, "ai", "store")


def test_the_kinds_are_where_the_api_server_has_them() -> None:
    assert JOB.path("ai", "x") == "/apis/batch/v1/namespaces/ai/jobs/x"
    assert SECRET.path("ai", "x") == "/api/v1/namespaces/ai/secrets/x"
