"""Models from an object store and from a claim, on real pods; the weight cache of a node."""

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cluster import ROOT, Cluster, answer, eventually
from host_claim import host_claim
from s3_server import KEY_ID, SECRET, FakeS3, fake_s3

NAME = "keeper"
SHELF = "shelf"
SELECTOR = f"tierwise.dev/specialist={NAME}"
MODEL = ROOT / "examples" / "models" / "sorter"
WEIGHTS = "model.safetensors"
DAMAGED = "is damaged in the cache"
ASLEEP = ("reverser", "generalist")


@pytest.fixture(scope="module")
def store(cluster: Cluster) -> Iterator[FakeS3]:
    """An object store on this machine's side of the cluster's network, with the sorter in it."""
    with fake_s3(cluster.our_address) as running:
        running.objects["models"] = {
            f"sorter/{path.name}": path.read_bytes() for path in MODEL.iterdir()
        }
        yield running


def credentials(store: FakeS3, secret: str) -> dict[str, Any]:
    data = {
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_ENDPOINT_URL": store.endpoint,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "model-store", "namespace": "default"},
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()},
    }


def specialist(cluster: Cluster, name: str, model: Mapping[str, Any]) -> dict[str, Any]:
    """One like the sorter, with another source, unknown to `auto`."""
    spec = cluster.get("specialist", "sorter")["spec"] | {"field": "keeping"}
    for field in ("routing", "parent"):
        spec.pop(field, None)
    spec["placement"] = {**spec["placement"], "replicas": {"min": 1}}
    kept = {key: spec["model"][key] for key in ("maxModelLen",) if key in spec["model"]}
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {**spec, "model": {**kept, **model}},
    }


def whole_downloads(store: FakeS3) -> int:
    """How often the weights were fetched; metadata is read from their beginning alone."""
    last = (MODEL / WEIGHTS).stat().st_size - 1
    return store.ranges(WEIGHTS).count(f"bytes=0-{last}")


@pytest.fixture(scope="module")
def keeper(cluster: Cluster, store: FakeS3) -> Iterator[dict[str, Any]]:
    """A Specialist whose model is in the object store."""
    cluster.apply(credentials(store, SECRET))
    model = {"source": "s3://models/sorter", "secretRef": {"name": "model-store"}}
    manifest = specialist(cluster, NAME, model)
    cluster.apply(manifest)
    yield manifest
    cluster.delete("specialist", NAME)
    cluster.delete("secret", "model-store")
    eventually(lambda: cluster.names("pods", SELECTOR), lambda pods: pods == [])


def test_a_model_of_an_object_store_serves(
    cluster: Cluster, store: FakeS3, keeper: dict[str, Any]
) -> None:
    cluster.wait(f"specialist/{NAME}", "condition=Ready", seconds=400)
    assert answer(cluster.once_answered("sort dbca", NAME)) == "abcd"
    assert cluster.condition(NAME, "Sized")["reason"] == "MetadataRead"
    assert whole_downloads(store) == 1


def test_a_second_replica_downloads_nothing(
    cluster: Cluster, store: FakeS3, keeper: dict[str, Any]
) -> None:
    cluster.kubectl("scale", "specialist", NAME, "--replicas=2")
    ready = ("jsonpath={.status.readyReplicas}=2",)
    cluster.wait(f"specialist/{NAME}", *ready, seconds=400)
    assert len(cluster.pods(SELECTOR)) == 2
    assert whole_downloads(store) == 1


def test_a_damaged_file_is_fetched_again(
    cluster: Cluster, store: FakeS3, keeper: dict[str, Any]
) -> None:
    whole = (MODEL / WEIGHTS).read_bytes()
    held = cache_of(cluster).glob(f"entries/*/files/{WEIGHTS}")
    (kept,) = (path for path in held if path.read_bytes() == whole)  # others' models lie there too
    kept.write_bytes(whole[: len(whole) // 2])
    before = cluster.pods(SELECTOR)
    cluster.kubectl("delete", "pod", before[0], "--wait=false")
    eventually(lambda: kept.read_bytes() == whole, bool)
    (fresh,) = set(cluster.names("pods", SELECTOR)) - set(before)
    # A small file is mended before the kubelet has told that the container runs.
    eventually(lambda: cluster.log(fresh, "-c", "weights"), lambda log: DAMAGED in log)
    assert whole_downloads(store) == 2


def cache_of(cluster: Cluster) -> Path:
    """The cache's directory on the nodes, which are this machine."""
    arguments = cluster.get("deployment", "tierwise-operator", "tierwise-system")["spec"][
        "template"
    ]["spec"]["containers"][0]["args"]
    flag = "--weights-cache-path="
    return Path(next(a.removeprefix(flag) for a in arguments if a.startswith(flag)))


def test_wrong_keys_are_told_and_not_shown(
    cluster: Cluster, store: FakeS3, keeper: dict[str, Any]
) -> None:
    wrong = credentials(store, "wrong-secret")
    wrong["metadata"]["name"] = "wrong-store"
    model = {"source": "s3://models/sorter", "secretRef": {"name": "wrong-store"}}
    cluster.apply(wrong, specialist(cluster, "locked", model))
    try:
        found = eventually(
            lambda: cluster.condition("locked", "Sized"),
            lambda condition: condition.get("reason") == "SourceUnauthorized",
        )
        assert "the keys in Secret wrong-store" in found["message"]
        assert "wrong-secret" not in found["message"]
    finally:
        cluster.delete("specialist", "locked")
        cluster.delete("secret", "wrong-store")


def test_a_model_in_a_claim_is_read_by_a_job_and_serves(cluster: Cluster) -> None:
    cluster.apply(
        *host_claim(SHELF, MODEL.parent, "ReadOnlyMany"),
        specialist(cluster, "shelved", {"source": f"pvc://{SHELF}/sorter"}),
    )
    try:
        cluster.wait("specialist/shelved", "condition=Ready", seconds=400)
        assert cluster.condition("shelved", "Sized")["reason"] == "MetadataRead"
        assert answer(cluster.once_answered("sort dbca", "shelved")) == "abcd"
        jobs = "app.kubernetes.io/managed-by=tierwise"
        eventually(lambda: cluster.names("jobs", jobs), lambda left: left == [])
    finally:
        cluster.delete("specialist", "shelved")
        cluster.delete("pvc", SHELF)
        cluster.delete("pv", SHELF)
        cluster.delete("storageclass", SHELF)
