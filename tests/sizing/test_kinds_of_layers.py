"""What real configs leave in the cache, layer by layer, as vLLM 0.32 keeps it."""

from __future__ import annotations

from typing import Any

import pytest

from tierwise_core.architectures import metadata_from_config
from tierwise_core.cache_pool import EngineCache, cache_pool
from tierwise_core.errors import UnknownArchitectureError
from tierwise_core.layer_cache import CacheKind, LayerCache
from tierwise_core.model_metadata import Demand, ModelMetadata, SizeOverrides
from tierwise_core.sizing import replica_kv_bytes, replica_kv_bytes_per_token

PLAIN = {
    "hidden_size": 2048,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "max_position_embeddings": 131072,
}
ROW = 4 * 2 * 128 * 2  # bytes that one layer of these keeps of one token


def read(config: dict[str, Any]) -> ModelMetadata:
    return metadata_from_config({**PLAIN, **config}, 10**10, 5 * 10**9)


def kinds(config: dict[str, Any]) -> dict[CacheKind, tuple[int, int]]:
    """Layers and window, by kind."""
    return {cache.kind: (cache.layers, cache.window_tokens) for cache in read(config).caches}


@pytest.mark.parametrize(
    ("config", "full", "sliding", "window"),
    [
        ({"model_type": "gemma2", "num_hidden_layers": 42}, 21, 21, 4096),
        (
            {"model_type": "gemma3_text", "num_hidden_layers": 62, "sliding_window": 1024},
            10,
            52,
            1024,
        ),
        ({"model_type": "gpt_oss", "num_hidden_layers": 24}, 12, 12, 128),
        ({"model_type": "cohere2", "num_hidden_layers": 32}, 8, 24, 4097),
        ({"model_type": "olmo3", "num_hidden_layers": 32, "sliding_window": 4096}, 8, 24, 4096),
        ({"model_type": "mistral", "num_hidden_layers": 32}, 0, 32, 4096),
        ({"model_type": "mistral", "num_hidden_layers": 32, "sliding_window": None}, 32, 0, 0),
        ({"model_type": "phi3", "num_hidden_layers": 32, "sliding_window": 2047}, 0, 32, 2047),
        ({"model_type": "qwen2", "num_hidden_layers": 28, "sliding_window": 131072}, 28, 0, 0),
        (
            {
                "model_type": "qwen2",
                "num_hidden_layers": 28,
                "sliding_window": 4096,
                "use_sliding_window": True,
                "max_window_layers": 14,
            },
            14,
            14,
            4096,
        ),
        (
            {
                "model_type": "llama",
                "num_hidden_layers": 4,
                "sliding_window": 512,
                "layer_types": ["full_attention"] + ["sliding_attention"] * 3,
            },
            1,
            3,
            512,
        ),
        (
            {"model_type": "llama4_text", "num_hidden_layers": 48, "attention_chunk_size": 8192},
            48,
            0,
            0,
        ),
        (
            {"model_type": "gemma3n_text", "num_hidden_layers": 35, "num_kv_shared_layers": 15},
            4,
            16,
            512,
        ),
    ],
)
def test_windows_are_found_where_the_family_has_them(
    config: dict[str, Any], full: int, sliding: int, window: int
) -> None:
    found = kinds(config)
    assert found.get(CacheKind.FULL, (0, 0))[0] == full
    assert found.get(CacheKind.SLIDING, (0, 0)) == (sliding, window)


def test_chunked_layers_are_cached_whole_and_that_is_said() -> None:
    llama4 = {"model_type": "llama4_text", "num_hidden_layers": 48, "attention_chunk_size": 8192}
    assert any("chunked" in note for note in read(llama4).assumptions)


def test_a_window_saves_most_of_a_long_context() -> None:
    """62 layers, 52 of them with 1024 tokens: at 128 Ki tokens less than a fourth is left."""
    gemma = read({"model_type": "gemma3_text", "num_hidden_layers": 62, "sliding_window": 1024})
    demand = Demand(131072, concurrency=1)
    kept = replica_kv_bytes(gemma, SizeOverrides(), demand)
    assert kept < gemma.kv_bytes_per_token * 131072 / 3


def test_a_window_costs_a_little_of_a_short_context() -> None:
    """One block more for each group, and groups padded to ten layers: 62 become 7 x 10."""
    gemma = read({"model_type": "gemma3_text", "num_hidden_layers": 62, "sliding_window": 1024})
    kept = replica_kv_bytes_per_token(gemma, SizeOverrides(), Demand(1024, concurrency=1))
    assert kept == 10 * ROW * (64 * 7 + 6) / 64


def test_without_groups_every_layer_is_kept_whole() -> None:
    gemma = read({"model_type": "gemma2", "num_hidden_layers": 42})
    demand = Demand(131072, concurrency=1, grouped_cache=False)
    assert replica_kv_bytes_per_token(gemma, SizeOverrides(), demand) == 42 * ROW


def test_kinds_of_nearly_equal_number_are_padded_to_the_larger() -> None:
    """12 and 13 layers make two groups of 13, not one of 12 and two of which one is padding."""
    full = LayerCache(CacheKind.FULL, 13, 4, 256)
    window = LayerCache(CacheKind.SLIDING, 12, 4, 256, window_tokens=128)
    pool = cache_pool((full, window), 1, EngineCache())
    assert (len(pool.groups), pool.bytes_per_block) == (2, 13 * 16 * ROW)


def test_narrow_layers_get_longer_blocks_beside_wide_ones() -> None:
    """Half the heads: twice the tokens in a page of the same size."""
    full = LayerCache(CacheKind.FULL, 8, 8, 256)
    window = LayerCache(CacheKind.SLIDING, 8, 4, 256, window_tokens=128)
    pool = cache_pool((full, window), 1, EngineCache(tokens_in_flight=256))
    assert [page.tokens for page in pool.groups] == [16, 32]
    assert pool.sequence_blocks(1024) == 1024 // 16 + -(-(127 + 256) // 32) + 1


def test_layers_of_unlike_width_that_keep_every_token_share_a_block() -> None:
    """DeepSeek-V3.2: the latent of 576 values and the indexer's key of 128 with its scale."""
    config = {
        "model_type": "deepseek_v32",
        "num_hidden_layers": 61,
        "num_attention_heads": 128,
        "kv_lora_rank": 512,
        "qk_rope_head_dim": 64,
        "qk_nope_head_dim": 128,
        "index_head_dim": 128,
        "index_n_heads": 64,
        "index_topk": 2048,
    }
    demand = Demand(4096, concurrency=1)
    found = read(config)
    assert replica_kv_bytes_per_token(found, SizeOverrides(), demand) == 61 * (1152 + 132)
    packed = Demand(4096, concurrency=1, kv_cache_dtype="fp8_ds_mla")
    assert replica_kv_bytes_per_token(found, SizeOverrides(), packed) == 61 * (656 + 132)


GRANITE = {
    "model_type": "granitemoehybrid",
    "hidden_size": 1536,
    "num_attention_heads": 12,
    "num_key_value_heads": 4,
    "head_dim": None,
    "num_hidden_layers": 40,
    "layer_types": (["mamba"] * 9 + ["attention"]) * 4,
    "mamba_expand": 2,
    "mamba_n_groups": 1,
    "mamba_n_heads": 48,
    "mamba_d_head": 64,
    "mamba_d_state": 128,
    "mamba_d_conv": 4,
}


def test_an_attention_block_is_made_long_enough_for_a_state() -> None:
    """A state of 806,400 bytes, 2,048 bytes a token: blocks of 400 tokens, states padded."""
    found = read(GRANITE)
    pool = cache_pool(found.caches, 1, EngineCache())
    assert {page.tokens for page in pool.groups} == {400}
    assert pool.bytes_per_block == 4 * 400 * 2048
    assert len(pool.groups) == 10  # one of attention, nine of states


def test_a_hybrid_keeps_states_for_the_sequence_and_keys_for_its_tokens() -> None:
    found = read(GRANITE)
    pool = cache_pool(found.caches, 1, EngineCache())
    assert pool.sequence_blocks(4000) == 10 + 9 * 3
    uncached = cache_pool(found.caches, 1, EngineCache(prefix_caching=False))
    assert uncached.sequence_blocks(4000) == 10 + 9


def test_a_hybrid_without_any_state_layer_is_plain_attention() -> None:
    """Granite-4.0-Micro has the hybrid's config and attention in every layer."""
    micro = GRANITE | {"layer_types": ["attention"] * 40}
    assert [cache.kind for cache in read(micro).caches] == [CacheKind.FULL]


def test_groups_of_a_state_are_repeated_on_every_gpu() -> None:
    state = next(c.state for c in read(GRANITE).caches if c.state)
    assert state.on_each_of(1) == 3072 * 3 * 2 + 48 * 64 * 128 * 2 + 2 * 128 * 3 * 2
    assert state.on_each_of(4) == (3072 * 3 * 2 + 48 * 64 * 128 * 2) / 4 + 2 * 128 * 3 * 2


@pytest.mark.parametrize(
    ("config", "states", "attention", "state_bytes"),
    [
        (
            {
                "model_type": "qwen3_next",
                "num_hidden_layers": 48,
                "linear_num_key_heads": 16,
                "linear_num_value_heads": 32,
                "linear_key_head_dim": 128,
                "linear_value_head_dim": 128,
                "linear_conv_kernel_dim": 4,
            },
            36,
            12,
            (2 * 16 * 128 + 32 * 128) * 3 * 2 + 32 * 128 * 128 * 2,
        ),
        (
            {
                "model_type": "nemotron_h",
                "num_hidden_layers": 8,
                "hybrid_override_pattern": "M-M-M*-M",
                "mamba_num_heads": 128,
                "mamba_head_dim": 64,
                "n_groups": 8,
                "ssm_state_size": 128,
                "conv_kernel": 4,
            },
            4,
            1,
            (8192 + 2 * 8 * 128) * 3 * 2 + 128 * 64 * 128 * 4,
        ),
        (
            {
                "model_type": "jamba",
                "num_hidden_layers": 32,
                "attn_layer_period": 8,
                "attn_layer_offset": 4,
                "mamba_expand": 2,
                "mamba_d_state": 16,
                "mamba_d_conv": 4,
            },
            28,
            4,
            4096 * 3 * 2 + 4096 * 16 * 2,
        ),
        (
            {
                "model_type": "lfm2",
                "num_hidden_layers": 16,
                "layer_types": ["conv"] * 10 + ["full_attention"] * 6,
                "conv_L_cache": 3,
            },
            10,
            6,
            2048 * 2 * 2,
        ),
        (
            {
                "model_type": "zamba2",
                "num_hidden_layers": 54,
                "hybrid_layer_ids": [6, 12, 18, 24, 30, 36, 42, 47, 51],
                "n_mamba_heads": 64,
                "mamba_headdim": 64,
                "mamba_ngroups": 1,
                "mamba_d_state": 64,
                "mamba_expand": 2,
            },
            54,
            9,
            (4096 + 2 * 64) * 3 * 2 + 64 * 64 * 64 * 2,
        ),
        (
            {
                "model_type": "falcon_h1",
                "num_hidden_layers": 44,
                "mamba_d_ssm": 3072,
                "mamba_n_heads": 24,
                "mamba_d_head": 128,
                "mamba_n_groups": 2,
                "mamba_d_state": 256,
            },
            44,
            44,
            (3072 + 2 * 2 * 256) * 3 * 2 + 24 * 128 * 256 * 2,
        ),
        (
            {"model_type": "mamba", "num_hidden_layers": 64, "state_size": 16, "expand": 2},
            64,
            0,
            4096 * 3 * 2 + 4096 * 16 * 2,
        ),
    ],
)
def test_states_of_the_known_families(
    config: dict[str, Any], states: int, attention: int, state_bytes: int
) -> None:
    caches = read(config).caches
    state = next(cache for cache in caches if cache.kind is CacheKind.STATE)
    assert state.layers == states
    assert sum(c.layers for c in caches if c.kind is not CacheKind.STATE) == attention
    assert state.state is not None
    assert state.state.on_each_of(1) == state_bytes


def test_a_model_of_states_alone_takes_the_same_for_any_length() -> None:
    mamba = {"model_type": "mamba", "num_hidden_layers": 64, "state_size": 16, "expand": 2}
    needs = {
        replica_kv_bytes(read(mamba), SizeOverrides(), Demand(context, concurrency=1))
        for context in (16, 1000, 100_000)
    }
    assert needs == {64 * (4096 * 3 * 2 + 4096 * 16 * 2)}


def test_whisper_keeps_what_it_says_and_what_it_heard() -> None:
    whisper = {
        "model_type": "whisper",
        "architectures": ["WhisperForConditionalGeneration"],
        "is_encoder_decoder": True,
        "d_model": 1280,
        "decoder_layers": 32,
        "decoder_attention_heads": 20,
        "max_source_positions": 1500,
        "vocab_size": 51866,
    }
    found = metadata_from_config(whisper, 10**9, 5 * 10**8)
    pool = cache_pool(found.caches, 1, EngineCache())
    assert pool.bytes_per_block == 32 * 16 * 20 * 2 * 64 * 2
    assert pool.sequence_blocks(448) == 28 + 94


def test_a_family_with_other_layers_that_nobody_knows_is_refused() -> None:
    config = PLAIN | {"model_type": "rwkv9", "num_hidden_layers": 24, "rwkv_version": 9}
    with pytest.raises(UnknownArchitectureError, match=r"rwkv_version.*size\.kvBytesPerToken"):
        read(config)
