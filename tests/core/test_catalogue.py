"""The GPU products we know."""

from __future__ import annotations

import pytest

from tierwise_core.catalogue import PRODUCTS, find_product, similar_products

GIB = 2**30


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("NVIDIA-H100-80GB-HBM3", "NVIDIA-H100-80GB-HBM3"),
        ("NVIDIA-H100-80GB-HBM3-SHARED", "NVIDIA-H100-80GB-HBM3"),
        ("nvidia-h100-80gb", "NVIDIA-H100-80GB-HBM3"),
        ("NVIDIA-A100-SXM4-80GB", "NVIDIA-A100-SXM4-80GB"),
        ("A100-SXM4-40GB", "NVIDIA-A100-SXM4-40GB"),
        ("nvidia-tesla-t4", "Tesla-T4"),
        ("NVIDIA GeForce RTX 4090", "NVIDIA-GeForce-RTX-4090"),
        ("NVIDIA-L4", "NVIDIA-L4"),
        ("AMD_Instinct_MI300X_OAM", "AMD-Instinct-MI300X"),
    ],
)
def test_a_label_finds_its_product(label: str, name: str) -> None:
    product = find_product(label)
    assert product is not None
    assert product.name == name


@pytest.mark.parametrize("label", ["", "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "NVIDIA-RTX-9090"])
def test_what_is_not_known_is_not_guessed(label: str) -> None:
    assert find_product(label) is None


def test_every_spelling_means_one_product() -> None:
    for product in PRODUCTS:
        for spelling in (product.name, *product.aliases):
            assert find_product(spelling) is product


def test_every_figure_is_plausible_and_has_a_source() -> None:
    for product in PRODUCTS:
        assert 14 * GIB < product.memory_bytes < 260 * GIB
        assert 200 <= product.bandwidth_gb_per_s <= 8000
        assert 50 <= product.tdp_watts <= 1200
        assert product.confidence_floor in {0.80, 0.70, 0.55}
        assert product.source[-4:].isdigit()


def test_the_tiers_of_the_design_have_its_floors() -> None:
    floors = {
        "NVIDIA-GeForce-RTX-4090": 0.80,
        "NVIDIA-A40": 0.80,
        "NVIDIA-A100-SXM4-40GB": 0.70,
        "NVIDIA-H100-80GB-HBM3": 0.55,
    }
    found = {name: find_product(name) for name in floors}
    assert {name: gpu and gpu.confidence_floor for name, gpu in found.items()} == floors


def test_a_misspelt_product_has_a_suggestion() -> None:
    assert "NVIDIA-H100-PCIe" in similar_products("NVIDIA-H100-PCIE-8OGB")
    assert similar_products("abacus") == ()
