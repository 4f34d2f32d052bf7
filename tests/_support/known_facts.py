"""What is known of a published model, as its config and the header of its weights say."""

from __future__ import annotations

from tierwise_core.model_metadata import ModelMetadata

LLAMA_8B = ModelMetadata(
    architecture="LlamaForCausalLM",
    weights_bytes=16_060_522_496,
    parameters=8_030_261_248,
    layers=32,
    kv_heads=8,
    attention_heads=32,
    head_dim=128,
    hidden_size=4096,
    vocab_size=128256,
    context_length=131072,
    kv_dtype_bytes=2,
    dtype="bfloat16",
    kv_bytes_per_token=131072,
    intermediate_size=14336,
)
