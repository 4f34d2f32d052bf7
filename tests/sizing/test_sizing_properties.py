"""What must hold of every model and every demand."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import MODELS

from tierwise_core.architectures import metadata_from_config
from tierwise_core.errors import TierwiseError
from tierwise_core.fit import fits
from tierwise_core.model_metadata import Demand, ModelMetadata, SizeOverrides
from tierwise_core.placement_types import Tier
from tierwise_core.sizing import memory_per_gpu, size_request
from tierwise_core.weight_bytes import stored_bytes

PUBLISHED = json.loads((Path(__file__).parent / "public_models.json").read_text())
CONFIGS: list[dict[str, Any]] = [
    *(entry["config"] for entry in PUBLISHED),
    *(config for config in MODELS.values()),
]
NONE = SizeOverrides()
LONG = 2**20


def model(config: dict[str, Any]) -> ModelMetadata:
    return replace(metadata_from_config(config, 10**10, 5 * 10**9), context_length=LONG)


models = st.sampled_from(CONFIGS).map(model)
contexts = st.integers(1, LONG)
demands = st.builds(
    Demand,
    context_length_tokens=contexts,
    concurrency=st.integers(1, 300),
    max_batched_tokens=st.integers(1, 16384),
    kv_cache_dtype=st.sampled_from(["auto", "fp8", "bfloat16", "nvfp4"]),
    pipeline_parallel=st.integers(1, 4),
    prefix_caching=st.booleans(),
    grouped_cache=st.booleans(),
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(models, demands, contexts)
def test_a_longer_context_never_takes_less(
    metadata: ModelMetadata, demand: Demand, other: int
) -> None:
    short, long = sorted((demand.context_length_tokens or 1, other))
    less, more = (
        memory_per_gpu(metadata, NONE, replace(demand, context_length_tokens=tokens), 1)
        for tokens in (short, long)
    )
    assert less.kv_cache_bytes <= more.kv_cache_bytes


@given(models, demands)
def test_one_more_sequence_takes_as_much_as_the_one_before(
    metadata: ModelMetadata, demand: Demand
) -> None:
    needs = [
        memory_per_gpu(metadata, NONE, replace(demand, concurrency=n), 1).kv_cache_bytes
        for n in (demand.concurrency, demand.concurrency + 1, demand.concurrency + 2)
    ]
    step = needs[1] - needs[0]
    # Plain figures per token are rounded up once, so that they may differ by a byte.
    assert step >= 0
    assert abs((needs[2] - needs[1]) - step) <= 1


@given(models, demands)
def test_more_gpus_never_take_more_of_each(metadata: ModelMetadata, demand: Demand) -> None:
    needs = list(size_request(metadata, NONE, demand).values())
    weights = [need.weights_bytes for need in needs]
    caches = [need.kv_cache_bytes for need in needs]
    assert weights == sorted(weights, reverse=True)
    if not any(cache.state for cache in metadata.caches):
        assert caches == sorted(caches, reverse=True)


@given(models, demands)
def test_the_parts_of_a_replica_are_never_less_than_the_whole(
    metadata: ModelMetadata, demand: Demand
) -> None:
    whole = memory_per_gpu(metadata, NONE, replace(demand, pipeline_parallel=1), 1).weights_bytes
    for size, need in size_request(metadata, NONE, demand).items():
        assert need.weights_bytes * size * demand.pipeline_parallel >= whole


@given(models, demands)
def test_a_narrower_cache_never_takes_more(metadata: ModelMetadata, demand: Demand) -> None:
    wide, narrow = (
        memory_per_gpu(metadata, NONE, replace(demand, kv_cache_dtype=dtype), 1).kv_cache_bytes
        for dtype in ("bfloat16", "fp8")
    )
    if not any(cache.state for cache in metadata.caches):
        assert narrow <= wide


@given(models, demands, st.integers(2**30, 200 * 2**30))
def test_what_is_said_to_fit_fits_and_no_more(
    metadata: ModelMetadata, demand: Demand, memory: int
) -> None:
    tier = Tier("t", memory, usd_per_gpu_hour=1.0)
    for fit in fits(metadata, NONE, demand, [tier]).fits:
        usable = tier.usable_bytes_per_gpu

        def needed(size: int = fit.tensor_parallel, **changes: int) -> int:
            asked = replace(demand, **changes)
            return memory_per_gpu(metadata, NONE, asked, size).total_bytes_per_gpu

        assert needed() + fit.headroom_bytes == usable
        assert needed(context_length_tokens=fit.max_context) <= usable
        assert fit.max_context >= (demand.context_length_tokens or 0)
        assert needed(concurrency=fit.max_concurrency) <= usable
        assert fit.max_concurrency >= demand.concurrency
        if fit.max_context < LONG:
            assert needed(context_length_tokens=fit.max_context + 1) > usable


@settings(max_examples=200)
@given(st.dictionaries(st.text(max_size=8), anything, max_size=6))
def test_any_json_is_sized_or_refused_in_our_own_words(config: dict[str, Any]) -> None:
    size_or_refuse(config)


@pytest.mark.parametrize(
    "nonsense",
    [
        {"rope_scaling": {"type": "linear", "factor": float("inf")}},
        {"rope_scaling": {"type": "linear", "factor": float("nan")}},
        {"rope_scaling": {"type": "linear", "factor": 1e300}},
        {"head_dim": None, "hidden_size": 8},
        {"hidden_size": 2**70},
        {"vocab_size": 2**70},
        {"num_experts_per_tok": 2, "moe_intermediate_size": ["full_attention"]},
        {"num_experts_per_tok": 2, "moe_intermediate_size": []},
        {"vision_config": {"depth": 2, "hidden_size": 64, "model_type": []}},
        {"vision_config": {"depth": 2**70, "hidden_size": 64}},
        {"quantization_config": {"quant_method": "awq", "group_size": 2**70}},
        {
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "first_k_dense_replace": 99,
            "num_nextn_predict_layers": 1,
        },
    ],
)
def test_nonsense_that_was_found_once_stays_sized_or_refused(nonsense: dict[str, Any]) -> None:
    size_or_refuse(CONFIGS[0] | nonsense)


@settings(max_examples=300)
@given(st.sampled_from(CONFIGS), st.data())
def test_a_real_config_with_any_value_in_any_place_is_sized_or_refused(
    config: dict[str, Any], data: st.DataObject
) -> None:
    changed = json.loads(json.dumps(config))
    place = changed
    for part in ("text_config", "vision_config", "quantization_config"):
        if isinstance(changed.get(part), dict) and data.draw(st.booleans()):
            place = changed[part]
            break
    for key in data.draw(st.lists(st.sampled_from(sorted(place)), min_size=1, max_size=3)):
        place[key] = data.draw(anything)
    size_or_refuse(changed)


def size_or_refuse(config: dict[str, Any]) -> None:
    with suppress(TierwiseError):
        metadata = metadata_from_config(config, 10**9, 5 * 10**8)
        size_request(metadata, NONE, Demand(512))
    with suppress(TierwiseError):
        stored_bytes(config)
