"""A Specialist that cannot run says why on itself, and disturbs nobody else."""

from collections.abc import Iterator
from typing import Any

import pytest
from cluster import ROOT, Cluster, KubectlError, answer, eventually

MODELS = ROOT / "examples" / "models"


def specialist(name: str, **spec: Any) -> dict[str, Any]:
    """A Specialist that would run, but for what the story changes."""
    sound = {"field": "stories", "model": {"source": f"file://{MODELS}/sorter"}}
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {"name": name, "namespace": "default"},
        "spec": sound | spec,
    }


@pytest.fixture
def stories(cluster: Cluster) -> Iterator[list[str]]:
    """Names of the Specialists that a story applies; they go when it ends."""
    names: list[str] = []
    yield names
    cluster.delete("specialist", *names)


def told(cluster: Cluster, name: str, kind: str) -> str:
    """The condition once it is False: `Reason: message`."""
    seen = eventually(lambda: cluster.condition(name, kind), lambda c: c.get("status") == "False")
    return f"{seen['reason']}: {seen['message']}"


def test_a_model_that_fits_no_tier_is_explained_in_numbers(
    cluster: Cluster, stories: list[str]
) -> None:
    stories.append("too-large")
    model = {"source": f"file://{MODELS}/sorter", "size": {"overhead": "812G"}}
    cluster.apply(specialist("too-large", model=model))

    message = told(cluster, "too-large", "Placed")

    assert message.startswith("NoTierFits")
    rejected = cluster.get("specialist", "too-large")["status"]["placement"]["rejected"]
    assert {r["tier"] for r in rejected} == {"rtx-4090", "h100"}
    assert all("GiB" in r["reason"] for r in rejected)
    assert not cluster.names("deployments", "tierwise.dev/specialist=too-large")


def test_a_source_that_does_not_exist_is_reported_on_the_resource(
    cluster: Cluster, stories: list[str]
) -> None:
    stories.append("nowhere")
    cluster.apply(specialist("nowhere", model={"source": f"file://{MODELS}/no-such-model"}))

    message = told(cluster, "nowhere", "Sized")

    assert message.startswith("SourceNotFound")
    assert "no-such-model" in message
    assert "spec.model.source" in message


def test_a_tier_that_does_not_exist_is_named_with_those_that_do(
    cluster: Cluster, stories: list[str]
) -> None:
    stories.append("astray")
    cluster.apply(specialist("astray", placement={"tiers": ["rtx-4900"]}))

    message = told(cluster, "astray", "Placed")

    assert message.startswith("UnknownTier")
    assert "rtx-4900" in message
    assert "rtx-4090" in message


def test_parents_in_a_circle_are_named(cluster: Cluster, stories: list[str]) -> None:
    stories.extend(["hen", "egg"])
    cluster.apply(specialist("hen", parent="egg"), specialist("egg", parent="hen"))

    seen = eventually(
        lambda: cluster.condition("hen", "Placed"), lambda c: c.get("reason") == "ParentCycle"
    )
    assert "egg" in seen["message"]


def test_more_gpus_than_any_node_has_is_said_in_numbers(
    cluster: Cluster, stories: list[str]
) -> None:
    stories.append("wide")
    model = {
        "source": "pvc://models/wide",
        "maxModelLen": 4096,
        "size": {"weights": "70G", "kvBytesPerToken": 160000},
    }
    placement = {"tensorParallel": 8, "tiers": ["rtx-4090"]}
    cluster.apply(specialist("wide", model=model, placement=placement))

    message = told(cluster, "wide", "Placed")

    assert "8" in message
    assert "4" in message


def test_an_image_that_cannot_be_pulled_is_said_and_the_rest_keeps_answering(
    cluster: Cluster, stories: list[str]
) -> None:
    stories.append("imageless")
    engine = {"image": "localhost/no-such-engine:never"}
    cluster.apply(specialist("imageless", engine=engine, placement={"tiers": ["h100"]}))

    seen = eventually(
        lambda: cluster.condition("imageless", "ServingReady"),
        lambda c: c.get("reason") == "ImagePullFailed",
    )

    assert "localhost/no-such-engine:never" in seen["message"]
    assert answer(cluster.ask("sort dbca", model="sorter")) == "abcd"
    assert cluster.condition("sorter", "Ready")["status"] == "True"


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ({"external": {"baseURL": "https://api.example.com/v1", "model": "m"}}, "exactly one"),
        ({"model": {"source": "/models/sorter"}}, "file://"),
        ({"placement": {"replicas": {"min": 3, "max": 1}}}, "max"),
        ({"routing": {"confidenceFloor": 1.5}}, "confidenceFloor"),
    ],
)
def test_a_manifest_that_cannot_be_meant_is_rejected_with_the_fix(
    cluster: Cluster, spec: dict[str, Any], hint: str
) -> None:
    with pytest.raises(KubectlError, match=hint):
        cluster.apply(specialist("never", **spec))
