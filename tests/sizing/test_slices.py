"""MIG: tiers of slices of a GPU."""

from __future__ import annotations

import pytest

from tierwise_core.mig import is_slice, slice_memory_bytes
from tierwise_core.model_metadata import MemoryBreakdown
from tierwise_core.placement import place
from tierwise_core.placement_types import NodeCapacity, Request, Tier
from tierwise_operator.distill import gpu_tier

GIB = 2**30
NODES = (NodeCapacity("a", gpus_free=7, gpus_total=7),)
SLICES = Tier("slices", int(9.5 * GIB), nodes=NODES, resource_name="nvidia.com/mig-1g.10gb")


def needs(gib: float) -> MemoryBreakdown:
    return MemoryBreakdown(int(gib * GIB), 0, 0, 0)


@pytest.mark.parametrize(
    ("resource", "gib"),
    [
        ("nvidia.com/mig-1g.5gb", 4.75),
        ("nvidia.com/mig-1g.10gb", 9.50),
        ("nvidia.com/mig-1g.10gb.me", 9.50),
        ("nvidia.com/mig-7g.80gb", 78.75),
    ],
)
def test_a_slice_has_the_memory_of_its_profile(resource: str, gib: float) -> None:
    assert is_slice(resource)
    assert slice_memory_bytes(resource) == int(gib * GIB)


def test_a_profile_nobody_listed_has_a_little_less_than_its_name_says() -> None:
    assert slice_memory_bytes("nvidia.com/mig-2g.48gb") == int(48 * 0.88 * GIB)


@pytest.mark.parametrize("resource", ["nvidia.com/gpu", "nvidia.com/mig", "amd.com/gpu", ""])
def test_a_whole_gpu_is_no_slice(resource: str) -> None:
    assert not is_slice(resource)
    assert slice_memory_bytes(resource) is None


def tier_resource(**spec: object) -> dict[str, object]:
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "GPUTier",
        "metadata": {"name": "slices"},
        "spec": {
            "gpu": {"product": "NVIDIA-A100-SXM4-80GB"},
            "price": {"perGPUHour": 0.5},
            "resourceName": "nvidia.com/mig-3g.40gb",
            **spec,
        },
    }


def test_a_tier_of_slices_has_not_the_memory_of_the_gpu_they_are_cut_from() -> None:
    assert gpu_tier(tier_resource()).memory_bytes == int(39.25 * GIB)


def test_what_a_tier_says_of_its_memory_wins() -> None:
    stated = tier_resource(gpu={"product": "NVIDIA-A100-SXM4-80GB", "memory": "20Gi"})
    assert gpu_tier(stated).memory_bytes == 20 * GIB


def test_a_model_that_needs_two_gpus_is_not_put_on_two_slices() -> None:
    wide = Request("default/wide", memory={1: needs(16), 2: needs(8)})
    plan = place([wide], [SLICES])
    assert plan.assignments == {}
    reason = plan.rejections["default/wide"][0].reason
    assert reason.endswith("slices of a GPU (MIG) cannot be joined")


def test_a_model_that_fits_one_slice_gets_one() -> None:
    narrow = Request("default/narrow", memory={1: needs(8), 2: needs(4)})
    assignment = place([narrow], [SLICES]).assignments["default/narrow"]
    assert (assignment.tier, assignment.tensor_parallel) == ("slices", 1)
