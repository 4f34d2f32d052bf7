"""How much of each GPU a model takes."""

from __future__ import annotations

import dataclasses

import pytest
from known_facts import LLAMA_8B

from tierwise_core.errors import InvalidSizeError, TensorParallelError, UnknownArchitectureError
from tierwise_core.sizing import (
    Demand,
    SizeOverrides,
    context_tokens,
    memory_per_gpu,
    missing_without_metadata,
    size_request,
    sizing_assumptions,
)

GIB = 2**30
NONE = SizeOverrides()

LATENT = dataclasses.replace(LLAMA_8B, kv_heads=32, kv_bytes_per_token=70272, latent_attention=True)


def test_the_kv_cache_holds_every_sequence_at_full_length() -> None:
    need = memory_per_gpu(LLAMA_8B, NONE, Demand(8192, concurrency=8), 1)
    assert need.kv_cache_bytes == 131072 * 8192 * 8


def test_a_sequence_takes_whole_blocks_of_sixteen_tokens() -> None:
    need = memory_per_gpu(LLAMA_8B, NONE, Demand(100, concurrency=3), 1)
    assert need.kv_cache_bytes == 131072 * 112 * 3


@pytest.mark.parametrize(("tensor_parallel", "shards"), [(1, 1), (2, 2), (8, 8), (16, 8), (32, 8)])
def test_the_kv_cache_is_cut_no_finer_than_one_head(tensor_parallel: int, shards: int) -> None:
    need = memory_per_gpu(LLAMA_8B, NONE, Demand(8192, concurrency=8), tensor_parallel)
    assert need.kv_cache_bytes == 131072 * 8192 * 8 // shards


def test_every_gpu_keeps_the_whole_latent_cache() -> None:
    demand = Demand(8192, concurrency=8)
    needs = [memory_per_gpu(LATENT, NONE, demand, size).kv_cache_bytes for size in (1, 2, 4)]
    assert needs == [70272 * 8192 * 8] * 3


def test_weights_are_divided_and_rounded_up() -> None:
    odd = dataclasses.replace(LLAMA_8B, weights_bytes=1001)
    assert memory_per_gpu(odd, NONE, Demand(16), 4).weights_bytes == 251


def test_an_fp8_cache_halves_the_kv_bytes() -> None:
    plain = memory_per_gpu(LLAMA_8B, NONE, Demand(8192), 1).kv_cache_bytes
    fp8 = memory_per_gpu(LLAMA_8B, NONE, Demand(8192, kv_cache_dtype="fp8_e4m3"), 1).kv_cache_bytes
    assert fp8 * 2 == plain


def test_experts_need_more_working_memory_than_the_same_width_dense() -> None:
    experts = dataclasses.replace(LLAMA_8B, experts_per_token=2, intermediate_size=14336)
    demand = Demand(8192, max_sequences=8)
    dense_need = memory_per_gpu(LLAMA_8B, NONE, demand, 1).activation_bytes
    assert memory_per_gpu(experts, NONE, demand, 1).activation_bytes > dense_need


def test_fewer_sequences_and_tokens_at_once_need_less_working_memory() -> None:
    usual = memory_per_gpu(LLAMA_8B, NONE, Demand(8192), 1).activation_bytes
    few = Demand(8192, max_batched_tokens=2048, max_sequences=16)
    assert memory_per_gpu(LLAMA_8B, NONE, few, 1).activation_bytes < usual / 3


def test_overrides_win_over_the_metadata() -> None:
    overrides = SizeOverrides(
        weights_bytes=40 * GIB, kv_bytes_per_token=1024, activation_bytes=7, overhead_bytes=5
    )
    need = memory_per_gpu(LLAMA_8B, overrides, Demand(2048, concurrency=2), 2)
    assert (need.weights_bytes, need.kv_cache_bytes) == (20 * GIB, 1024 * 2048 * 2 // 2)
    assert (need.activation_bytes, need.overhead_bytes) == (7, 5)
    assert need.total_bytes_per_gpu == 20 * GIB + 1024 * 2048 + 12


def test_overridden_parameters_keep_the_stored_width() -> None:
    quantized = dataclasses.replace(LLAMA_8B, weights_bytes=4_015_130_624)  # 4 bits each
    overrides = SizeOverrides(parameters=16_060_522_496)
    assert memory_per_gpu(quantized, overrides, Demand(16), 1).weights_bytes == 8_030_261_248


def test_parameters_alone_count_two_bytes_each() -> None:
    overrides = SizeOverrides(parameters=20_000_000_000, kv_bytes_per_token=0)
    assert memory_per_gpu(None, overrides, Demand(16), 1).weights_bytes == 40_000_000_000


def test_what_suffices_without_metadata_suffices() -> None:
    overrides = SizeOverrides(weights_bytes=40 * GIB, kv_bytes_per_token=1024)
    assert missing_without_metadata(overrides, Demand(2048)) == ()
    assert set(size_request(None, overrides, Demand(2048))) == {1, 2, 4, 8}


@pytest.mark.parametrize(
    ("overrides", "context", "missing"),
    [
        (NONE, 2048, ["spec.model.size.weights", "spec.model.size.kvBytesPerToken"]),
        (SizeOverrides(weights_bytes=1), 2048, ["spec.model.size.kvBytesPerToken"]),
        (SizeOverrides(parameters=1, kv_bytes_per_token=1), None, ["spec.model.maxModelLen"]),
    ],
)
def test_what_is_missing_without_metadata_is_named(
    overrides: SizeOverrides, context: int | None, missing: list[str]
) -> None:
    with pytest.raises(UnknownArchitectureError) as refused:
        size_request(None, overrides, Demand(context))
    assert all(field in str(refused.value) for field in missing)
    assert str(refused.value).count("spec.") == len(missing)


def test_only_sizes_that_divide_the_model_are_tried() -> None:
    qwen = dataclasses.replace(LLAMA_8B, attention_heads=28, kv_heads=4, intermediate_size=18944)
    assert set(size_request(qwen, NONE, Demand(4096))) == {1, 2, 4}


def test_few_key_value_heads_are_kept_by_several_gpus() -> None:
    few = dataclasses.replace(LLAMA_8B, kv_heads=2)
    assert set(size_request(few, NONE, Demand(4096))) == {1, 2, 4, 8}


def test_a_feed_forward_block_that_cannot_be_cut_so_limits_the_size() -> None:
    narrow = dataclasses.replace(LLAMA_8B, intermediate_size=11004)
    assert set(size_request(narrow, NONE, Demand(4096))) == {1, 2, 4}


def test_a_fixed_size_is_the_only_one() -> None:
    assert set(size_request(LLAMA_8B, NONE, Demand(4096, tensor_parallel=2))) == {2}


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (3, "does not divide the model's 32 attention heads; of 1, 2, 4 and 8 these work: 1, 2, 4"),
        (0, "is not a number of GPUs"),
    ],
)
def test_a_fixed_size_that_does_not_divide_is_refused(size: int, said: str) -> None:
    with pytest.raises(TensorParallelError) as refused:
        size_request(LLAMA_8B, NONE, Demand(4096, tensor_parallel=size))
    assert f"spec.placement.tensorParallel: {size} {said}" in str(refused.value)


def test_key_value_heads_must_divide_or_be_divided() -> None:
    odd = dataclasses.replace(LLAMA_8B, attention_heads=24, kv_heads=6)
    assert set(size_request(odd, NONE, Demand(4096))) == {1, 2}


def test_the_model_s_own_context_is_the_default() -> None:
    assert context_tokens(LLAMA_8B, Demand()) == 131072


def test_a_context_beyond_the_model_s_is_refused() -> None:
    with pytest.raises(InvalidSizeError, match=r"200000 is longer .* 131072 tokens; give 131072"):
        memory_per_gpu(LLAMA_8B, NONE, Demand(200_000), 1)


def test_a_context_that_nobody_knows_is_asked_for() -> None:
    unknown = dataclasses.replace(LLAMA_8B, context_length=0)
    with pytest.raises(UnknownArchitectureError, match=r"set spec\.model\.maxModelLen"):
        memory_per_gpu(unknown, NONE, Demand(), 1)


@pytest.mark.parametrize(
    ("overrides", "demand", "field"),
    [
        (SizeOverrides(weights_bytes=0), Demand(16), "spec.model.size.weights: 0"),
        (SizeOverrides(weights_bytes=-1), Demand(16), "spec.model.size.weights: -1"),
        (SizeOverrides(kv_bytes_per_token=-1), Demand(16), "spec.model.size.kvBytesPerToken: -1"),
        (SizeOverrides(activation_bytes=-1), Demand(16), "spec.model.size.activation: -1"),
        (NONE, Demand(0), "spec.model.maxModelLen: 0"),
        (NONE, Demand(16, concurrency=0), "spec.placement.targetConcurrency: 0"),
    ],
)
def test_impossible_numbers_are_refused_by_name(
    overrides: SizeOverrides, demand: Demand, field: str
) -> None:
    with pytest.raises(InvalidSizeError) as refused:
        memory_per_gpu(LLAMA_8B, overrides, demand, 1)
    assert str(refused.value).startswith(field)


def test_estimates_are_said_and_overridden_ones_are_not() -> None:
    assert len(sizing_assumptions(LLAMA_8B, NONE, Demand())) == 2
    exact = SizeOverrides(activation_bytes=1, overhead_bytes=1)
    assert sizing_assumptions(LLAMA_8B, exact, Demand()) == ()
