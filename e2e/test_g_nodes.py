"""What nodes do to us: full, drained, reclaimed, a GPU less. Everybody finds a place again.

The nodes are KWOK's, of two tiers of their own: scheduler and controllers are real, engines are
not needed. test_c_two_tiers.py tells of a full tier with real ones.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cluster import Cluster, eventually
from fake_fleet import kwok, node, tier

ASLEEP = None
NAME = "wader"
SELECTOR = f"tierwise.dev/specialist={NAME}"
RECLAIMED = "cloud.google.com/impending-node-termination"
NODES = {"shallow-0": ("shallow", 2), "shallow-1": ("shallow", 2), "deep-0": ("deep", 2)}


def wader(cluster: Cluster, replicas: int) -> dict[str, Any]:
    """A Specialist for the fake nodes; its field is its own, so that nobody else asks it."""
    sorter = cluster.get("specialist", "sorter")["spec"]
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {"name": NAME, "namespace": "default"},
        "spec": {
            "field": "waders",
            "model": sorter["model"],
            "engine": sorter["engine"],
            "placement": {"tiers": ["shallow", "deep"], "replicas": {"min": replicas}},
        },
    }


@pytest.fixture(scope="module")
def water(cluster: Cluster) -> Iterator[None]:
    """Three fake nodes in two tiers, and a Specialist with one replica on the cheaper one."""
    kwok(cluster, 1)
    for name in NODES:
        restore(cluster, name)
    # Dearer than the real tiers: nobody else shall be tempted to move to engines that do not exist.
    cluster.apply(tier("shallow", 5.0), tier("deep", 9.0), wader(cluster, 1))
    eventually(lambda: endpoints(cluster), lambda found: len(found) == 1)
    yield
    cluster.delete("specialist", NAME)
    cluster.delete("gputier", "shallow", "deep")
    cluster.delete("node", *NODES)
    kwok(cluster, 0)


def restore(cluster: Cluster, name: str) -> None:
    """Bring a node back as it was at first."""
    cluster.delete("node", name)
    cluster.apply(node(name, *NODES[name]))
    cluster.wait(f"node/{name}", "condition=Ready")


def status(cluster: Cluster) -> dict[str, Any]:
    return dict(cluster.get("specialist", NAME).get("status", {}))


def endpoints(cluster: Cluster) -> list[dict[str, str]]:
    return list(status(cluster).get("endpoints", []))


def shares(cluster: Cluster) -> dict[str, int]:
    tiers = status(cluster).get("placement", {}).get("tiers", [])
    return {share["tier"]: share["readyReplicas"] for share in tiers}


def uids(cluster: Cluster) -> set[str]:
    listed = cluster.kubectl("get", "pods", "-l", SELECTOR, "-o", "json")
    return {pod["metadata"]["uid"] for pod in json.loads(listed)["items"]}


def test_a_specialist_takes_the_cheaper_tier(cluster: Cluster, water: None) -> None:
    assert shares(cluster) == {"shallow": 1}
    assert endpoints(cluster)[0]["tier"] == "shallow"


def test_a_cordon_alone_moves_nobody(cluster: Cluster, water: None) -> None:
    home, before = endpoints(cluster)[0]["node"], uids(cluster)

    cluster.kubectl("cordon", home)

    eventually(
        lambda: cluster.get("gputier", "shallow")["status"]["gpus"]["free"], lambda n: n == 2
    )
    assert uids(cluster) == before
    cluster.kubectl("uncordon", home)


def test_a_drained_node_is_left_for_another(cluster: Cluster, water: None) -> None:
    home = endpoints(cluster)[0]["node"]

    cluster.kubectl("drain", home, "--ignore-daemonsets", "--delete-emptydir-data", "--force")

    eventually(
        lambda: [e["node"] for e in endpoints(cluster)],
        lambda nodes: len(nodes) == 1 and nodes[0] != home,
    )
    cluster.wait(f"specialist/{NAME}", "condition=Ready")
    cluster.kubectl("uncordon", home)


def test_a_spot_node_is_replaced_before_it_is_taken(cluster: Cluster, water: None) -> None:
    home = endpoints(cluster)[0]["node"]
    serving: list[int] = []

    cluster.kubectl("taint", "node", home, f"{RECLAIMED}=:NoSchedule")

    def seen() -> list[str]:
        found = [e["node"] for e in endpoints(cluster)]
        serving.append(len(found))
        return found

    eventually(seen, lambda nodes: len(nodes) == 1 and nodes[0] != home)
    assert min(serving) >= 1, "there was a moment without an endpoint"
    cluster.delete("node", home)
    cluster.wait(f"specialist/{NAME}", "condition=Ready")
    move = status(cluster)["placement"]["lastMove"]
    assert f"node {home} is about to go (taint {RECLAIMED})" in move["reason"]
    told = cluster.kubectl("get", "events", "--field-selector=reason=Moving", "-o", "json")
    assert any(home in item["message"] for item in json.loads(told)["items"])
    restore(cluster, home)


def test_a_full_tier_makes_it_span_two(cluster: Cluster, water: None) -> None:
    cluster.kubectl("scale", "specialist", NAME, "--replicas=5")

    eventually(lambda: shares(cluster), lambda s: s == {"shallow": 4, "deep": 1})

    cluster.wait(f"specialist/{NAME}", "condition=Ready")
    assert {e["tier"] for e in endpoints(cluster)} == {"shallow", "deep"}
    assert len(cluster.names("deployments", SELECTOR)) == 2
    assert status(cluster)["placement"]["usdPerHour"] == pytest.approx(4 * 5.0 + 9.0)


def test_a_lost_gpu_costs_the_tier_and_moves_nobody(cluster: Cluster, water: None) -> None:
    before = uids(cluster)
    less = {"status": {"allocatable": {"nvidia.com/gpu": "1"}}}

    cluster.kubectl(
        *("patch", "node", "shallow-0", "--subresource=status", "--type=merge"),
        *("-p", json.dumps(less)),
    )

    eventually(
        lambda: cluster.get("gputier", "shallow")["status"]["gpus"],
        lambda gpus: gpus == {"capacity": 3, "allocated": 4, "free": 0},
    )
    assert uids(cluster) == before
    assert shares(cluster) == {"shallow": 4, "deep": 1}
    back = {"status": {"allocatable": {"nvidia.com/gpu": "2"}}}
    cluster.kubectl(
        *("patch", "node", "shallow-0", "--subresource=status", "--type=merge"),
        *("-p", json.dumps(back)),
    )


def test_fewer_replicas_go_back_to_the_cheaper_tier(cluster: Cluster, water: None) -> None:
    cluster.kubectl("scale", "specialist", NAME, "--replicas=3")

    eventually(lambda: shares(cluster), lambda s: s == {"shallow": 3})

    eventually(lambda: cluster.names("deployments", SELECTOR), lambda d: len(d) == 1)


def test_two_tiers_that_claim_one_node_both_say_so(cluster: Cluster, water: None) -> None:
    cluster.apply(tier("deep", 10.0, name="deeper"))
    try:
        for name in ("deep", "deeper"):
            found = eventually(
                lambda name=name: cluster.get("gputier", name).get("status", {}),
                lambda s: any(c["reason"] == "NodesClaimedTwice" for c in s.get("conditions", [])),
            )
            assert any("deep-0" in c["message"] for c in found["conditions"])
    finally:
        cluster.delete("gputier", "deeper")


def test_a_price_of_zero_is_refused_with_what_to_write(cluster: Cluster) -> None:
    with pytest.raises(AssertionError, match="perGPUHour must be above 0"):
        cluster.apply(tier("free", 0))
