"""Which model families have plain attention, which keep no cache, and which are something else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["ENCODERS", "STANDARD", "layers_without_attention"]

STANDARD: Final = frozenset(
    {
        "arcee",
        "aquila",
        "baichuan",
        "bloom",
        "chatglm",
        "codegen",
        "cohere",
        "cohere2",
        "dbrx",
        "ernie4_5",
        "ernie4_5_moe",
        "exaone",
        "exaone4",
        "falcon",
        "gemma",
        "gemma2",
        "gemma3",
        "gemma3_text",
        "gemma3n_text",
        "glm",
        "glm4",
        "glm4_moe",
        "gpt2",
        "gpt_bigcode",
        "gpt_neox",
        "gpt_oss",
        "gptj",
        "granite",
        "granitemoe",
        "hunyuan_v1_dense",
        "hunyuan_v1_moe",
        "internlm",
        "internlm2",
        "internlm3",
        "llama",
        "llama4_text",
        "minicpm",
        "minimax_m2",
        "mistral",
        "mixtral",
        "mllama_text_model",
        "mpt",
        "nemotron",
        "olmo",
        "olmo2",
        "olmo3",
        "olmoe",
        "opt",
        "orion",
        "persimmon",
        "phi",
        "phi3",
        "phi3small",
        "phimoe",
        "qwen",
        "qwen2",
        "qwen2_moe",
        "qwen2_vl",
        "qwen2_5_vl",
        "qwen2_vl_text",
        "qwen2_5_vl_text",
        "qwen3",
        "qwen3_moe",
        "qwen3_vl_text",
        "qwen3_vl_moe_text",
        "seed_oss",
        "smollm3",
        "stablelm",
        "starcoder2",
        "xverse",
    }
)
"""``model_type`` of families whose config means what it says: keys and values in every layer."""

ENCODERS: Final = frozenset(
    {
        "bert",
        "camembert",
        "distilbert",
        "electra",
        "modernbert",
        "mpnet",
        "new",
        "nomic_bert",
        "roberta",
        "xlm-roberta",
    }
)
"""``model_type`` of families that read a text once and keep no cache."""

NOT_ATTENTION: Final = (
    "attn_layer_indices",
    "attn_layer_period",
    "block_types",
    "conv_L_cache",
    "hybrid_layer_ids",
    "hybrid_override_pattern",
    "layers_block_type",
    "linear_attn_config",
    "mamba_d_state",
    "mamba_num_heads",
    "rwkv_version",
    "ssm_cfg",
    "state_size",
)
ATTENTION_LAYERS: Final = frozenset(
    {"attention", "chunked_attention", "full_attention", "sliding_attention"}
)


def layers_without_attention(config: Mapping[str, Any]) -> list[str]:
    """What in the config says that some layers keep another state than keys and values.

    >>> layers_without_attention({"layer_types": ["full_attention", "linear_attention"]})
    ['linear_attention']
    >>> layers_without_attention({"state_size": 16, "num_hidden_layers": 24})
    ['state_size']
    """
    markers = [name for name in NOT_ATTENTION if config.get(name) is not None]
    kinds = config.get("layer_types")
    if isinstance(kinds, list):
        markers += sorted({str(kind) for kind in kinds} - ATTENTION_LAYERS)
    switches = config.get("attn_type_list")
    if isinstance(switches, list) and 0 in switches:
        markers.append("attn_type_list")
    return markers
