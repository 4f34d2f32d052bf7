"""What is read out of the configs of real models, abridged to the keys that matter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import big_models
import known_facts
import pytest

from tierwise_core.architectures import metadata_from_config
from tierwise_core.errors import UnknownArchitectureError
from tierwise_core.layer_cache import CacheKind, LayerCache
from tierwise_core.sizing import ModelMetadata, SizeOverrides

LLAMA_8B = {
    **big_models.LLAMA_8B,
    "rope_scaling": {
        "factor": 8.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
}

# Name, config, KV bytes per token in 16 bit, worked out by hand beside it.
REAL_MODELS: list[tuple[str, dict[str, Any], int]] = [
    ("Llama-3.1-8B", LLAMA_8B, 2 * 32 * 8 * 128 * 2),
    (
        "Llama-3.1-405B",
        LLAMA_8B
        | {
            "hidden_size": 16384,
            "num_hidden_layers": 126,
            "num_attention_heads": 128,
        },
        2 * 126 * 8 * 128 * 2,
    ),
    (
        "Mistral-Nemo (head_dim is not hidden / heads)",
        {
            "model_type": "mistral",
            "hidden_size": 5120,
            "num_hidden_layers": 40,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "max_position_embeddings": 131072,
        },
        2 * 40 * 8 * 128 * 2,
    ),
    (
        "Qwen2.5-7B",
        {
            "model_type": "qwen2",
            "hidden_size": 3584,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "max_position_embeddings": 32768,
        },
        57344,
    ),
    (
        "Qwen3-30B-A3B (experts change nothing in the cache)",
        {
            "model_type": "qwen3_moe",
            "hidden_size": 2048,
            "num_hidden_layers": 48,
            "num_attention_heads": 32,
            "num_key_value_heads": 4,
            "head_dim": 128,
            "num_experts": 128,
            "num_experts_per_tok": 8,
            "max_position_embeddings": 40960,
        },
        98304,
    ),
    (
        "Phi-3-mini (multi-head)",
        {
            "model_type": "phi3",
            "hidden_size": 3072,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "max_position_embeddings": 4096,
            "sliding_window": 2047,
        },
        2 * 32 * 32 * 96 * 2,
    ),
    (
        "GPT-2 (names of its own, no key-value heads)",
        {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024},
        36864,
    ),
    (
        "Falcon-7B (multi-query, although num_kv_heads says 71)",
        {
            "model_type": "falcon",
            "hidden_size": 4544,
            "num_hidden_layers": 32,
            "num_attention_heads": 71,
            "num_kv_heads": 71,
            "multi_query": True,
            "new_decoder_architecture": False,
        },
        2 * 32 * 1 * 64 * 2,
    ),
    (
        "Falcon-40B (grouped, although multi_query is set)",
        {
            "model_type": "falcon",
            "hidden_size": 8192,
            "num_hidden_layers": 60,
            "num_attention_heads": 128,
            "num_kv_heads": 8,
            "multi_query": True,
            "new_decoder_architecture": True,
        },
        2 * 60 * 8 * 64 * 2,
    ),
    (
        "ChatGLM3-6B",
        {
            "model_type": "chatglm",
            "hidden_size": 4096,
            "num_layers": 28,
            "num_attention_heads": 32,
            "multi_query_attention": True,
            "multi_query_group_num": 2,
            "kv_channels": 128,
            "seq_length": 8192,
        },
        28672,
    ),
    (
        "MPT (nested attention settings)",
        {
            "model_type": "mpt",
            "d_model": 4096,
            "n_layers": 32,
            "n_heads": 32,
            "max_seq_len": 2048,
            "attn_config": {"kv_n_heads": 4},
        },
        2 * 32 * 4 * 128 * 2,
    ),
    (
        "gpt-oss-20b",
        {
            "model_type": "gpt_oss",
            "hidden_size": 2880,
            "num_hidden_layers": 24,
            "num_attention_heads": 64,
            "num_key_value_heads": 8,
            "head_dim": 64,
            "max_position_embeddings": 131072,
            "layer_types": ["sliding_attention", "full_attention"] * 12,
            "sliding_window": 128,
        },
        49152,
    ),
    (
        "DeepSeek-V3 (latent)",
        {
            "model_type": "deepseek_v3",
            "hidden_size": 7168,
            "num_hidden_layers": 61,
            "num_attention_heads": 128,
            "num_key_value_heads": 128,
            "kv_lora_rank": 512,
            "qk_rope_head_dim": 64,
            "qk_nope_head_dim": 128,
        },
        61 * (512 + 64) * 2,
    ),
    (
        "LLaVA-1.5-7B (a nested config that leaves out its class's defaults)",
        {
            "architectures": ["LlavaForConditionalGeneration"],
            "model_type": "llava",
            "text_config": {"model_type": "llama", "max_position_embeddings": 4096},
            "vision_config": {"hidden_size": 1024, "num_hidden_layers": 24},
        },
        2 * 32 * 32 * 128 * 2,
    ),
    (
        "Gemma-3-4B (nested, heads left out)",
        {
            "architectures": ["Gemma3ForConditionalGeneration"],
            "model_type": "gemma3",
            "text_config": {
                "model_type": "gemma3_text",
                "hidden_size": 2560,
                "intermediate_size": 10240,
                "num_hidden_layers": 34,
                "sliding_window": 1024,
                "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
            },
            "vision_config": {"hidden_size": 1152},
        },
        2 * 34 * 4 * 256 * 2,
    ),
]


def read(config: dict[str, Any], **kwargs: Any) -> ModelMetadata:
    return metadata_from_config(config, 1000, 500, **kwargs)


@pytest.mark.parametrize(
    ("config", "kv_bytes_per_token"),
    [(config, expected) for _, config, expected in REAL_MODELS],
    ids=[name for name, _, _ in REAL_MODELS],
)
def test_kv_bytes_per_token_of_a_real_model(
    config: dict[str, Any], kv_bytes_per_token: int
) -> None:
    assert read(config).kv_bytes_per_token == kv_bytes_per_token


def test_every_fact_of_a_llama_is_read() -> None:
    found = metadata_from_config(LLAMA_8B, 16_060_522_496, 8_030_261_248)
    assert found.caches == (LayerCache(CacheKind.FULL, 32, kv_heads=8, values=256),)
    assert sum(linear.parameters for linear in found.linears) == 8_030_261_248
    assert replace(found, caches=(), linears=()) == known_facts.LLAMA_8B


def test_the_width_of_one_expert_counts_not_that_of_all() -> None:
    mixtral = LLAMA_8B | {"num_local_experts": 8, "num_experts_per_tok": 2}
    fine_grained = mixtral | {"moe_intermediate_size": 768}
    assert (read(mixtral).intermediate_size, read(mixtral).experts_per_token) == (14336, 2)
    assert read(fine_grained).intermediate_size == 768


@pytest.mark.parametrize(
    ("scaling", "context_length"),
    [
        (None, 131072),
        ({"rope_type": "llama3", "factor": 8.0}, 131072),
        ({"type": "longrope", "factor": 32.0}, 131072),
        ({"type": "linear", "factor": 2.0}, 262144),
        ({"type": "dynamic", "factor": 4.0}, 524288),
        ({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}, 131072),
        ({"type": "mrope", "mrope_section": [16, 24, 24]}, 131072),
    ],
)
def test_context_is_stretched_by_rope_scaling_as_vllm_does(
    scaling: dict[str, Any] | None, context_length: int
) -> None:
    assert read(LLAMA_8B | {"rope_scaling": scaling}).context_length == context_length


def test_the_shortest_of_several_lengths_counts() -> None:
    assert read(LLAMA_8B | {"seq_length": 8192}).context_length == 8192


@pytest.mark.parametrize(
    ("config", "dtypes", "dtype", "notes"),
    [
        ({"torch_dtype": "float16"}, {"BF16": 10}, "float16", 0),
        ({"torch_dtype": None, "dtype": "bfloat16"}, {}, "bfloat16", 0),
        ({"torch_dtype": None}, {"F16": 10, "BF16": 2, "F32": 99}, "float16", 0),
        ({"torch_dtype": "float32"}, {"F32": 10}, "bfloat16", 1),
        ({"torch_dtype": None}, {}, "bfloat16", 1),
    ],
)
def test_the_dtype_it_runs_in(
    config: dict[str, Any], dtypes: dict[str, int], dtype: str, notes: int
) -> None:
    found = read(LLAMA_8B | config, dtypes=dtypes)
    assert found.dtype == dtype
    assert len(found.assumptions) == notes


def test_a_dtype_beside_the_nested_config_counts() -> None:
    config = {"text_config": LLAMA_8B | {"torch_dtype": None}, "torch_dtype": "float16"}
    assert read(config).dtype == "float16"


def test_packed_weights_are_counted_unpacked() -> None:
    gptq = LLAMA_8B | {"quantization_config": {"quant_method": "gptq", "bits": 4}}
    found = read(gptq, dtypes={"I32": 1_000, "F16": 7})
    assert (found.parameters, found.quantization) == (8_007, "gptq")


def test_a_family_nobody_knows_is_taken_for_standard_attention_and_that_is_said() -> None:
    found = read(LLAMA_8B | {"model_type": "nextgen"})
    assert found.kv_bytes_per_token == 131072
    assert found.assumptions == (
        "nextgen is not a family we know: its config looks like standard attention",
    )


def test_defaults_that_were_filled_in_are_said() -> None:
    config = {"model_type": "llava", "text_config": {"model_type": "llama", "hidden_size": 4096}}
    assert "num_hidden_layers 32" in read(config).assumptions[0]


def test_an_encoder_keeps_no_cache() -> None:
    bert = {
        "model_type": "bert",
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "max_position_embeddings": 512,
    }
    assert read(bert).kv_bytes_per_token == 0


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"model_type": "mamba", "state_size": 16, "num_hidden_layers": 24}, "hidden_size"),
        (LLAMA_8B | {"layer_types": ["full_attention", "linear_attention"]}, "linear_attention"),
        (LLAMA_8B | {"attn_type_list": [0, 1]}, "attn_type_list"),
        (LLAMA_8B | {"is_encoder_decoder": True}, "encoder-decoder"),
        ({"model_type": "resnet"}, "num_hidden_layers"),
        ({}, "num_hidden_layers"),
        (LLAMA_8B | {"num_key_value_heads": [8, 4]}, "num_key_value_heads is [8, 4]"),
        (LLAMA_8B | {"num_hidden_layers": "many"}, "num_hidden_layers is 'many'"),
        (LLAMA_8B | {"num_attention_heads": 0}, "num_attention_heads is 0"),
        (LLAMA_8B | {"num_attention_heads": True}, "num_attention_heads is True"),
    ],
)
def test_what_is_not_understood_is_refused_with_the_override_that_settles_it(
    config: dict[str, Any], named: str
) -> None:
    with pytest.raises(UnknownArchitectureError) as refused:
        read(config)
    assert named in str(refused.value)
    assert "spec.model.size.kvBytesPerToken" in str(refused.value)
    assert refused.value.reason == "UnknownArchitecture"


def test_the_override_settles_it() -> None:
    mamba = {"model_type": "mamba", "state_size": 16, "num_hidden_layers": 24}
    found = read(mamba, overrides=SizeOverrides(kv_bytes_per_token=0))
    assert found.kv_bytes_per_token == 0
    assert "kvBytesPerToken" in found.assumptions[0]
