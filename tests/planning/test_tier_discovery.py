"""GPUTiers out of nodes: every cloud's labels, MIG, sharing, taints, prices and the chain."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.catalogue import PRODUCTS, find_product
from tierwise_core.fleet import GPUTier, Node, Taint, closure, nodes_of
from tierwise_core.gpu_labels import offers_of
from tierwise_core.price_list import COMMON_TIERS, PRICE_LIST, product_of_tier
from tierwise_core.tier_discovery import Discovery, discover
from tierwise_core.tier_proposal import ProposedTier

MIB = 2**20
GPU = "nvidia.com/gpu"
A100 = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "nvidia.com/gpu.memory": "81920"}


def node(name: str, gpus: dict[str, int] | int, **labels: str) -> Node:
    counts = {GPU: gpus} if isinstance(gpus, int) else gpus
    return Node(name, labels, counts)


def labelled(name: str, labels: dict[str, str], gpus: dict[str, int] | int = 1) -> Node:
    return node(name, gpus, **labels)


def only(found: Discovery) -> ProposedTier:
    assert found.problems == ()
    (tier,) = found.tiers
    return tier


@pytest.mark.parametrize(
    ("labels", "gpus", "product", "selector"),
    [
        (
            {"nvidia.com/gpu.product": "NVIDIA-L4", "nvidia.com/gpu.memory": "23034"},
            {GPU: 1},
            "NVIDIA-L4",
            ["nvidia.com/gpu.product"],
        ),
        (
            {"cloud.google.com/gke-accelerator": "nvidia-h100-80gb"},
            {GPU: 8},
            "NVIDIA-H100-80GB-HBM3",
            ["cloud.google.com/gke-accelerator"],
        ),
        (
            {
                "karpenter.k8s.aws/instance-gpu-name": "a10g",
                "karpenter.k8s.aws/instance-gpu-memory": "24576",
            },
            {GPU: 1},
            "NVIDIA-A10G",
            ["karpenter.k8s.aws/instance-gpu-name"],
        ),
        (
            {
                "eks.amazonaws.com/instance-gpu-name": "a100",
                "eks.amazonaws.com/instance-gpu-memory": "40960",
            },
            {GPU: 8},
            "NVIDIA-A100-SXM4-40GB",
            ["eks.amazonaws.com/instance-gpu-name", "eks.amazonaws.com/instance-gpu-memory"],
        ),
        (
            {"k8s.amazonaws.com/accelerator": "nvidia-tesla-v100"},
            {GPU: 4},
            "Tesla-V100-SXM2-16GB",
            ["k8s.amazonaws.com/accelerator"],
        ),
        (
            {
                "kubernetes.azure.com/accelerator": "nvidia",
                "node.kubernetes.io/instance-type": "Standard_NC24ads_A100_v4",
            },
            {GPU: 1},
            "NVIDIA-A100-80GB-PCIe",
            ["node.kubernetes.io/instance-type"],
        ),
        (
            {"karpenter.azure.com/sku-gpu-name": "T4"},
            {GPU: 1},
            "Tesla-T4",
            ["karpenter.azure.com/sku-gpu-name"],
        ),
        (
            {"amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM", "amd.com/gpu.vram": "192G"},
            {"amd.com/gpu": 8},
            "AMD-Instinct-MI300X",
            ["amd.com/gpu.product-name"],
        ),
    ],
)
def test_every_clouds_labels_name_the_product(
    labels: dict[str, str], gpus: dict[str, int], product: str, selector: list[str]
) -> None:
    found = only(discover([labelled("n", labels, gpus)]))

    assert found.product == product
    assert found.node_selector == {label: labels[label] for label in selector}
    assert found.resource_name == next(iter(gpus))
    assert found.gpus == next(iter(gpus.values()))


def test_nodes_of_one_product_are_one_tier() -> None:
    found = only(discover([labelled("a", A100, 8), labelled("b", A100, 4)]))
    assert (found.name, found.nodes, found.gpus) == ("a100-80gb", 2, 12)
    assert found.memory_bytes == 81920 * MIB


def test_each_mig_profile_is_a_tier_of_its_own() -> None:
    sliced = labelled(
        "n",
        A100 | {"nvidia.com/mig-1g.10gb.memory": "9728"},
        {"nvidia.com/mig-1g.10gb": 3, "nvidia.com/mig-3g.40gb": 1},
    )
    small, large = sorted(discover([sliced]).tiers, key=lambda tier: tier.name)

    assert (small.name, small.resource_name) == ("a100-80gb-1g-10gb", "nvidia.com/mig-1g.10gb")
    assert small.memory_bytes == 9728 * MIB
    assert large.memory_bytes == int(40 * 2**30 * 0.95)
    assert small.usd_per_gpu_hour == pytest.approx(1.39 / 7, abs=1e-4)
    assert large.usd_per_gpu_hour == pytest.approx(1.39 * 3 / 7, abs=1e-4)
    assert small.confidence_floor == 0.80


def test_a_gke_partition_is_a_slice_with_the_whole_cards_resource() -> None:
    labels = {
        "cloud.google.com/gke-accelerator": "nvidia-tesla-a100",
        "cloud.google.com/gke-gpu-partition-size": "1g.5gb",
    }
    found = only(discover([labelled("n", labels, 7)]))
    assert (found.resource_name, found.memory_bytes) == (GPU, 4864 * MIB)
    assert found.node_selector == labels


def test_a_shared_gpu_may_use_its_share_of_the_memory() -> None:
    labels = {
        "nvidia.com/gpu.product": "NVIDIA-L4-SHARED",
        "nvidia.com/gpu.memory": "23034",
        "nvidia.com/gpu.replicas": "4",
    }
    found = only(discover([labelled("n", labels, 4)]))
    assert (found.name, found.product, found.usable_fraction) == ("l4-shared", "NVIDIA-L4", 0.22)
    assert "4 pods share each GPU" in found.notes[0]


def test_an_unknown_gpu_takes_its_memory_from_the_label() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-X900", "nvidia.com/gpu.memory": "98304"}
    found = only(discover([labelled("n", labels)]))
    assert (found.name, found.memory_bytes, found.usd_per_gpu_hour) == (
        "nvidia-x900",
        98304 * MIB,
        None,
    )
    assert found.confidence_floor == 0.70


def test_gpus_that_no_label_names_are_told_with_the_remedy() -> None:
    (problem,) = discover([node("gpu-1", 4)]).problems
    assert "gpu-1" in problem
    assert "kubectl label node gpu-1 nvidia.com/gpu.product=" in problem


def test_nodes_without_gpus_and_other_devices_are_none_of_our_business() -> None:
    found = discover([Node("cpu"), Node("efa", {}, {"vpc.amazonaws.com/efa": 4})])
    assert found == Discovery()


def test_lasting_taints_are_tolerated_and_passing_ones_are_not() -> None:
    taints = (
        Taint("nvidia.com/gpu", "present", "NoSchedule"),
        Taint("team", "", "NoSchedule"),
        Taint("node.kubernetes.io/not-ready", "", "NoExecute"),
        Taint("node.kubernetes.io/unschedulable", "", "NoSchedule"),
        Taint("ToBeDeletedByClusterAutoscaler", "1", "NoSchedule"),
        Taint("soft", "", "PreferNoSchedule"),
    )
    found = only(discover([Node("n", A100, {GPU: 8}, taints=taints)]))
    assert found.tolerations == (
        {"key": "nvidia.com/gpu", "operator": "Equal", "value": "present", "effect": "NoSchedule"},
        {"key": "team", "operator": "Exists", "effect": "NoSchedule"},
    )


def test_spot_nodes_are_a_tier_of_their_own_where_a_label_tells_both_sides() -> None:
    label = "karpenter.sh/capacity-type"
    spot, firm = (
        labelled(kind, A100 | {label: kind}, count)
        for kind, count in (("spot", 2), ("on-demand", 3))
    )
    found = {tier.name: tier for tier in discover([spot, firm]).tiers}
    assert {name: tier.gpus for name, tier in found.items()} == {
        "a100-80gb": 3,
        "a100-80gb-spot": 2,
    }
    assert found["a100-80gb-spot"].node_selector[label] == "spot"
    assert label not in only(discover([spot])).node_selector


def test_each_class_escalates_to_the_cheapest_of_the_next() -> None:
    nodes = [
        labelled(name, {"nvidia.com/gpu.product": product})
        for name, product in (
            ("a", "NVIDIA-L4"),
            ("b", "NVIDIA-A100-SXM4-80GB"),
            ("c", "NVIDIA-A100-SXM4-40GB"),
            ("d", "NVIDIA-H100-80GB-HBM3"),
            ("e", "NVIDIA-H200"),
        )
    ]
    chain = {tier.name: tier.escalate_to for tier in discover(nodes).tiers}
    assert chain == {
        "l4": "a100-40gb",
        "a100-40gb": "h100-80gb",
        "a100-80gb": "h100-80gb",
        "h100-80gb": None,
        "h200": None,
    }


def test_a_missing_class_is_passed_over_and_an_existing_tier_counts() -> None:
    frontier = GPUTier("big", product="NVIDIA-H200", node_selector={"x": "y"}, usd_per_gpu_hour=3)
    l4 = labelled("a", {"nvidia.com/gpu.product": "NVIDIA-L4"})
    assert only(discover([l4], [frontier])).escalate_to == "big"


def test_tiers_that_are_there_are_not_repeated() -> None:
    there = GPUTier(
        "mine", node_selector={"nvidia.com/gpu.product": A100["nvidia.com/gpu.product"]}
    )
    found = discover([labelled("a", A100, 8)], [there])
    assert (found.tiers, found.covered) == ((), ("mine",))


def test_a_tier_that_would_claim_another_ones_nodes_is_told() -> None:
    there = GPUTier("mine", node_selector={"pool": "one"})
    nodes = [labelled("a", A100 | {"pool": "one"}, 8), labelled("b", A100, 8)]
    found = discover(nodes, [there])
    assert found.tiers[0].gpus == 8
    assert "tier a100-80gb: spec.nodeSelector also selects a" in found.problems[0]


def test_names_that_are_taken_get_a_number() -> None:
    there = GPUTier("a100-80gb", node_selector={"x": "y"})
    assert only(discover([labelled("a", A100, 8)], [there])).name == "a100-80gb-2"


def test_a_given_price_wins_by_any_name_and_an_unused_one_is_told() -> None:
    for name in ("a100-80gb", "NVIDIA-A100-SXM4-80GB", "nvidia-a100-80gb"):
        found = only(discover([labelled("a", A100)], prices={name: 0.9}))
        assert (found.usd_per_gpu_hour, found.price_source) == (0.9, "")
    assert "no proposed tier" in discover([labelled("a", A100)], prices={"l4": 1}).problems[0]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([product.name for product in PRODUCTS] + ["Odd GPU / 5 (beta)"]),
            st.integers(1, 8),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_names_are_unique_dns_labels_and_every_node_has_one_open_tier(
    rows: list[tuple[str, int, bool]],
) -> None:
    nodes = [
        Node(
            f"n{number}",
            {"nvidia.com/gpu.product": product},
            {GPU: gpus},
            taints=(Taint("gpu", "x"),) if tainted else (),
        )
        for number, (product, gpus, tainted) in enumerate(rows)
    ]
    found = discover(nodes)
    names = [tier.name for tier in found.tiers]
    assert len(set(names)) == len(names)
    for tier in found.tiers:
        assert tier.name.replace("-", "").isalnum()
        assert tier.name == tier.name.casefold()
        assert 0 < len(tier.name) <= 63
        assert tier.escalate_to in {None, *names} - {tier.name}
    for one in nodes:
        (tier,) = [t for t in found.tiers if t.node_selector.items() <= one.labels.items()]
        written = GPUTier(tier.name, node_selector=tier.node_selector, tolerations=tier.tolerations)
        assert nodes_of(written, nodes)
        assert closure(written, one) is None


def test_the_price_list_names_products_of_the_catalogue_once() -> None:
    assert {price.product for price in PRICE_LIST} == {product.name for product in PRODUCTS}
    names = [price.tier_name for price in PRICE_LIST]
    assert len(set(names)) == len(names)
    for price in PRICE_LIST:
        assert product_of_tier(price.tier_name) == find_product(price.product)
        assert (price.usd_per_gpu_hour is None) == (not price.source)


def test_the_common_tiers_have_prices() -> None:
    priced = {price.tier_name for price in PRICE_LIST if price.usd_per_gpu_hour}
    assert set(COMMON_TIERS) <= priced


def test_the_drivers_own_label_comes_before_the_clouds() -> None:
    labels: dict[str, Any] = A100 | {"cloud.google.com/gke-accelerator": "nvidia-l4"}
    (offer,) = offers_of(labelled("n", labels)) or ()
    assert offer.product == "NVIDIA-A100-SXM4-80GB"
