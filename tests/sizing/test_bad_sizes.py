"""Numbers and names that cannot be: each is refused with the field, the value and what is right."""

from __future__ import annotations

from typing import Any

import pytest
from big_models import LLAMA_8B as LLAMA

from tierwise_core.architectures import metadata_from_config
from tierwise_core.errors import (
    InvalidSizeError,
    TensorParallelError,
    UnknownQuantizationError,
)
from tierwise_core.model_metadata import Demand, ModelMetadata, SizeOverrides
from tierwise_core.sizing import memory_per_gpu, size_request
from tierwise_core.weight_bytes import stored_bytes

NONE = SizeOverrides()
WEIGHTS, PARAMETERS = 16_060_522_496, 8_030_261_248


def read(config: dict[str, Any], overrides: SizeOverrides = NONE) -> ModelMetadata:
    return metadata_from_config(config, WEIGHTS, PARAMETERS, overrides=overrides)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (
            SizeOverrides(weights_bytes=WEIGHTS // 10),
            "1606052249 contradicts the files, which hold 16060522496; leave it out, or give 2007",
        ),
        (SizeOverrides(weights_bytes=WEIGHTS * 10), "spec.model.size.weights: 160605224960"),
        (
            SizeOverrides(parameters=1_000_000_000),
            "spec.model.size.parameters: 1000000000 contradicts the files, which hold 8030261248",
        ),
        (
            SizeOverrides(kv_bytes_per_token=1),
            "spec.model.size.kvBytesPerToken: 1 contradicts the files, which say 131072",
        ),
        (SizeOverrides(activation_bytes=-1), "spec.model.size.activation: -1 is too small"),
        (SizeOverrides(overhead_bytes=-1), "spec.model.size.overhead: -1 is too small"),
        (SizeOverrides(weights_bytes=0), "spec.model.size.weights: 0 is too small"),
    ],
)
def test_an_override_that_the_files_contradict_is_refused(
    overrides: SizeOverrides, named: str
) -> None:
    with pytest.raises(InvalidSizeError) as refused:
        size_request(read(LLAMA), overrides, Demand(4096))
    assert named in str(refused.value)


@pytest.mark.parametrize(
    "overrides",
    [
        SizeOverrides(weights_bytes=WEIGHTS // 4),
        SizeOverrides(weights_bytes=2 * WEIGHTS),
        SizeOverrides(parameters=8_000_000_000),
        SizeOverrides(kv_bytes_per_token=65536),
    ],
)
def test_what_an_engine_may_make_of_the_files_is_taken(overrides: SizeOverrides) -> None:
    assert size_request(read(LLAMA), overrides, Demand(4096))


def test_an_unknown_quantization_in_the_files_is_refused_with_the_known_ones() -> None:
    config = LLAMA | {"quantization_config": {"quant_method": "magic2bit"}}
    with pytest.raises(UnknownQuantizationError) as refused:
        read(config)
    message = str(refused.value)
    assert "quantization_config.quant_method: 'magic2bit'" in message
    assert all(known in message for known in ("awq", "bitsandbytes", "compressed-tensors", "mxfp4"))
    assert "spec.model.size.weights" in message


def test_the_weights_given_by_hand_settle_an_unknown_quantization() -> None:
    config = LLAMA | {"quantization_config": {"quant_method": "magic2bit"}}
    assert read(config, SizeOverrides(weights_bytes=4 * 10**9)).quantization == "magic2bit"


def test_an_unknown_quantization_in_the_spec_is_refused() -> None:
    with pytest.raises(UnknownQuantizationError, match=r"spec\.model\.quantization: 'fp3'"):
        size_request(read(LLAMA), NONE, Demand(4096, quantization="fp3"))


def test_an_unknown_dtype_of_the_cache_is_refused() -> None:
    with pytest.raises(InvalidSizeError, match=r"spec.model.kvCacheDtype: 'fp4'.*fp8"):
        size_request(read(LLAMA), NONE, Demand(4096, kv_cache_dtype="fp4"))


@pytest.mark.parametrize(
    ("method", "low", "high"),
    [("fp8", 0.55, 0.60), ("bitsandbytes", 0.33, 0.38), ("awq", 1.0, 1.0)],
)
def test_weights_that_are_quantized_while_loading_take_less(
    method: str, low: float, high: float
) -> None:
    """Embedding and output layer stay in 16 bit, so that 8 bit is more than half."""
    need = memory_per_gpu(read(LLAMA), NONE, Demand(4096, quantization=method), 1)
    assert low <= need.weights_bytes / WEIGHTS <= high


def test_files_in_32_bit_are_loaded_in_16() -> None:
    wide = metadata_from_config(LLAMA, 2 * WEIGHTS, PARAMETERS, {"F32": PARAMETERS})
    assert memory_per_gpu(wide, NONE, Demand(4096), 1).weights_bytes == WEIGHTS


def test_a_checkpoint_that_asks_for_a_narrow_cache_gets_it() -> None:
    config = LLAMA | {
        "quantization_config": {
            "quant_method": "compressed-tensors",
            "kv_cache_scheme": {"num_bits": 8, "type": "float"},
        }
    }
    narrow = memory_per_gpu(read(config), NONE, Demand(4096), 1).kv_cache_bytes
    assert narrow * 2 == memory_per_gpu(read(LLAMA), NONE, Demand(4096), 1).kv_cache_bytes


AWQ = LLAMA | {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128}}


@pytest.mark.parametrize(
    ("config", "size", "named"),
    [
        (LLAMA, 3, "does not divide the model's 32 attention heads"),
        (AWQ | {"intermediate_size": 11008}, 4, "feed-forward width of 11008 into whole quant"),
        (LLAMA | {"intermediate_size": 14338}, 4, "feed-forward width of 14338"),
        (
            LLAMA | {"vision_config": {"num_hidden_layers": 4, "hidden_size": 64, "num_heads": 6}},
            4,
            "6 heads of the vision tower",
        ),
        (
            LLAMA | {"num_attention_heads": 30, "num_key_value_heads": 30, "vocab_size": 64},
            3,
            "feed-forward width",
        ),
        (
            LLAMA
            | {
                "num_attention_heads": 24,
                "num_key_value_heads": 24,
                "intermediate_size": 9216,
                "vocab_size": 32000,
            },
            3,
            "vocabulary, padded to 32000",
        ),
    ],
)
def test_a_cut_that_the_engine_refuses_is_refused(
    config: dict[str, Any], size: int, named: str
) -> None:
    with pytest.raises(TensorParallelError) as refused:
        size_request(read(config), NONE, Demand(4096, tensor_parallel=size))
    message = str(refused.value)
    assert f"spec.placement.tensorParallel: {size}" in message
    assert named in message
    assert "these work: 1" in message


def test_what_cannot_be_cut_lies_whole_on_every_gpu() -> None:
    """DeepSeek's narrow projections: 61 x (7168 x 1536 + 7168 x 576) values."""
    config = {
        "model_type": "deepseek_v3",
        "hidden_size": 7168,
        "intermediate_size": 18432,
        "num_hidden_layers": 61,
        "num_attention_heads": 128,
        "q_lora_rank": 1536,
        "kv_lora_rank": 512,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "vocab_size": 129280,
        "max_position_embeddings": 163840,
    }
    weights = stored_bytes(config)
    metadata = metadata_from_config(config, weights, weights // 2)
    need = memory_per_gpu(metadata, NONE, Demand(4096), 8)
    beyond = need.weights_bytes - weights / 8
    assert beyond == pytest.approx(61 * 7168 * (1536 + 576) * 2 * 7 / 8, rel=0.01)


def test_the_largest_stage_of_a_pipeline_has_one_end_of_the_model() -> None:
    ends = 128256 * 4096 * 2
    blocks = WEIGHTS - 2 * ends
    need = memory_per_gpu(read(LLAMA), NONE, Demand(4096, pipeline_parallel=2), 1)
    assert need.weights_bytes == pytest.approx(blocks / 2 + ends, rel=0.001)


def test_each_stage_caches_its_own_layers() -> None:
    whole, half = (
        memory_per_gpu(read(LLAMA), NONE, Demand(4096, pipeline_parallel=stages), 1).kv_cache_bytes
        for stages in (1, 2)
    )
    assert whole == 2 * half
