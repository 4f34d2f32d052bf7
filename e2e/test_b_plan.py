"""`tierwise plan` says of a real cluster what its operator has done, and touches nothing."""

import json
from typing import Any

import pytest
from cluster import Cluster, eventually


@pytest.fixture(scope="module")
def planned(cluster: Cluster) -> dict[str, Any]:
    """The plan of the cluster as it runs."""
    told = cluster.tierwise("plan", "--live", "--offline", "--output", "json")
    assert told.returncode == 0, told.stdout + told.stderr
    return dict(json.loads(told.stdout))


def by_name(planned: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in planned["specialists"]}


def test_the_plan_is_what_the_operator_did(cluster: Cluster, planned: dict[str, Any]) -> None:
    for specialist in cluster.get_all("specialists", ""):
        placed = specialist["status"]["placement"]
        found = by_name(planned)[f"default/{specialist['metadata']['name']}"]
        assert found["shares"][0]["tier"] == placed["tier"]
        assert found["shares"][0]["gpusPerReplica"] == placed["gpusPerReplica"]
        assert found["usdPerHour"] == pytest.approx(placed["usdPerHour"])


def test_nothing_would_change(planned: dict[str, Any]) -> None:
    assert planned["changes"]["against"] == "what runs now"
    assert {line["mark"] for line in planned["changes"]["lines"]} == {"="}


def test_its_gpus_are_those_the_tiers_count(cluster: Cluster, planned: dict[str, Any]) -> None:
    for row in planned["tiers"]:
        eventually(
            lambda row=row: cluster.get("gputier", row["name"])["status"]["gpus"],
            lambda counted, row=row: (
                (counted["capacity"], counted["free"]) == (row["gpus"], row["free"])
            ),
        )


def test_a_node_that_were_gone_leaves_its_model_without_a_place(
    cluster: Cluster, planned: dict[str, Any]
) -> None:
    selector = cluster.get("gputier", "h100")["spec"]
    product = selector.get("nodeSelector") or {"nvidia.com/gpu.product": selector["gpu"]["product"]}
    label = ",".join(f"{key}={value}" for key, value in product.items())
    (node,) = cluster.names("nodes", label)
    told = cluster.tierwise("plan", "--live", "--offline", "--what-if", f"remove node {node}")

    assert told.returncode == 1
    assert "No place for frontier" in told.stdout
    assert cluster.tierwise("plan", "--live", "--offline").returncode == 0


def test_every_gpu_has_its_tier_already(cluster: Cluster) -> None:
    told = cluster.tierwise("tiers", "discover", "--live")

    assert told.returncode == 0
    assert told.stdout == ""
    assert "there already: h100, rtx-4090" in told.stderr
