"""Large models on the Hub of the tests: real configs and headers, weights that are not there.

Only a safetensors header is ever read, so the rest of the file need not exist.
"""

from __future__ import annotations

import json
from typing import Any

LLAMA_8B: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


class Sparse:
    """The bytes of a file of which only the beginning is known; the rest reads as zero."""

    def __init__(self, beginning: bytes, size: int) -> None:
        self.beginning = beginning
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, span: slice) -> bytes:
        start, stop, _ = span.indices(self.size)
        known = self.beginning[start:stop]
        return known + bytes(stop - start - len(known))


def llama_tensors(config: dict[str, Any]) -> dict[str, list[int]]:
    """The names and shapes of a Llama's tensors."""
    hidden, inner, vocab = (
        config[key] for key in ("hidden_size", "intermediate_size", "vocab_size")
    )
    kv = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    found = {
        "model.embed_tokens.weight": [vocab, hidden],
        "model.norm.weight": [hidden],
        "lm_head.weight": [vocab, hidden],
    }
    parts = {
        "self_attn.q_proj": [hidden, hidden],
        "self_attn.k_proj": [kv, hidden],
        "self_attn.v_proj": [kv, hidden],
        "self_attn.o_proj": [hidden, hidden],
        "mlp.gate_proj": [inner, hidden],
        "mlp.up_proj": [inner, hidden],
        "mlp.down_proj": [hidden, inner],
        "input_layernorm": [hidden],
        "post_attention_layernorm": [hidden],
    }
    for layer in range(config["num_hidden_layers"]):
        found |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in parts.items()}
    return found


def weights(tensors: dict[str, list[int]], width: int = 2) -> Sparse:
    """A safetensors file of these shapes in 16 bit."""
    entries: dict[str, Any] = {}
    position = 0
    for name, shape in tensors.items():
        size = width
        for dimension in shape:
            size *= dimension
        offsets = [position, position + size]
        entries[name] = {"dtype": "BF16", "shape": shape, "data_offsets": offsets}
        position += size
    header = json.dumps(entries).encode()
    beginning = len(header).to_bytes(8, "little") + header
    return Sparse(beginning, len(beginning) + position)


def repository(config: dict[str, Any]) -> dict[str, Any]:
    """The files of a repository of a Llama."""
    return {
        "config.json": json.dumps(config).encode(),
        "model.safetensors": weights(llama_tensors(config)),
    }
