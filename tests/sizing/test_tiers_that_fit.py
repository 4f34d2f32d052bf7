"""Which tiers hold a model: the report behind ``tierwise size``."""

from __future__ import annotations

import json

import pytest
from known_facts import LLAMA_8B

from tierwise_core.correction import Correction
from tierwise_core.errors import InvalidSizeError, UnknownArchitectureError
from tierwise_core.fit import FitReport, fits
from tierwise_core.model_metadata import Demand, SizeOverrides
from tierwise_core.placement_types import NodeCapacity, Tier

GIB = 2**30
NONE = SizeOverrides()
H100 = Tier("h100", 80 * GIB, usd_per_gpu_hour=3.0)
RTX = Tier("rtx-4090", 24 * GIB, usd_per_gpu_hour=0.4)


def report(*tiers: Tier, demand: Demand | None = None) -> FitReport:
    return fits(LLAMA_8B, NONE, demand or Demand(8192, concurrency=8), tiers)


def test_the_report_has_the_fields_that_programs_read() -> None:
    plain = json.loads(json.dumps(report(H100, RTX).as_json()))
    assert set(plain) == {
        "weights_bytes",
        "kv_bytes_per_token",
        "kv_bytes",
        "activation_bytes",
        "overhead_bytes",
        "total_bytes_per_gpu",
        "fits",
        "rejected",
        "assumptions",
    }
    assert set(plain["fits"][0]) == {
        "tier",
        "gpus",
        "tensor_parallel",
        "usd_per_hour",
        "headroom_bytes",
        "max_context",
        "max_concurrency",
    }


def test_the_whole_model_s_figures_do_not_depend_on_the_cut() -> None:
    found = report(RTX, demand=Demand(8192, concurrency=8, tensor_parallel=2))
    assert found.weights_bytes == LLAMA_8B.weights_bytes
    assert found.kv_bytes == 131072 * 8192 * 8
    assert found.kv_bytes_per_token == 131072
    assert found.total_bytes_per_gpu == (
        found.weights_bytes // 2
        + found.kv_bytes // 2
        + found.activation_bytes
        + found.overhead_bytes
    )


def test_the_cheapest_comes_first_whatever_its_gpus() -> None:
    found = report(H100, RTX)
    assert [(fit.tier, fit.gpus, fit.usd_per_hour) for fit in found.fits] == [
        ("rtx-4090", 2, 0.8),
        ("h100", 1, 3.0),
    ]


def test_a_tier_that_is_too_small_says_by_how_much() -> None:
    found = report(Tier("tiny", 4 * GIB), demand=Demand(8192, tensor_parallel=1))
    assert found.fits == ()
    assert found.rejected[0].tier == "tiny"
    assert "needs 25.3 GiB of 1 GPU, 3.6 GiB are usable: 21.7 GiB short" in found.rejected[0].reason


def test_nodes_limit_the_cut() -> None:
    one_gpu_each = (NodeCapacity("a", 1, 1), NodeCapacity("b", 1, 1))
    found = report(Tier("rtx-4090", 24 * GIB, nodes=one_gpu_each))
    assert "needs 25.3 GiB of 1 GPU" in found.rejected[0].reason
    fixed = report(
        Tier("rtx-4090", 24 * GIB, nodes=one_gpu_each), demand=Demand(8192, tensor_parallel=2)
    )
    assert fixed.rejected[0].reason == "needs 2 GPUs on one node, its largest node has 1"


def test_slices_of_a_gpu_are_not_joined() -> None:
    slices = Tier("mig", 40 * GIB, resource_name="nvidia.com/mig-3g.40gb")
    assert [fit.tensor_parallel for fit in report(slices).fits] == [1]
    cut = report(slices, demand=Demand(8192, tensor_parallel=2))
    assert "slices of a GPU (MIG) cannot be joined" in cut.rejected[0].reason


def test_a_tier_of_unknown_memory_says_what_to_set() -> None:
    assert "set spec.gpu.memory" in report(Tier("new", 0)).rejected[0].reason


def test_a_pipeline_counts_the_gpus_of_all_its_nodes() -> None:
    demand = Demand(8192, concurrency=8, pipeline_parallel=2, tensor_parallel=1)
    fit = report(RTX, demand=demand).fits[0]
    assert (fit.gpus, fit.tensor_parallel, fit.usd_per_hour) == (2, 1, 0.8)


def test_what_was_learned_on_a_tier_counts_there_and_is_said() -> None:
    learned = {"h100": Correction(samples=5, weights_factor=1.0, overhead_bytes=GIB)}
    plain = fits(LLAMA_8B, NONE, Demand(8192), [H100, RTX])
    found = fits(LLAMA_8B, NONE, Demand(8192), [H100, RTX], learned)
    headroom = {fit.tier: fit.headroom_bytes for fit in plain.fits}
    assert {fit.tier: fit.headroom_bytes for fit in found.fits} == headroom | {
        "h100": headroom["h100"] - GIB
    }
    assert any("tier h100: corrected by what 5 loads there took" in a for a in found.assumptions)


def test_no_tier_at_all_is_answered_with_the_need() -> None:
    assert report().total_bytes_per_gpu > 0


@pytest.mark.parametrize(
    ("tiers", "named"),
    [((H100, H100), "two tiers are named 'h100'"), ((Tier("x", -1),), "tier x: spec.gpu.memory")],
)
def test_tiers_that_cannot_be_are_refused(tiers: tuple[Tier, ...], named: str) -> None:
    with pytest.raises(InvalidSizeError, match=named):
        report(*tiers)


def test_an_unread_model_needs_what_sizing_needs() -> None:
    with pytest.raises(UnknownArchitectureError, match="must be given"):
        fits(None, NONE, Demand(8192), [H100])


def test_concurrency_ends_where_the_engine_s_batch_does() -> None:
    small = Demand(128, concurrency=1, max_sequences=32)
    assert report(H100, demand=small).fits[0].max_concurrency == 32
