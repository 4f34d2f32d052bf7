"""Small random models of many architectures, as configs: what the real engine is asked about."""

from __future__ import annotations

from typing import Any, Final

CONTEXT: Final = 1024
BASE: Final = {
    "vocab_size": 256,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


def config(model_type: str, architecture: str, **changes: Any) -> dict[str, Any]:
    """A small config of a family; what is changed to None is left out."""
    written = {
        **BASE,
        "model_type": model_type,
        "architectures": [architecture],
        "num_hidden_layers": 3,
        "torch_dtype": "bfloat16",
        **changes,
    }
    return {key: value for key, value in written.items() if value is not None}


LLAMA: Final = config("llama", "LlamaForCausalLM")
MAMBA2: Final = {
    "mamba_expand": 2,
    "mamba_n_groups": 1,
    "mamba_n_heads": 4,
    "mamba_d_head": 32,
    "mamba_d_state": 16,
    "mamba_d_conv": 4,
    "mamba_chunk_size": 64,
}

MODELS: Final[dict[str, dict[str, Any]]] = {
    "llama": LLAMA,
    "llama-fp8-cache": LLAMA,
    "llama-lora": LLAMA,
    "qwen2-tied": config(
        "qwen2", "Qwen2ForCausalLM", hidden_size=128, head_dim=None, tie_word_embeddings=True
    ),
    "qwen3-moe": config(
        "qwen3_moe",
        "Qwen3MoeForCausalLM",
        num_experts=4,
        num_experts_per_tok=2,
        moe_intermediate_size=64,
        decoder_sparse_step=1,
        mlp_only_layers=[],
    ),
    "phi3": config(
        "phi3", "Phi3ForCausalLM", num_key_value_heads=4, head_dim=None, hidden_size=128
    ),
    "mistral-window": config("mistral", "MistralForCausalLM", sliding_window=64),
    "gemma2": config(
        "gemma2",
        "Gemma2ForCausalLM",
        num_hidden_layers=4,
        sliding_window=64,
        tie_word_embeddings=True,
    ),
    "gemma3": config(
        "gemma3_text",
        "Gemma3ForCausalLM",
        num_hidden_layers=8,
        sliding_window=64,
        tie_word_embeddings=True,
    ),
    "gpt-oss": config(
        "gpt_oss",
        "GptOssForCausalLM",
        num_hidden_layers=4,
        num_local_experts=4,
        num_experts_per_tok=2,
        sliding_window=64,
        intermediate_size=64,
    ),
    "deepseek": config(
        "deepseek_v3",
        "DeepseekV3ForCausalLM",
        num_key_value_heads=4,
        head_dim=None,
        q_lora_rank=32,
        kv_lora_rank=512,
        qk_nope_head_dim=128,
        qk_rope_head_dim=64,
        v_head_dim=128,
        n_routed_experts=4,
        n_shared_experts=1,
        num_experts_per_tok=2,
        moe_intermediate_size=64,
        first_k_dense_replace=1,
        n_group=1,
        topk_group=1,
        topk_method="noaux_tc",
        num_nextn_predict_layers=0,
    ),
    "granite-hybrid": config(
        "granitemoehybrid",
        "GraniteMoeHybridForCausalLM",
        **MAMBA2,
        num_hidden_layers=5,
        layers_block_type=["mamba", "mamba", "attention", "mamba", "mamba"],
        num_local_experts=0,
        num_experts_per_tok=0,
        shared_intermediate_size=128,
        position_embedding_type="rope",
        hidden_size=64,
        head_dim=None,
        num_attention_heads=2,
    ),
    "lfm2": config(
        "lfm2",
        "Lfm2ForCausalLM",
        num_hidden_layers=4,
        layer_types=["conv", "full_attention", "conv", "conv"],
        conv_L_cache=3,
        block_dim=64,
        conv_dim=64,
        block_multiple_of=64,
        block_ffn_dim_multiplier=1.0,
        block_ff_dim=128,
        conv_bias=False,
        block_auto_adjust_ff_dim=False,
        head_dim=None,
        tie_word_embeddings=True,
        num_attention_heads=2,
    ),
    "qwen3-next": config(
        "qwen3_next",
        "Qwen3NextForCausalLM",
        num_hidden_layers=4,
        linear_num_key_heads=2,
        linear_num_value_heads=4,
        linear_key_head_dim=32,
        linear_value_head_dim=32,
        linear_conv_kernel_dim=4,
        num_experts=4,
        num_experts_per_tok=2,
        moe_intermediate_size=64,
        shared_expert_intermediate_size=64,
        mlp_only_layers=[],
        decoder_sparse_step=1,
    ),
    "falcon-h1": config(
        "falcon_h1",
        "FalconH1ForCausalLM",
        **MAMBA2,
        mamba_d_ssm=128,
    ),
    "jamba": config(
        "jamba",
        "JambaForCausalLM",
        num_hidden_layers=4,
        attn_layer_period=4,
        attn_layer_offset=1,
        mamba_expand=2,
        mamba_d_state=16,
        mamba_d_conv=4,
        mamba_dt_rank=4,
        use_mamba_kernels=False,
        num_experts=1,
        num_experts_per_tok=1,
        head_dim=None,
        num_attention_heads=2,
    ),
    "mamba": {
        "model_type": "mamba",
        "architectures": ["MambaForCausalLM"],
        "hidden_size": 64,
        "intermediate_size": 128,
        "state_size": 16,
        "conv_kernel": 4,
        "expand": 2,
        "time_step_rank": 4,
        "num_hidden_layers": 3,
        "vocab_size": 256,
        "torch_dtype": "bfloat16",
    },
    "llama-gptq": {
        **LLAMA,
        "torch_dtype": "float16",
        "quantization_config": {
            "quant_method": "gptq",
            "bits": 4,
            "group_size": 32,
            "desc_act": False,
            "sym": True,
        },
    },
    "llama-awq": {
        **LLAMA,
        "torch_dtype": "float16",
        "quantization_config": {
            "quant_method": "awq",
            "bits": 4,
            "group_size": 32,
            "zero_point": True,
            "version": "gemm",
        },
    },
    "llama-int8": {
        **LLAMA,
        "quantization_config": {
            "quant_method": "compressed-tensors",
            "format": "int-quantized",
            "ignore": ["lm_head"],
            "config_groups": {
                "group_0": {
                    "targets": ["Linear"],
                    "weights": {
                        "num_bits": 8,
                        "type": "int",
                        "strategy": "channel",
                        "symmetric": True,
                        "dynamic": False,
                    },
                    "input_activations": {
                        "num_bits": 8,
                        "type": "int",
                        "strategy": "token",
                        "symmetric": True,
                        "dynamic": True,
                    },
                }
            },
        },
    },
}
